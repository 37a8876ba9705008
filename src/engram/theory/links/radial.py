"""A link that is neither a polynomial nor a sum: the distance from the origin."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Radial"]


@dataclass(frozen=True)
class Radial:
    r"""The norm of the indices: :math:`g(z) = |z|`.

    Example:
        >>> import torch
        >>> Radial()(torch.tensor([[3.0, 4.0]]))
        tensor([5.])
    """

    @property
    def indices(self) -> int | None:
        """Any number."""
        return None

    def __call__(self, z: Tensor) -> Tensor:
        """(N, r) to (N,)."""
        return z.norm(dim=-1)
