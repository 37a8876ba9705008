"""Sums of products of Hermite polynomials: indices that act together."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import SettingError
from ..link import hermite

__all__ = ["Product"]


@dataclass(frozen=True)
class Product:
    r"""A polynomial in several indices: :math:`g(z) = \sum_t c_t \prod_k he_{e_{tk}}(z_k)`.

    Args:
        terms: (coefficient, degree of each index); the longest term says how many indices there are.

    Raises:
        SettingError: no term, or a negative degree.

    Example:
        >>> Product(((1.0, (1, 1)),))(torch.tensor([[2.0, 3.0]]))
        tensor([6.])
    """

    terms: tuple[tuple[float, tuple[int, ...]], ...] = ((0.8, (2,)), (1.0, (0, 1, 1)), (0.3, (1, 1, 1)))

    def __post_init__(self) -> None:
        if not self.terms or any(not powers or min(powers) < 0 for _, powers in self.terms):
            raise SettingError(f"{self}: give at least one term, its degrees at least 0")

    @property
    def indices(self) -> int:
        """As many as the longest term names."""
        return max(len(powers) for _, powers in self.terms)

    def __call__(self, z: Tensor) -> Tensor:
        """(N, r) to (N,)."""
        total = torch.zeros_like(z[..., 0])
        for coefficient, powers in self.terms:
            term = torch.full_like(total, coefficient)
            for k, degree in enumerate(powers):
                term = term * hermite(degree, z[..., k])
            total = total + term
        return total
