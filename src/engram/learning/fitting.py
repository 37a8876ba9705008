"""Training networks: many at once, one for each seed, phase by phase."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ..data.rows import Batch, Rows
from ..data.task import Task
from ..errors import DivergenceError, SettingError
from ..numerics.optimizers import Moments, Params
from ..random import isolated, stream
from .augmentation import Augmentation, augmentation
from .gradients import ROWS_AT_ONCE, batch_gradient, gradient, learnt_params
from .network import Model, initialise, model_of
from .readout import refit
from .stacking import Stacked, each_network, stack, stacked
from .training import Descent, Phase, Ridge, Training

__all__ = ["Fitted", "Observer", "descend", "fit", "outputs"]


@dataclass(frozen=True, eq=False)
class Fitted:
    """Trained networks, their parameters stacked.

    Args:
        model: the pure function.
        params: by name, each with a leading axis of networks.
        bounds: ``low`` and ``high``, each (networks, *shape), at which inputs are held; None for none.
    """

    model: Model
    params: Params
    bounds: Params | None = None

    @property
    def networks(self) -> int:
        """How many."""
        return len(next(iter(self.params.values())))

    def one(self, index: int) -> Params:
        """The parameters of one network."""
        return {key: value[index] for key, value in self.params.items()}

    def outputs(self, inputs: Tensor, half: bool = False) -> Tensor:
        """(networks, N, C); at half precision where convolutions gain by it."""
        with torch.no_grad():
            return self._each(lambda params, x: self.model.outputs(params, x, half=half), inputs)

    def features(self, inputs: Tensor) -> Tensor:
        """(networks, N, F)."""
        with torch.no_grad():
            return self._each(self.model.features, inputs)

    def _each(self, function: Callable[[Params, Tensor], Tensor], inputs: Tensor) -> Tensor:
        """What every network makes of the inputs, within its bounds."""
        if self.bounds is None:
            found: Tensor = each_network(function, self.params, inputs)
            return found
        held: Tensor = each_network(
            lambda params, ends, x: function(params, x.clamp(ends["low"], ends["high"])),
            self.params,
            self.bounds,
            inputs,
        )
        return held


Observer = Callable[[int, int, Fitted], None]
"""Called with (phase, steps taken, networks) after every step, and once before the first."""


def fit(
    training: Training,
    task: Task,
    sets: Mapping[str, Rows] | Sequence[Mapping[str, Rows]],
    seeds: Sequence[int],
    observe: Observer | None = None,
    start: Params | None = None,
) -> Fitted:
    """Train one fresh network per seed, all at once.

    Args:
        training: network and phases.
        task: shape of inputs and number of outputs.
        sets: by name, the data each phase reads; or one such mapping per seed, all of the same sizes.
        seeds: one network each. Parameters and batches depend on a network's own seed; dropout also on those
            trained beside it.
        observe: sees the networks while they learn.
        start: stacked parameters that are not drawn but given: those of a network that learnt something else before.

    Returns:
        The trained networks.

    Raises:
        DivergenceError: parameters that are no longer finite.
        SettingError: a phase reads a set that is not there.

    Example:
        >>> from engram.data.metrics import Metric
        >>> from engram.learning.networks.mlp import MLP
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> task = Task((1,), 1, Metric.R2)
        >>> from engram.samples.synthetic import Synthetic
        >>> fitted = fit(Training.default(MLP(width=16)), task, {"main": Synthetic(x, 2 * x)}, seeds=[0, 1])
        >>> fitted.outputs(x).shape
        torch.Size([2, 2, 1])
    """
    model = model_of(training.network, task)
    known = sets if isinstance(sets, Mapping) else {k: Stacked(tuple(own[k] for own in sets)) for k in sets[0]}
    device = next(iter(known.values())).device
    params = stack([initialise(training.network, task, seed) for seed in seeds]) | (start or {})
    params = {key: value.to(device) for key, value in params.items()}
    for number, phase in enumerate(training.phases):
        if phase.data not in known:
            raise SettingError(f"phase {number} reads the set {phase.data!r}; there are {', '.join(known)}")
        for change in phase.before:
            params = stack(
                [
                    change(model, {k: v[i] for k, v in params.items()}, stream(seed, "before", number))
                    for i, seed in enumerate(seeds)
                ]
            )
        data = known[phase.data]
        if isinstance(phase.solver, Ridge):
            params = refit(model, params, phase.solver, data)
        else:
            if phase.solver.augment and len(task.shape) != 3:
                raise SettingError(
                    f"augment={phase.solver.augment!r} is for images; these inputs have other shapes: leave it out"
                )
            params = _descend_all(model, params, phase, number, data, seeds, observe)
    if not all(torch.isfinite(value).all() for value in params.values()):
        raise DivergenceError("training left parameters that are not finite: lower the learning rate")
    return Fitted(model, params, _bounds(known[training.phases[-1].data], len(seeds)) if training.bounded else None)


def _bounds(data: Rows, networks: int) -> Params:
    """The range of every network's rows."""
    ends: Params = {}
    rows = 1 if isinstance(data, Stacked) else 0
    for x, _, _ in data.batches():
        low, high = x.amin(rows), x.amax(rows)
        ends = {"low": torch.minimum(low, ends.get("low", low)), "high": torch.maximum(high, ends.get("high", high))}
    return ends if rows else {key: value.expand(networks, *value.shape) for key, value in ends.items()}


