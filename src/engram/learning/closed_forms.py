"""Learners in closed form: what linear models, kernel machines, trees and neighbours make of a few samples.

Each takes samples (N, d), their targets (N, C) and rows (M, d), and gives what it predicts for the rows, (M, C); all are
differentiable in samples and targets. They stand for the learners of other libraries, at those libraries' own settings,
on standardised inputs.
"""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["CLOSED_FORMS", "PENALTIES", "additive", "gaussian", "laplace", "linear", "neighbour"]

PENALTIES = {"linear": (10.0, 1.0), "gaussian": (0.1, 0.4)}
"""For classes and for numbers. Logistic regression of few rows that it separates has little curvature left, so that its
penalty weighs more than that of least squares; support vectors have coefficients of at most one."""

_GROWN = 0.1
"""Penalty of the kernels that stand for trees, which are grown until they fit."""

_COLUMNS = 16

_SHARPNESS = 12.0
"""Of the weights of neighbours, per mean squared distance to the nearest."""


def linear(samples: Tensor, targets: Tensor, rows: Tensor, penalty: float = 1.0) -> Tensor:
    r"""Ridge regression with a free intercept: :math:`\min_{w,b} |xw + b - y|^2 + \lambda |w|^2`.

    Args:
        samples: (N, d).
        targets: (N, C).
        rows: (M, d).
        penalty: :math:`\lambda`, positive.

    Returns:
        (M, C).

    Example:
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> linear(x, x, torch.tensor([[3.0]]))
        tensor([[2.]])
    """
    centre, level = samples.mean(0), targets.mean(0)
    inside, across = (samples - centre) @ (samples - centre).mT, (rows - centre) @ (samples - centre).mT
    return level + across @ _solve(inside, targets - level, penalty)


def gaussian(samples: Tensor, targets: Tensor, rows: Tensor, penalty: float = 0.1) -> Tensor:
    r"""Kernel ridge regression: :math:`k(x, x') = e^{-|x - x'|^2 / (d\,\mathrm{var}(x))}`, the width of scikit-learn's SVC."""
    width = samples.shape[1] * samples.detach().var().clamp_min(1e-12)

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-_squared(one, other) / width)

    return _kernel_ridge(kernel, samples, targets, rows, penalty)


def laplace(samples: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    r"""Kernel ridge regression: :math:`k(x, x') = e^{-|x - x'|_1 / d}`, to whose form the kernels of random forests are near.

    References:
        Scornet 2016 (arXiv 1502.03836).
    """

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(one, other, p=1.0) / one.shape[1])

    return _kernel_ridge(kernel, samples, targets, rows, _GROWN)


def additive(samples: Tensor, targets: Tensor, rows: Tensor, draw: torch.Generator | None = None) -> Tensor:
    r"""Kernel ridge regression: :math:`k = (\frac1m \sum_j e^{-2|x_j - x'_j|})^2`, pairs of columns, as small boosted trees see them.

    Args:
        samples: (N, d).
        targets: (N, C).
        rows: (M, d).
        draw: of at most 16 columns, as a forest draws them; all when None.

    Returns:
        (M, C).
    """
    if draw is not None:
        columns = torch.randperm(samples.shape[1], generator=draw)[:_COLUMNS].to(samples.device)
        samples, rows = samples[:, columns], rows[:, columns]

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-2 * (one[:, None] - other).abs()).mean(2).square()

    return _kernel_ridge(kernel, samples, targets, rows, _GROWN)


def neighbour(samples: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
    r"""The mean target of neighbours, nearly that of the nearest: weights :math:`\mathrm{softmax}(-12\,|x - x_i|^2 / \bar m)`.

    :math:`\bar m` is the mean squared distance of the rows to their nearest sample.

    References:
        Kusner et al. 2014 (stochastic neighbor compression).

    Example:
        >>> neighbour(torch.tensor([[0.0], [1.0]]), torch.tensor([[5.0], [7.0]]), torch.tensor([[0.2]])).round()
        tensor([[5.]])
    """
    squared = _squared(rows, samples)
    scale = squared.detach().min(1).values.mean().clamp_min(1e-12)
    return torch.softmax(-_SHARPNESS * squared / scale, 1) @ targets


CLOSED_FORMS: dict[str, Callable[..., Tensor]] = {
    "linear": linear,
    "gaussian": gaussian,
    "laplace": laplace,
    "additive": additive,
    "neighbour": neighbour,
}
"""By the names under which methods ask for them."""


def _kernel_ridge(
    kernel: Callable[[Tensor, Tensor], Tensor], samples: Tensor, targets: Tensor, rows: Tensor, penalty: float
) -> Tensor:
    level = targets.mean(0)
    return level + kernel(rows, samples) @ _solve(kernel(samples, samples), targets - level, penalty)


def _solve(gram: Tensor, targets: Tensor, penalty: float) -> Tensor:
    found: Tensor = torch.linalg.solve(gram + penalty * torch.eye(len(gram)).to(gram), targets)
    return found


def _squared(one: Tensor, other: Tensor) -> Tensor:
    return (one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.mT).clamp_min(0)
