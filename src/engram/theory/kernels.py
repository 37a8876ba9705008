"""Arc-cosine kernels, and the tangent kernel of the two-layer ReLU network."""

import math

import torch
from torch import Tensor

__all__ = ["arc_cosine", "tangent_kernel"]


def arc_cosine(degree: int, one: Tensor, other: Tensor) -> Tensor:
    r"""Gaussian average over a ReLU neuron's gate (degree 0) or output (degree 1).

    .. math:: \kappa_0 = \frac{\pi - \theta}{2\pi}, \qquad
        \kappa_1 = \frac{|x||x'|}{2\pi}\big(\sin\theta + (\pi - \theta)\cos\theta\big)

    Args:
        degree: 0 or 1.
        one: (N, d).
        other: (M, d).

    Returns:
        (N, M): :math:`E_{w \sim N(0, I)}` of :math:`1\{w^\top x > 0\} 1\{w^\top x' > 0\}`, or of the ReLUs' product.

    References:
        Cho & Saul 2009.

    Example:
        >>> x = torch.tensor([[1.0, 0.0]])
        >>> float(arc_cosine(0, x, x)), float(arc_cosine(1, x, x))
        (0.5, 0.5)
    """
    sizes = one.norm(dim=1)[:, None] * other.norm(dim=1)
    cosine = ((one @ other.T) / sizes.clamp_min(1e-30)).clamp(-1, 1)
    angle = cosine.acos()
    if degree == 0:
        return (math.pi - angle) / (2 * math.pi)
    return sizes * ((1 - cosine.square()).clamp_min(0).sqrt() + (math.pi - angle) * cosine) / (2 * math.pi)


def tangent_kernel(one: Tensor, other: Tensor, bias: float = 1.0) -> Tensor:
    r"""Neural tangent kernel of a two-layer ReLU network, both layers learning.

    .. math:: \Theta(x, x') = \tilde x^\top \tilde x'\, \kappa_0(\tilde x, \tilde x') + \kappa_1(\tilde x, \tilde x'),
        \qquad \tilde x = (x/\sqrt d,\ \beta)

    Args:
        one: (N, d).
        other: (M, d).
        bias: :math:`\beta`, spread of the biases in units of a pre-activation.

    Returns:
        (N, M).

    References:
        Jacot, Gabriel, Hongler 2018; Cho & Saul 2009.
    """
    one, other = (torch.cat([x / x.shape[1] ** 0.5, torch.full_like(x[:, :1], bias)], 1) for x in (one, other))
    return (one @ other.T) * arc_cosine(0, one, other) + arc_cosine(1, one, other)
