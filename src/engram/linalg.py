"""Linear algebra that training and theory share, differentiable and batchable with `torch.func.vmap`."""

import torch
from torch import Tensor

__all__ = ["ridge"]


def ridge(features: Tensor, targets: Tensor, regularisation: float, weights: Tensor | None = None) -> Tensor:
    r"""Fit a linear readout with a bias in closed form.

    .. math:: \min_W \sum_n w_n |W^\top \tilde\phi_n - y_n|^2 + \lambda \frac{\mathrm{tr}\,K}{N} |W|^2,
        \qquad \tilde\phi = (\phi, 1), \quad K_{nm} = \sqrt{w_n w_m}\,\tilde\phi_n^\top \tilde\phi_m

    The penalty is relative to the mean squared norm of the features, so one value suits every width. The
    bias is penalised like any weight, which keeps the solution unique with fewer rows than features. It is
    solved through whichever of the two Gram matrices is smaller; both give the same readout.

    Args:
        features: (N, F).
        targets: (N, C).
        regularisation: :math:`\lambda > 0`, relative; 1e-6 to 1e-1 is usual.
        weights: (N,) nonnegative; all one when None.

    Returns:
        (F + 1, C): the readout, its last row the bias.

    References:
        Zhou, Nezhadarya, Ba 2022 (FRePo), section 3, for the relative penalty.

    Example:
        >>> x = torch.tensor([[1.0], [2.0], [3.0]])
        >>> ridge(x, 2 * x + 1, 1e-9).round(decimals=3)
        tensor([[2.],
                [1.]])
    """
    phi = torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)
    if weights is not None:
        root = weights.sqrt().unsqueeze(-1)
        phi, targets = phi * root, targets * root
    penalty = regularisation * phi.square().sum() / phi.shape[-2]
    if phi.shape[-2] <= phi.shape[-1]:
        return phi.mT @ torch.linalg.solve(_shifted(phi @ phi.mT, penalty), targets)
    return torch.linalg.solve(_shifted(phi.mT @ phi, penalty), phi.mT @ targets)


def _shifted(gram: Tensor, penalty: Tensor) -> Tensor:
    return gram + penalty * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
