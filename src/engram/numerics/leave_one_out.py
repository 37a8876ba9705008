"""Ridge regression whose penalty leave-one-out error chooses, in closed form."""

import math

import torch
from torch import Tensor

from .linalg import penalised, with_bias

__all__ = ["dual_weights", "leave_one_out", "left_out_error"]

_PENALTIES = tuple(10.0**k for k in range(-6, 2))


def leave_one_out(features: Tensor, targets: Tensor, test: Tensor) -> Tensor:
    r"""Ridge predictions with the penalty that leave-one-out error chooses, in closed form.

    .. math:: e_n = \frac{y_n - \hat y_n}{1 - h_n}, \qquad h_n = \sum_k u_{nk}^2 \frac{s_k}{s_k + \lambda}

    Args:
        features: (N, F).
        targets: (N, C).
        test: (M, F).

    Returns:
        (M, C).
    """
    phi, other = (with_bias(part) for part in (features, test))
    if len(phi) <= phi.shape[1]:
        return other @ (phi.mT @ dual_weights(phi @ phi.mT, targets))
    values, vectors = torch.linalg.eigh((phi.mT @ phi).double())
    values = values.clamp_min(1e-12 * float(values[-1]))
    left = phi.double() @ vectors / values.sqrt()
    turned = left.mT @ targets.double()
    best = (math.inf, turned)
    for penalty in _PENALTIES:
        kept = values / (values + penalty * values.mean())
        error = (targets - left @ (kept[:, None] * turned)) / (1 - left.square() @ kept)[:, None]
        weights = vectors @ ((kept / values.sqrt())[:, None] * turned)
        best = min(best, (float(error.square().mean()), weights), key=lambda pair: pair[0])
    return other @ best[1].float()


def dual_weights(gram: Tensor, targets: Tensor) -> Tensor:
    """Dual weights of kernel ridge with that penalty."""
    values, vectors = torch.linalg.eigh(gram.double())
    values = values.clamp_min(0)
    turned = vectors.mT @ targets.double()
    best = (math.inf, turned)
    for penalty in _PENALTIES:
        inverse = 1 / (values + penalty * values.mean())
        weights = vectors @ (inverse[:, None] * turned)
        error = weights / (vectors.square() @ inverse)[:, None]
        best = min(best, (float(error.square().mean()), weights), key=lambda pair: pair[0])
    return best[1].float()


def left_out_error(features: Tensor, targets: Tensor, penalty: float) -> float:
    r"""Mean squared error of ridge regression (`linalg.ridge`) at rows that it was not fitted to, in closed form.

    .. math:: e_n = \frac{(K^{-1} y)_n}{(K^{-1})_{nn}}, \qquad K = \tilde\phi\tilde\phi^\top + \lambda\,\frac{\mathrm{tr}}{N} I

    Args:
        features: (..., N, F).
        targets: (N, C).
        penalty: relative, that of all rows.

    Returns:
        The mean over rows, outputs and leading axes.
    """
    phi = with_bias(features).double()
    inverse = torch.linalg.inv(penalised(phi @ phi.mT, penalty, phi.shape[-2]))
    errors = inverse @ targets.double() / inverse.diagonal(dim1=-2, dim2=-1)[..., None]
    return float(errors.square().mean())
