"""A sum over indices of Hermite polynomials, with the share of each degree set: the base link of the studies."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import SettingError
from ..link import hermite

__all__ = ["Hermite"]


@dataclass(frozen=True)
class Hermite:
    r"""An additive link with unit variance.

    .. math:: g(z) = \sum_{k=1}^r s_k \sum_p \sqrt{c_p}\, he_p(z_k), \qquad s_k \propto \delta^{k-1},\ \sum_k s_k^2 = 1

    Args:
        degrees: p, each at least 1.
        shares: :math:`c_p`, the part of the variance that each degree carries; they sum to one.
        decay: :math:`\delta` in (0, 1]: below one the indices differ in strength, and H is anisotropic.
        quadratic: how many indices keep their degree two; all when None. Fewer make H rank-deficient.

    Raises:
        SettingError: a value out of range.

    Example:
        >>> Hermite(degrees=(2,), shares=(1.0,))(torch.tensor([[1.0], [0.0]]))
        tensor([ 0.0000, -0.7071])
    """

    degrees: tuple[int, ...] = (2, 3)
    shares: tuple[float, ...] = (0.6, 0.4)
    decay: float = 1.0
    quadratic: int | None = None

    def __post_init__(self) -> None:
        if len(self.degrees) != len(self.shares) or not self.degrees or min(self.degrees) < 1:
            raise SettingError(f"{self}: give as many shares as degrees, each degree at least 1")
        if min(self.shares) < 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise SettingError(f"{self}: shares of the variance are at least 0 and sum to 1")
        if not 0 < self.decay <= 1 or (self.quadratic is not None and self.quadratic < 0):
            raise SettingError(f"{self}: decay is in (0, 1] and quadratic at least 0")

    @property
    def indices(self) -> int | None:
        """Any number."""
        return None

    def __call__(self, z: Tensor) -> Tensor:
        """(N, r) to (N,)."""
        r = z.shape[-1]
        strength = self.decay ** torch.arange(r, dtype=z.dtype, device=z.device)
        strength = strength / strength.square().sum().sqrt()
        total = torch.zeros_like(z[..., 0])
        for degree, share in zip(self.degrees, self.shares, strict=True):
            kept = r if degree != 2 or self.quadratic is None else self.quadratic
            total = total + share**0.5 * (hermite(degree, z[..., :kept]) * strength[:kept]).sum(-1)
        return total
