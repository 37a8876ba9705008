"""Gradient matching: the samples push the parameters the way the real data do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from ..budget import Budget, Precision
from ..canvas import Canvas
from ..distances import Grain, cosine_distance
from ..errors import SettingError
from ..fitting import measure, refit
from ..method import Metrics, counts
from ..network import Model, model_of
from ..optimizers import Params
from ..outer import Matching, Outer
from ..pool import Nursery
from ..problem import Problem, Split
from ..random import stream
from ..selection import Start, initial
from ..training import Loss, Ridge, Training

__all__ = ["GradientMatching"]

Batch = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True)
class GradientMatching:
    r"""Learn samples whose gradients are parallel to those of the real data, class by class.

    .. math:: \min_x\ \mathbb E_\theta \sum_c \sum_l 1 - \cos\big(\nabla_{\theta_l}\mathcal L(x_c),
        \nabla_{\theta_l}\mathcal L(X_c)\big)

    Networks are fresh or partly trained, from a pool as in performance matching. Before gradients are
    compared their readout is fitted to the samples, and then held fixed: from a zero readout no gradient
    would reach the features, and rows that the samples already explain would drown those they do not.

    Args:
        steps: outer steps, at least 0.
        rate: outer Adam rate for inputs, in units of their standard deviation.
        label_rate: outer Adam rate for soft labels; 0 keeps them hard.
        pool: networks kept.
        networks: networks used per outer step.
        advance: inner steps that a used network is trained.
        oldest: age in inner steps at which a network is replaced.
        batch: real rows per gradient.
        per: gradients of each class apart, or of a mixed batch.
        grain: what has a direction of its own: each output unit, each layer, or the whole gradient.
        raised_on: whether networks learn from the samples (DC) or from real rows (IDC).
        loss: whose gradients are matched; cross-entropy is replaced by squared error for real targets.
        temperature: divides the outputs in cross-entropy; the sharper, the more the gradient looks at rows
            near the boundary.
        start: samples start as random real rows, k-means centres, noise, or in the principal subspace
            (`selection.initial`).

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        1. Networks of different ages in a pool, raised by the engram's own training, in place of nested
           loops. 2. A readout fitted in closed form before gradients are compared. 3. A temperature.
        4. Directions by layer rather than by unit. 5. k-means centres to start from.

    References:
        Zhao, Mopuri, Bilen 2021 (DC, arXiv 2006.05929).

    Example:
        >>> GradientMatching(steps=10).per
        'class'
    """

    steps: int = 100
    rate: float = 0.03
    label_rate: float = 0.0
    pool: int = 10
    networks: int = 1
    advance: int = 1
    oldest: int = 50
    batch: int = 32
    per: Literal["class", "batch"] = "class"
    grain: Grain = "layer"
    raised_on: Literal["samples", "real"] = "samples"
    loss: Loss = Loss.CROSS_ENTROPY
    temperature: float = 0.2
    start: Start = "centres"

    def __post_init__(self) -> None:
        if min(self.steps, self.rate, self.label_rate) < 0 or not self.temperature > 0:
            raise SettingError(f"{self}: steps and rates are at least 0, the temperature is positive")
        if min(self.pool, self.networks, self.advance, self.oldest, self.batch) < 1:
            raise SettingError(f"{self}: pool, networks, advance, oldest and batch are at least 1")

    def init(self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int) -> Matching:
        """Start from real rows or their centres, with a pool of fresh networks."""
        soft = self._soft(problem)
        canvas, groups = initial(problem, counts(problem, budget, precision, soft), self.start, soft, seed, training)
        pool = self._nursery(problem, training, seed).fill()
        return Matching(canvas, self._outer.init(canvas), pool, groups, 0, seed)

    def step(self, state: Matching, problem: Problem, training: Training) -> tuple[Matching, Metrics]:
        """Match gradients on one real batch per class, then let the networks learn."""
        nursery = self._nursery(problem, training, state.seed)
        model = model_of(training.network, problem.task)
        places = nursery.turn(self.networks, state.step)
        params = refit(model, state.pool.at(places)[0], _readout(training), state.canvas.decode())
        apart = self.per == "class" and problem.classes is not None
        groups = problem.train.by_class if apart else (torch.arange(len(problem.train)),)
        real = _drawn(problem.train, groups, self.batch, stream(state.seed, "real", state.step))
        temperature = self.temperature if problem.classes else 1.0
        target = _gradients(model, self._loss(problem), temperature, params, real)

        distance = partial(cosine_distance, grain=self.grain)

        def gap(free: Params) -> Tensor:
            samples = state.canvas.with_free(free).decode()
            own = state.groups if apart else torch.zeros_like(state.groups)
            batch = _grouped(samples.inputs, samples.targets, own, len(groups))
            found = _gradients(model, self._loss(problem), temperature, params, batch)
            return vmap(vmap(distance))(found, target).sum(1).mean()

        grads, loss = grad_and_value(gap)(state.canvas.free)
        canvas, moments = self._outer.step(state.canvas, grads, state.moments, state.step)
        lesson = canvas.decode().batch(slice(None))
        if self.raised_on == "real":
            lesson = problem.train.sample(self.batch, state.step, state.seed, "raise")
        pool = nursery.advance(state.pool, places, lesson, self.advance)
        return replace(state, canvas=canvas, moments=moments, pool=pool, step=state.step + 1), {"loss": float(loss)}

    def export(self, state: Matching) -> Mapping[str, Canvas]:
        """The canvas."""
        return {"main": state.canvas}

    def _soft(self, problem: Problem) -> bool:
        return problem.classes is None or self.label_rate > 0

    def _loss(self, problem: Problem) -> Loss:
        return self.loss if problem.classes else Loss.SQUARED

    @property
    def _outer(self) -> Outer:
        return Outer({"inputs": self.rate, "targets": self.label_rate}, self.steps)

    def _nursery(self, problem: Problem, training: Training, seed: int) -> Nursery:
        return Nursery(training, problem.task, self.pool, self.oldest, seed, str(problem.train.device))


def _readout(training: Training) -> Ridge:
    """The closed-form readout of the training, or the usual one where it has none."""
    return next((phase.solver for phase in training.phases if isinstance(phase.solver, Ridge)), Ridge())


def _gradients(model: Model, loss: Loss, temperature: float, params: Params, batches: Batch) -> Params:
    """Gradients of every network on every group: each (networks, groups, *shape)."""

    def one(network: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Params:
        return grad(lambda p: measure(loss, model.outputs(p, x) / temperature, y, w))(network)

    x, y, w = batches
    over_groups = vmap(one, in_dims=(None, 0, 0, None if w is None else 0))
    result: Params = vmap(over_groups, in_dims=(0, None, None, None))(params, x, y, w)
    return result


def _drawn(split: Split, groups: tuple[Tensor, ...], size: int, generator: torch.Generator) -> Batch:
    """Real rows of every group, (groups, size, ...), with replacement."""
    rows = torch.stack([g[torch.randint(len(g), (size,), generator=generator).to(g.device)] for g in groups])
    x, y, w = split.batch(rows.flatten().to(split.device))
    shape = rows.shape
    # A class of its own needs no weights: the cosine does not see them.
    weights = None if w is None or len(groups) > 1 else w.reshape(shape)
    return x.reshape(*shape, *x.shape[1:]), y.reshape(*shape, -1), weights


def _grouped(inputs: Tensor, targets: Tensor, labels: Tensor, groups: int) -> Batch:
    """Samples by group, padded to the largest with weightless copies."""
    members = [torch.nonzero(labels == group).flatten() for group in range(groups)]
    most = max(len(m) for m in members)
    rows = torch.stack([torch.cat([m, m[:1].expand(most - len(m))]) for m in members])
    weights = torch.stack([(torch.arange(most) < len(m)) * (most / len(m)) for m in members]).to(inputs)
    return inputs[rows], targets[rows], weights
