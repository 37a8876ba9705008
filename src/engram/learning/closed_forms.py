"""Learners in closed form: what linear models, kernel machines, trees and neighbours make of a few samples.

Each takes samples (N, d), their targets (N, C), rows (M, d) and whether targets are scores of classes, and gives what it
predicts for the rows, (M, C); all are differentiable in samples and targets. They stand for the learners of other libraries, at those libraries' own settings,
on standardised inputs.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["CLOSED_FORMS", "additive", "laplace", "linear", "neighbour", "perceptron", "svm"]

_SHRUNK = 10.0
"""Penalty that stands for logistic regression: of few rows, which it separates, its loss has little curvature left."""

_GROWN = 0.1
"""Penalty of the kernels that stand for trees, which are grown until they fit."""

_DUAL_STEPS = 40

_TUBE = 0.1
"""Errors that support vectors for numbers do not see."""

_JITTER = 1e-3
"""Added to the kernel of a sample with itself, where weights are solved for."""

_STRAIGHT = 1 - 1e-6

_SHARPNESS = 12.0
"""Of the weights of neighbours, per mean squared distance to the nearest."""


def linear(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
    r"""Ridge regression with a free intercept: :math:`\min_{w,b} |xw + b - y|^2 + \lambda |w|^2`.

    Args:
        samples: (N, d).
        targets: (N, C).
        rows: (M, d).
        classes: whether targets are scores of classes: :math:`\lambda` is 1 for numbers, as scikit-learn's, and 10 for them.

    Returns:
        (M, C).

    Example:
        >>> x = torch.tensor([[-1.0], [1.0]])
        >>> linear(x, x, torch.tensor([[3.0]]))
        tensor([[2.]])
    """
    centre, level = samples.mean(0), targets.mean(0)
    inside, across = (samples - centre) @ (samples - centre).mT, (rows - centre) @ (samples - centre).mT
    return level + across @ _solve(inside, targets - level, _SHRUNK if classes else 1.0)


def svm(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
    r"""Support vectors at C = 1, kernel :math:`e^{-|x - x'|^2 / (d\,\mathrm{var}(x))}`, by the dual.

    .. math:: \max_{0 \le \alpha \le 1} \textstyle\sum_i \alpha_i - \tfrac12 |\sum_i \alpha_i s_i \phi(x_i)|^2 \ (s = \pm 1),
        \qquad \max_{|\alpha| \le 1} \alpha^\top y - 0.1 |\alpha|_1 - \tfrac12 |\sum_i \alpha_i \phi(x_i)|^2

    for one class against the others, its kernel one larger for the constant; and for numbers about their mean. Accelerated
    projected gradient finds which weights are at a bound; the others, and the derivative of all, are then exact.

    Args:
        samples: (N, d).
        targets: (N, C).
        rows: (M, d).
        classes: whether targets are scores of classes.

    Returns:
        (M, C), for classes half the margin.

    References:
        Beck & Teboulle 2009 (FISTA); Cortes & Vapnik 1995; scikit-learn's SVC and SVR at their defaults.
    """
    width = samples.shape[1] * samples.detach().var().clamp_min(1e-12)
    inside, across = (torch.exp(-_squared(one, samples) / width) + classes for one in (samples, rows))
    level = 0.0 if classes else targets.mean(0)
    sign = torch.where(targets > 0, 1.0, -1.0).to(targets)
    with torch.no_grad():
        weights = _dual(inside, sign if classes else targets - level, classes)
    free, fixed = (weights != 0) & (weights.abs() < 1), weights
    pull = sign if classes else targets - level - _TUBE * weights.sign()
    weights = _stationary(inside, pull, free, fixed.where(~free, 0.0))
    return across @ weights / 2 if classes else level + across @ weights


def _dual(inside: Tensor, pull: Tensor, classes: bool) -> Tensor:
    """Weights by accelerated projected gradient: (N, N), (N, C) to (N, C)."""
    step = 1 / inside.sum(1).max()
    weights = before = torch.zeros_like(pull)
    for k in range(_DUAL_STEPS):
        ahead = weights + k / (k + 3) * (weights - before)
        before, moved = weights, ahead + step * (pull - inside @ ahead)
        if classes:
            weights = pull * (pull * moved).clamp(0, 1)
        else:
            weights = torch.nn.functional.softshrink(moved, float(_TUBE * step)).clamp(-1, 1)
    return weights


def _stationary(inside: Tensor, pull: Tensor, free: Tensor, fixed: Tensor) -> Tensor:
    r"""Solve :math:`(K w)_F = r_F` for the free weights of each output, the others given: it carries the derivative of all."""
    member = free.mT.to(inside)
    gram = member[:, :, None] * inside * member[:, None, :]
    gram = gram + torch.diag_embed(1 - member + _JITTER * member)
    right = member * (pull - inside @ fixed).mT
    found: Tensor = torch.linalg.solve(gram, right[..., None])[..., 0].mT
    return fixed + found


def laplace(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
    r"""Kernel ridge regression: :math:`k(x, x') = e^{-|x - x'|_1 / d}`, to whose form the kernels of random forests are near.

    References:
        Scornet 2016 (arXiv 1502.03836).
    """

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-torch.cdist(one, other, p=1.0) / one.shape[1])

    return _kernel_ridge(kernel, samples, targets, rows, _GROWN)


def additive(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
    r"""Kernel ridge regression: :math:`k = (\frac1d \sum_j e^{-2|x_j - x'_j|})^2`, pairs of columns, as small boosted trees see them.

    It holds N M d numbers: give it some of many columns.
    """

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        return torch.exp(-2 * (one[:, None] - other).abs()).mean(2).square()

    return _kernel_ridge(kernel, samples, targets, rows, _GROWN)


def perceptron(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
    r"""Kernel ridge regression with the tangent kernel of a two-layer ReLU network, both layers learning.

    .. math:: k(x, x') = \tfrac1\pi\big((\pi - \theta)\,\tilde x^\top \tilde x' + |\tilde x||\tilde x'| (\sin\theta
        + (\pi - \theta) \cos\theta)\big), \qquad \tilde x = (x/\sqrt d,\ 1)

    References:
        Jacot, Gabriel, Hongler 2018; Cho & Saul 2009.
    """

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        one, other = (torch.cat([x / x.shape[1] ** 0.5, torch.ones_like(x[:, :1])], 1) for x in (one, other))
        sizes = one.norm(dim=1)[:, None] * other.norm(dim=1)
        # At an angle of zero the arc cosine has no derivative.
        cosine = (one @ other.mT / sizes).clamp(-_STRAIGHT, _STRAIGHT)
        gate = math.pi - cosine.acos()
        return sizes * (2 * gate * cosine + (1 - cosine.square()).sqrt()) / math.pi

    return _kernel_ridge(kernel, samples, targets, rows, _GROWN)


def neighbour(samples: Tensor, targets: Tensor, rows: Tensor, classes: bool = False) -> Tensor:
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


CLOSED_FORMS: dict[str, Callable[[Tensor, Tensor, Tensor, bool], Tensor]] = {
    "linear": linear,
    "svm": svm,
    "laplace": laplace,
    "additive": additive,
    "perceptron": perceptron,
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
