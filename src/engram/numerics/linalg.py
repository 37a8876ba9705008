"""Linear algebra that training and theory share, differentiable and batchable with `torch.func.vmap`."""

import torch
from torch import Tensor

__all__ = ["penalised", "ridge", "solve", "with_bias"]


def ridge(
    features: Tensor, targets: Tensor, regularisation: float, weights: Tensor | None = None, steps: int | None = None
) -> Tensor:
    r"""Fit a linear readout with a bias.

    .. math:: \min_W \sum_n w_n |W^\top \tilde\phi_n - y_n|^2 + \lambda \frac{\mathrm{tr}\,K}{N} |W|^2,
        \qquad \tilde\phi = (\phi, 1), \quad K_{nm} = \sqrt{w_n w_m}\,\tilde\phi_n^\top \tilde\phi_m

    The penalty is relative to the mean squared norm of the features, so one value suits every width. The
    bias is penalised like any weight, which keeps the solution unique with fewer rows than features. It is
    solved through whichever of the two Gram matrices is smaller; both give the same readout, and both give
    the same gradient descent from zero.

    Args:
        features: (N, F).
        targets: (N, C).
        regularisation: :math:`\lambda > 0`, relative; 1e-6 to 1e-1 is usual.
        weights: (N,) nonnegative; all one when None.
        steps: of plain gradient descent from zero; the closed form when None (`solve`).

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
    phi = with_bias(features)
    if weights is not None:
        root = weights.sqrt().unsqueeze(-1)
        phi, targets = phi * root, targets * root
    rows = phi.shape[-2]
    if rows <= phi.shape[-1]:
        return phi.mT @ solve(penalised(phi @ phi.mT, regularisation, rows), targets, steps)
    return solve(penalised(phi.mT @ phi, regularisation, rows), phi.mT @ targets, steps)


def with_bias(features: Tensor) -> Tensor:
    r"""Append the constant that a readout's bias multiplies: :math:`\tilde\phi = (\phi, 1)`."""
    return torch.cat([features, torch.ones_like(features[..., :1])], dim=-1)


def penalised(gram: Tensor, regularisation: float, rows: int) -> Tensor:
    r"""Add the relative penalty of `ridge` to a Gram matrix: :math:`K + \lambda\,\frac{\mathrm{tr} K}{N} I`."""
    penalty = regularisation * gram.diagonal(dim1=-2, dim2=-1).sum(-1) / rows
    return gram + penalty[..., None, None] * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)


def solve(matrix: Tensor, right: Tensor, steps: int | None = None) -> Tensor:
    r"""Minimise :math:`\tfrac12 v^\top A v - b^\top v`: in closed form, or by plain gradient descent from zero.

    .. math:: v = A^{-1} b, \qquad\text{or}\qquad v_{t+1} = v_t - (A v_t - b)/\lambda_{\max}(A)

    Args:
        matrix: (..., n, n) symmetric, positive definite.
        right: (..., n, C).
        steps: of gradient descent; the closed form when None.

    Returns:
        (..., n, C).

    Example:
        >>> a, b = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[2.0], [3.0]])
        >>> (solve(a, b) - solve(a, b, steps=60)).abs().max() < 1e-5
        tensor(True)
    """
    if steps is None:
        return torch.linalg.solve(matrix, right)
    top = torch.linalg.matrix_norm(matrix, 2)[..., None, None]
    found = torch.zeros_like(right)
    for _ in range(steps):
        found = found - (matrix @ found - right) / top
    return found
