"""A network that goes on learning, by plain descent, beside what its memory replays."""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor
from torch.func import grad

from ..data.rows import Batch
from ..data.task import Task
from ..errors import DivergenceError, SettingError
from ..learning.gradients import mean_loss
from ..learning.network import Model, Network, initialise, model_of
from ..learning.training import Loss
from ..numerics.optimizers import SGD, Adam, Params
from ..random import minibatch
from ..samples.synthetic import Synthetic

__all__ = ["Buffer", "Learner", "Sampled"]


class Sampled(Protocol):
    """Rows that are read in minibatches."""

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch."""
        ...


@dataclass(frozen=True, eq=False)
class Buffer:
    """What is replayed.

    Args:
        rows: samples with scores in the label space of the learner.
        logits: (N, C) what a network said of them when they were stored, to be said again (dark experience replay); None for nothing.
    """

    rows: Synthetic
    logits: Tensor | None = None

    def after(self, former: "Buffer | None") -> "Buffer":
        """What was kept before, and this."""
        if former is None:
            return self
        rows = Synthetic(*(torch.cat(pair) for pair in zip(former._tensors, self._tensors, strict=True)))
        if self.logits is None or former.logits is None:
            return Buffer(rows)
        return Buffer(rows, torch.cat([former.logits, self.logits]))

    @property
    def _tensors(self) -> tuple[Tensor, Tensor]:
        return self.rows.inputs, self.rows.targets


@dataclass(frozen=True)
class Learner:
    """How a network learns one experience after another.

    Args:
        network: the architecture, one output for each class of all experiences.
        optimizer: plain SGD with momentum unless said; it starts anew with every experience.
        steps: of each experience, at least 1.
        batch: new rows in a step, and as many of what is replayed.
        dark: weight of the mean squared difference to stored logits.

    Raises:
        SettingError: a value out of range.

    References:
        Chaudhry et al. 2019, tiny episodic memories (arXiv 1902.10486); Buzzega et al. 2020, dark experience replay (arXiv 2004.07211).
    """

    network: Network
    optimizer: SGD | Adam = field(default_factory=lambda: SGD(0.03, 0.9))
    steps: int = 300
    batch: int = 64
    dark: float = 0.5

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.dark < 0:
            raise SettingError(f"steps {self.steps}, batch {self.batch} and dark {self.dark}: give at least 1, 1 and 0")

    def begin(self, task: Task, seed: int) -> Params:
        """Fresh parameters."""
        return initialise(self.network, task, seed, "continual")

    def learn(
        self,
        params: Params,
        task: Task,
        new: Sampled | None,
        memory: Buffer | None,
        seed: int,
        number: int,
        steps: int | None = None,
    ) -> Params:
        r"""Learn one experience: :math:`\theta \leftarrow \theta - \eta\,\nabla\big(\ell_{\text{new}} + \ell_{\text{replayed}}\big)`.

        Args:
            params: of the network.
            task: whose loss: cross-entropy of classes, squared error of numbers.
            new: rows of the experience; None to learn from the memory alone.
            memory: what is replayed; None for nothing.
            seed: of batches.
            number: of the experience.
            steps: in place of the learner's own.

        Returns:
            The parameters afterwards.

        Raises:
            DivergenceError: parameters that are no longer finite.
        """
        model = model_of(self.network, task)
        loss = Loss.CROSS_ENTROPY if task.metric.of_classes else Loss.SQUARED
        slope = grad(_loss)
        moments = self.optimizer.init(params)
        for step in range(self.steps if steps is None else steps):
            fresh = None if new is None else new.sample(self.batch, step, seed, "new", number)
            old, said = (None, None) if memory is None else _drawn(memory, self.batch, step, seed, number)
            grads = slope(params, model, loss, fresh, old, said, self.dark)
            params, moments = self.optimizer.step(params, grads, moments)
            params = {key: value.detach() for key, value in params.items()}
        if not all(torch.isfinite(value).all() for value in params.values()):
            raise DivergenceError("learning left parameters that are not finite: lower the learner's rate")
        return params


def _drawn(memory: Buffer, size: int, step: int, seed: int, number: int) -> tuple[Batch, Tensor | None]:
    index = minibatch(len(memory.rows), size, step, seed, "old", number).to(memory.rows.device)
    return memory.rows.batch(index), None if memory.logits is None else memory.logits[index]


def _loss(
    params: Params, model: Model, loss: Loss, new: Batch | None, old: Batch | None, said: Tensor | None, dark: float
) -> Tensor:
    parts = [batch for batch in (new, old) if batch is not None]
    found = model.outputs(params, torch.cat([x for x, _, _ in parts]), training=True)
    outputs = found.split([len(x) for x, _, _ in parts])
    total = torch.stack([mean_loss(loss, out, y) for out, (_, y, _) in zip(outputs, parts, strict=True)]).sum()
    if said is not None:
        total = total + dark * (outputs[-1] - said).square().mean()
    return total
