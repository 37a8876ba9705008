"""Training networks: many at once, their parameters stacked along a leading axis, gradients by `vmap`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import grad_and_value, vmap
from torch.utils._pytree import tree_map

from .augmentation import Augmentation, augmentation
from .errors import DivergenceError, SettingError
from .linalg import penalised, ridge, solve, with_bias
from .network import Model, initialise, large_image, model_of, stack
from .optimizers import Moments, Params
from .problem import Split, Task
from .random import isolated, stream
from .synthetic import Synthetic
from .training import Descent, Loss, Part, Phase, Ridge, Training

__all__ = [
    "Data",
    "Fitted",
    "Observer",
    "descend",
    "each_network",
    "fit",
    "gradient",
    "measure",
    "refit",
]

Data = Synthetic | Split

_ROWS = 4096
"""Rows, over all stacked networks, whose activations are held at once."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Trained networks, their parameters stacked.

    Args:
        model: the pure function.
        params: by name, each with a leading axis of networks.
    """

    model: Model
    params: Params

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
            return each_network(lambda params, x: self.model.outputs(params, x, half=half), self.params, inputs)

    def features(self, inputs: Tensor) -> Tensor:
        """(networks, N, F)."""
        with torch.no_grad():
            return each_network(self.model.features, self.params, inputs)


Observer = Callable[[int, int, Fitted], None]
"""Called with (phase, steps taken, networks) after every step, and once before the first."""


def fit(
    training: Training,
    task: Task,
    sets: Mapping[str, Data] | Sequence[Mapping[str, Synthetic]],
    seeds: Sequence[int],
    observe: Observer | None = None,
) -> Fitted:
    """Train one fresh network per seed, all at once.

    Args:
        training: network and phases.
        task: shape of inputs and number of outputs.
        sets: by name, the data each phase reads; or one such mapping per seed, all of the same sizes.
        seeds: one network each. Parameters and batches depend on a network's own seed; dropout also on those
            trained beside it.
        observe: sees the networks while they learn.

    Returns:
        The trained networks.

    Raises:
        DivergenceError: parameters that are no longer finite.
        SettingError: a phase reads a set that is not there.

    Example:
        >>> from engram.metrics import Metric
        >>> from engram.networks.mlp import MLP
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> task = Task((1,), 1, Metric.R2)
        >>> fitted = fit(Training.default(MLP(width=16)), task, {"main": Synthetic(x, 2 * x)}, seeds=[0, 1])
        >>> fitted.outputs(x).shape
        torch.Size([2, 2, 1])
    """
    model = model_of(training.network, task)
    apart = not isinstance(sets, Mapping)
    known = _together(sets) if not isinstance(sets, Mapping) else sets
    device = _device(next(iter(known.values())))
    params = stack([initialise(training.network, task, seed) for seed in seeds])
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
            params = refit(model, params, phase.solver, data, apart)
        else:
            params = _descend_all(model, params, phase, number, data, apart, seeds, observe)
    if not all(torch.isfinite(value).all() for value in params.values()):
        raise DivergenceError("training left parameters that are not finite: lower the learning rate")
    return Fitted(model, params)


def descend(
    model: Model,
    phase: Phase,
    params: Params,
    moments: Moments,
    batch: tuple[Tensor, Tensor, Tensor | None],
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
    grads, values = _slope(model, phase.solver.loss, phase.part, params, batch, apart)
    moved, moments = phase.solver.optimizer.step(_learnt(model, phase.part, params), grads, moments, scale)
    return params | moved, moments, values


def gradient(
    model: Model,
    loss: Loss,
    part: Part,
    params: Params,
    data: Data,
    change: Callable[[int, Tensor], Tensor] | None = None,
) -> Params:
    r"""Gradient of the mean loss over all rows, a batch at a time: :math:`\frac1N \sum_b N_b\, \nabla_\theta \ell_b`.

    Args:
        model: the pure function.
        loss: whose gradient.
        part: of which parameters.
        params: stacked.
        data: rows; no more than one batch of activations is held.
        change: of the inputs, by the number of their batch (augmentation).

    Returns:
        Gradients by name, with the networks' leading axis.
    """
    total: Params = {}
    for k, (x, y, w) in enumerate(data.batches(max(64, _ROWS // len(next(iter(params.values())))))):
        share = len(x) / len(data)
        grads, _ = _slope(model, loss, part, params, (change(k, x) if change else x, y, w), apart=False)
        total = {key: value.detach() * share + total.get(key, 0.0) for key, value in grads.items()}
    return total


def _slope(
    model: Model, loss: Loss, part: Part, params: Params, batch: tuple[Tensor, Tensor, Tensor | None], apart: bool
) -> tuple[Params, Tensor]:
    """Gradient and loss of every network on a batch."""
    learnt = _learnt(model, part, params)
    fixed = {key: value for key, value in params.items() if key not in learnt}

    def mean(learning: Params, rest: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        return measure(loss, model.outputs(rest | learning, x, training=True), y, w)

    result: tuple[Params, Tensor] = each_network(grad_and_value(mean), learnt, fixed, *batch, apart=apart)
    return result


def measure(loss: Loss, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Mean loss: :math:`\frac1N\sum_n w_n |f_n - y_n|^2`, or :math:`-\frac1N\sum_n w_n\,(y_n + 1/C)\cdot\log\mathrm{softmax} f_n`.

    Args:
        loss: which.
        outputs: (N, C).
        targets: (N, C) scores, centred for classes.
        weights: (N,).

    Returns:
        A number.

    Example:
        >>> measure(Loss.SQUARED, torch.zeros(1, 2), torch.tensor([[0.5, -0.5]]))
        tensor(0.5000)
    """
    if loss is Loss.SQUARED:
        each = (outputs - targets).square().sum(-1)
    else:
        each = -((targets + 1 / targets.shape[-1]) * outputs.log_softmax(-1)).sum(-1)
    return each.mean() if weights is None else (each * weights).mean()


