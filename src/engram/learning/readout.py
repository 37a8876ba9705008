"""The closed-form readout of stacked networks."""

import torch
from torch import Tensor

from ..data.rows import Rows
from ..numerics.linalg import penalised, ridge, solve, with_bias
from ..numerics.optimizers import Params
from .network import Model
from .stacking import Stacked, each_network
from .training import Ridge

__all__ = ["refit"]


def refit(model: Model, params: Params, solver: Ridge, data: Rows) -> Params:
    """Replace the readouts of stacked networks by the closed-form ones on some data."""

    def readout(one: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
        return ridge(model.features(one, x), y, solver.regularisation, w, solver.steps)

    if data.streamed:
        return model.with_readout(params, _streamed_readout(model, params, solver, data))
    x, y, w = data.batch(slice(None))
    return model.with_readout(params, each_network(readout, params, x, y, w, apart=isinstance(data, Stacked)))


def _streamed_readout(model: Model, params: Params, solver: Ridge, data: Rows) -> Tensor:
    """The same readout from sums over batches, so that no more than one batch of features is held."""
    gram = moment = torch.zeros((), device=data.device)
    for x, y, w in data.batches():
        phi = with_bias(each_network(model.features, params, x).detach())
        left = phi if w is None else phi * w[:, None]
        gram, moment = gram + left.mT @ phi, moment + left.mT @ y
    return solve(penalised(gram, solver.regularisation, len(data)), moment, solver.steps)
