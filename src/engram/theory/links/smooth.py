"""A link that is no polynomial: a product, and a product with a saturated index."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Smooth"]


@dataclass(frozen=True)
class Smooth:
    r"""Four indices: :math:`g(z) = z_1 z_2 + \tanh(\beta z_3)\, z_4`. The task of the transfer study.

    Args:
        slope: :math:`\beta`.

    Example:
        >>> import torch
        >>> Smooth()(torch.tensor([[1.0, 2.0, 0.0, 5.0]]))
        tensor([2.])
    """

    slope: float = 2.0

    @property
    def indices(self) -> int:
        """Four."""
        return 4

    def __call__(self, z: Tensor) -> Tensor:
        """(N, 4) to (N,)."""
        return z[..., 0] * z[..., 1] + (self.slope * z[..., 2]).tanh() * z[..., 3]