def refit(model: Model, params: Params, solver: Ridge, data: Data, apart: bool = False) -> Params:
    """Replace the readouts of stacked networks by the closed-form ones on some data."""

    def readout(one: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        return ridge(model.features(one, x), y, solver.regularisation, w, solver.steps)

    if isinstance(data, Split):
        return model.with_readout(params, _streamed_readout(model, params, solver, data))
    x, y, w = data.batch(slice(None))
    return model.with_readout(params, each_network(readout, params, x, y, w, apart=apart))


def _streamed_readout(model: Model, params: Params, solver: Ridge, data: Split) -> Tensor:
    """The same readout from sums over batches, so that no more than one batch of features is held."""
    gram = moment = torch.zeros((), device=_device(data))
    for x, y, w in data.batches():
        phi = with_bias(each_network(model.features, params, x).detach())
        left = phi if w is None else phi * w[:, None]
        gram, moment = gram + left.mT @ phi, moment + left.mT @ y
    return solve(penalised(gram, solver.regularisation, len(data)), moment, solver.steps)


def _descend_all(
    model: Model,
    params: Params,
    phase: Phase,
    number: int,
    data: Data,
    apart: bool,
    seeds: Sequence[int],
    observe: Observer | None,
) -> Params:
    solver = phase.solver
    assert isinstance(solver, Descent)
    rows = len(data) if not apart else len(data.targets[0])
    size = rows if solver.batch is None else min(solver.batch, rows)
    moments = solver.optimizer.init(_learnt(model, phase.part, params), len(seeds))
    # All rows of a large split in one step are summed over batches, so that memory stays bounded.
    summed = isinstance(data, Split) and size == rows > _ROWS
    whole = data.batch(slice(None)) if size == rows and not summed else None
    strategy = augmentation(solver.augment)
    if strategy.kinds and data.inputs.ndim - apart != 4:
        raise SettingError(f"augment={solver.augment!r} is for images; these inputs have other shapes: leave it out")
    if observe:
        observe(number, 0, Fitted(model, params))
    for step in range(solver.steps):
        with isolated(seeds[0], "dropout", number, step):
            if summed:
                drawn = partial(_batch_augmented, strategy, seeds[0], number, step) if strategy.kinds else None
                grads = gradient(model, solver.loss, phase.part, params, data, drawn)
                learnt = _learnt(model, phase.part, params)
                moved, moments = solver.optimizer.step(learnt, grads, moments, solver.scale(step))
                params = params | moved
            else:
                batch, own = (whole, apart) if whole else (_draw(data, size, step, seeds, number, apart), True)
                if strategy.kinds:
                    batch, own = _augmented(strategy, batch, own, seeds, number, step), True
                params, moments, _ = descend(model, phase, params, moments, batch, own, solver.scale(step))
        params = {key: value.detach() for key, value in params.items()}
        if observe:
            observe(number, step + 1, Fitted(model, params))
    return params


def _draw(
    data: Data, size: int, step: int, seeds: Sequence[int], number: int, apart: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """One minibatch per network, stacked."""
    each: list[Data] = [data] * len(seeds)
    if apart:
        assert isinstance(data, Synthetic)
        each = [Synthetic(x, y) for x, y in zip(data.inputs, data.targets, strict=True)]
    parts = [own.sample(size, step, seed, "batches", number) for own, seed in zip(each, seeds, strict=True)]
    x, y, w = zip(*parts, strict=True)
    return torch.stack(x), torch.stack(y), None if w[0] is None else torch.stack(w)


def _batch_augmented(strategy: Augmentation, seed: int, number: int, step: int, k: int, x: Tensor) -> Tensor:
    """One batch of many, each row under a transformation of its own; networks that sum over batches share it."""
    return strategy.draw(stream(seed, "augment", number, step, k), len(x))(x)


def _augmented(
    strategy: Augmentation,
    batch: tuple[Tensor, Tensor, Tensor | None],
    apart: bool,
    seeds: Sequence[int],
    number: int,
    step: int,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The batch of every network under transformations of its own, stacked."""
    x, y, w = batch
    if not apart:
        x, y = (part.expand(len(seeds), *part.shape) for part in (x, y))
        w = None if w is None else w.expand(len(seeds), *w.shape)
    drawn = (strategy.draw(stream(seed, "augment", number, step), x.shape[1]) for seed in seeds)
    return torch.stack([change(own) for change, own in zip(drawn, x, strict=True)]), y, w


def _together(sets: Sequence[Mapping[str, Synthetic]]) -> dict[str, Data]:
    return {
        name: Synthetic(torch.stack([s[name].inputs for s in sets]), torch.stack([s[name].targets for s in sets]))
        for name in sets[0]
    }


def _learnt(model: Model, part: Part, params: Params) -> Params:
    keys = {Part.FIRST_LAYER: model.first_layer, Part.READOUT: model.readout, Part.ALL: lambda: tuple(params)}[part]()
    return {key: params[key] for key in keys}


def each_network(function: Callable[..., Any], *args: Any, apart: bool = False) -> Any:
    """Map a function over stacked networks.

    Args:
        function: of one network's parameters, then of whatever else.
        args: mappings are per network; tensors are shared, or per network too when `apart`.
        apart: whether tensors have a leading axis of networks.

    Returns:
        The function's results, stacked.
    """
    mapped = [isinstance(arg, dict) or (apart and arg is not None) for arg in args]
    if len(next(iter(next(arg for arg in args if isinstance(arg, dict)).values()))) == 1:
        # Batched kernels cost more than they save when there is nothing to batch.
        alone = [tree_map(lambda t: t[0], arg) if own else arg for arg, own in zip(args, mapped, strict=True)]
        return tree_map(lambda t: t.unsqueeze(0), function(*alone))
    if _heavy(args):
        pick = lambda k: (tree_map(lambda t: t[k], arg) if own else arg for arg, own in zip(args, mapped, strict=True))  # noqa: E731
        count = len(next(iter(next(arg for arg in args if isinstance(arg, dict)).values())))
        return tree_map(lambda *parts: torch.stack(parts), *[function(*pick(k)) for k in range(count)])
    return vmap(function, in_dims=tuple(0 if own else None for own in mapped), randomness="different")(*args)


def _heavy(args: tuple[Any, ...]) -> bool:
    """Whether images are so large that a CPU does better network by network (1.4 times at 28 pixels, measured)."""
    images = (arg for arg in args if isinstance(arg, Tensor) and arg.ndim >= 4)
    return any(large_image(arg.shape[-3:]) and arg.device.type == "cpu" for arg in images)


def _device(data: Data) -> torch.device:
    return data.device
