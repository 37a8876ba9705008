"""What a link function is: the low-dimensional part of a multi-index model."""

from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Link", "hermite"]


class Link(Protocol):
    """A function of r indices, a frozen value; `indices` is the r it needs, None when any will do."""

    @property
    def indices(self) -> int | None:
        """How many indices it reads."""
        ...

    def __call__(self, z: Tensor) -> Tensor:
        """(N, r) indices to (N,) values; twice differentiable almost everywhere."""
        ...


def hermite(degree: int, z: Tensor) -> Tensor:
    r"""Normalised Hermite polynomial: :math:`he_p = He_p/\sqrt{p!}`, orthonormal under the standard Gaussian.

    Args:
        degree: p, at least 0.
        z: of any shape.

    Returns:
        Values of the same shape.

    Example:
        >>> (hermite(2, torch.tensor([1.0, 3.0])) * 2**0.5).round(decimals=4)
        tensor([0., 8.])
    """
    below, value = torch.zeros_like(z), torch.ones_like(z)
    for p in range(degree):
        below, value = value, (z * value - p**0.5 * below) / (p + 1) ** 0.5
    return value
