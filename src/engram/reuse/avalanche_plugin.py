"""Engrams as the memory of an Avalanche strategy: a plugin by the names of its methods, which needs no Avalanche itself."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data.problem import Problem
from ..data.targets import Classes
from ..distillation.distiller import distill
from ..distillation.method import Method
from ..errors import SettingError
from ..random import stream
from ..samples.budget import Budget
from .replay_memory import Replayed, ReplayMemory

__all__ = ["EngramPlugin"]


class EngramPlugin:
    """Distils every experience as it ends, and replays what is remembered beside every later minibatch.

    Avalanche calls a plugin's methods by their names, so this one inherits nothing. It reads the strategy's ``model``, ``loss``, ``device``
    and ``experience.dataset`` (pairs or triples whose first two are an input and a whole-number label), and adds to ``loss``.

    Args:
        classes: outputs of the strategy's model, at least 2; labels are 0, 1, ...
        limit: bytes of all memories; None for as many as come.
        budget: of each experience; one sample for each of its classes when None.
        batch: memories that are replayed in a step, at least 1.
        method: distils; by the kind of data when None.
        steps: outer steps, in place of the method's own.
        seed: of every draw.

    Raises:
        SettingError: a value out of range.

    References:
        Carta et al. 2023, Avalanche: a PyTorch library for deep continual learning.

    Example:
        >>> plugin = EngramPlugin(classes=10, limit=20_000)
        >>> plugin.memory
        ReplayMemory(0 engrams, 0 samples, 0 of 20,000 bytes)
    """

    def __init__(
        self,
        classes: int,
        *,
        limit: int | None = None,
        budget: Budget | None = None,
        batch: int = 64,
        method: Method | str | None = None,
        steps: int | None = None,
        seed: int = 0,
    ) -> None:
        if classes < 2 or batch < 1:
            raise SettingError(f"classes is {classes} and batch is {batch}: give at least 2 and 1")
        self.memory = ReplayMemory(Classes(tuple(map(str, range(classes))), "int"), limit)
        self.budget, self.batch, self.method, self.steps, self.seed = budget, batch, method, steps, seed
        self._drawn = 0
        self._shape: tuple[int, ...] = ()

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the loss of a batch of memories."""
        if not self.memory.engrams:
            return
        inputs, targets = self.memory.sample(self.batch, stream(self.seed, "replayed", self._drawn))
        self._drawn += 1
        raw = _as_given(self.memory.preprocessing.decode(inputs), self._shape).to(strategy.device)
        outputs = strategy.model(raw)
        # A head that grows has no outputs yet for classes that are still to come.
        known = targets[:, : outputs.shape[1]].to(outputs)
        strategy.loss = strategy.loss + self.memory.loss(outputs, Replayed(raw, known))

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Distil what was just learnt."""
        rows = [strategy.experience.dataset[k] for k in range(len(strategy.experience.dataset))]
        inputs = torch.stack([torch.as_tensor(row[0]) for row in rows])
        labels = np.array([int(row[1]) for row in rows])
        self._shape = tuple(inputs.shape[1:])
        # Nobody opens the test rows of a memory: all rows may teach.
        problem = Problem.from_arrays(inputs, labels, test=(inputs, labels), seed=self.seed, task="classification")
        engram = distill(problem, self.method, budget=self.budget, steps=self.steps, seed=self.seed)
        self.memory = self.memory.add(engram)


def _as_given(raw: np.ndarray, shape: tuple[int, ...]) -> Tensor:
    """Decoded inputs in the layout that the dataset has: images with channels first where they came so."""
    values = torch.from_numpy(np.ascontiguousarray(raw))
    if values.ndim == 4 and values.shape[1:] != shape:
        values = values.movedim(-1, 1)
    return values.reshape(len(values), *shape).float()
