"""The directions of the input to which trained networks respond."""

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from ..data.rows import Rows
from .fitting import Fitted

__all__ = ["gradient_outer_product"]


def gradient_outer_product(fitted: Fitted, data: Rows, most: int = 2000) -> Tensor:
    r"""Average gradient outer product: the directions of the input to which trained networks respond.

    .. math:: \frac1N \sum_n \sum_c \nabla_x f_c(x_n)\, \nabla_x f_c(x_n)^\top, \quad\text{averaged over networks}

    Args:
        fitted: trained networks of any architecture.
        data: rows at which gradients are taken.
        most: rows read, at most.

    Returns:
        (d, d), positive semidefinite.

    References:
        Radhakrishnan et al. 2024 (recursive feature machines).

    Example:
        >>> from engram.distillation import defaults
        >>> from engram import load_problem
        >>> from engram.learning.fitting import fit
        >>> wine = load_problem("wine")
        >>> fitted = fit(defaults.training(wine), wine.task, {"main": wine.train}, [0])
        >>> gradient_outer_product(fitted, wine.train).shape
        torch.Size([13, 13])
    """
    total = torch.zeros((), device=data.device)
    seen = 0
    for x, _, _ in data.batches(128):
        x = x[: most - seen]
        for k in range(fitted.networks):
            params = fitted.one(k)
            jacobian = vmap(jacrev(lambda row, p=params: fitted.model.outputs(p, row.unsqueeze(0))[0]))(x)
            flat = jacobian.detach().flatten(2).flatten(0, 1)
            total = total + flat.mT @ flat / fitted.networks
        seen += len(x)
        if seen >= most:
            break
    return total / seen
