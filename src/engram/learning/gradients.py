"""Losses, and their gradients in the parameters of stacked networks."""

from collections.abc import Callable

from torch import Tensor

from ..data.rows import Batch, Rows
from ..numerics.derivatives import grad_and_value
from ..numerics.optimizers import Params
from .network import Model
from .stacking import each_network
from .training import Loss, Part

__all__ = ["ROWS_AT_ONCE", "batch_gradient", "gradient", "learnt_params", "mean_loss"]

ROWS_AT_ONCE = 4096
"""Rows, over all stacked networks, whose activations are held at once."""


def mean_loss(loss: Loss, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    r"""Mean loss: :math:`\frac1N\sum_n w_n |f_n - y_n|^2`, or :math:`-\frac1N\sum_n w_n\,(y_n + 1/C)\cdot\log\mathrm{softmax} f_n`.

    Args:
        loss: which.
        outputs: (N, C).
        targets: (N, C) scores, centred for classes.
        weights: (N,).

    Returns:
        A number.

    Example:
        >>> import torch
        >>> mean_loss(Loss.SQUARED, torch.zeros(1, 2), torch.tensor([[0.5, -0.5]]))
        tensor(0.5000)
    """
    if loss is Loss.SQUARED:
        each = (outputs - targets).square().sum(-1)
    else:
        each = -((targets + 1 / targets.shape[-1]) * outputs.log_softmax(-1)).sum(-1)
    return each.mean() if weights is None else (each * weights).mean()


def gradient(
    model: Model,
    loss: Loss,
    part: Part,
    params: Params,
    data: Rows,
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
    for k, (x, y, w) in enumerate(data.batches(max(64, ROWS_AT_ONCE // len(next(iter(params.values())))))):
        share = len(x) / len(data)
        grads, _ = batch_gradient(model, loss, part, params, (change(k, x) if change else x, y, w), apart=False)
        total = {key: value.detach() * share + total.get(key, 0.0) for key, value in grads.items()}
    return total


def batch_gradient(
    model: Model, loss: Loss, part: Part, params: Params, batch: Batch, apart: bool
) -> tuple[Params, Tensor]:
    """Gradient and loss of every network on a batch."""
    learnt = learnt_params(model, part, params)
    fixed = {key: value for key, value in params.items() if key not in learnt}

    def mean(learning: Params, rest: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        return mean_loss(loss, model.outputs(rest | learning, x, training=True), y, w)

    result: tuple[Params, Tensor] = each_network(grad_and_value(mean), learnt, fixed, *batch, apart=apart)
    return result


def learnt_params(model: Model, part: Part, params: Params) -> Params:
    """Those parameters that learn in a phase."""
    keys = {Part.FIRST_LAYER: model.first_layer, Part.READOUT: model.readout, Part.ALL: lambda: tuple(params)}[part]()
    return {key: params[key] for key in keys}