def descend(
    model: Model,
    phase: Phase,
    params: Params,
    moments: Moments,
    batch: Batch,
    apart: bool = False,
    scale: float | Tensor = 1.0,
) -> tuple[Params, Moments, Tensor]:
    """Take one step of a phase for stacked networks; differentiable in the batch.

    Args:
        model: the pure function.
        phase: whose solver is a `Descent`.
        params: stacked.
        moments: of the optimizer, its counter one entry per network.
        batch: inputs, targets, weights; with a leading axis of networks when `apart`.
        apart: whether each network has its own batch.
        scale: factor of the rate.

    Returns:
        Parameters, moments, and the loss of each network before the step.
    """
    assert isinstance(phase.solver, Descent)
    grads, values = batch_gradient(model, phase.solver.loss, phase.part, params, batch, apart)
    moved, moments = phase.solver.optimizer.step(learnt_params(model, phase.part, params), grads, moments, scale)
    return params | moved, moments, values


def _descend_all(
    model: Model,
    params: Params,
    phase: Phase,
    number: int,
    data: Rows,
    seeds: Sequence[int],
    observe: Observer | None,
) -> Params:
    solver = phase.solver
    assert isinstance(solver, Descent)
    rows, apart = len(data), isinstance(data, Stacked)
    size = rows if solver.batch is None else min(solver.batch, rows)
    moments = solver.optimizer.init(learnt_params(model, phase.part, params), len(seeds))
    # All rows of a large split in one step are summed over batches, so that memory stays bounded.
    summed = data.streamed and size == rows > ROWS_AT_ONCE
    whole = data.batch(slice(None)) if size == rows and not summed else None
    strategy = augmentation(solver.augment)
    if observe:
        observe(number, 0, Fitted(model, params))
    for step in range(solver.steps):
        with isolated(seeds[0], "dropout", number, step):
            if summed:
                drawn = partial(_batch_augmented, strategy, seeds[0], number, step) if strategy.kinds else None
                grads = gradient(model, solver.loss, phase.part, params, data, drawn)
                learnt = learnt_params(model, phase.part, params)
                moved, moments = solver.optimizer.step(learnt, grads, moments, solver.scale(step))
                params = params | moved
            else:
                batch, own = (whole, apart) if whole else (_draw(data, size, step, seeds, number), True)
                if strategy.kinds:
                    batch, own = _augmented(strategy, batch, own, seeds, number, step), True
                params, moments, _ = descend(model, phase, params, moments, batch, own, solver.scale(step))
        params = {key: value.detach() for key, value in params.items()}
        if observe:
            observe(number, step + 1, Fitted(model, params))
    return params


def _draw(data: Rows, size: int, step: int, seeds: Sequence[int], number: int) -> Batch:
    """One minibatch per network, stacked."""
    each = data.parts if isinstance(data, Stacked) else [data] * len(seeds)
    return stacked([own.sample(size, step, seed, "batches", number) for own, seed in zip(each, seeds, strict=True)])


def _batch_augmented(strategy: Augmentation, seed: int, number: int, step: int, k: int, x: Tensor) -> Tensor:
    """One batch of many, each row under a transformation of its own; networks that sum over batches share it."""
    return strategy.draw(stream(seed, "augment", number, step, k), len(x))(x)


def _augmented(
    strategy: Augmentation, batch: Batch, apart: bool, seeds: Sequence[int], number: int, step: int
) -> Batch:
    """The batch of every network under transformations of its own, stacked."""
    x, y, w = batch
    if not apart:
        x, y = (part.expand(len(seeds), *part.shape) for part in (x, y))
        w = None if w is None else w.expand(len(seeds), *w.shape)
    drawn = (strategy.draw(stream(seed, "augment", number, step), x.shape[1]) for seed in seeds)
    return torch.stack([change(own) for change, own in zip(drawn, x, strict=True)]), y, w


def outputs(fitted: Fitted, rows: Rows) -> torch.Tensor:
    """Outputs (networks, N, C) on rows, in batches that shrink with the number of networks.

    Large images are seen at half precision: twice as fast, and one prediction in a thousand is another one.
    """
    size = max(32, 512 // fitted.networks)
    return torch.cat([fitted.outputs(x, half=True) for x, _, _ in rows.batches(size)], dim=1)
