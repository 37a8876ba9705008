"""Greedy k-center: real rows that leave no row far away."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..selection import SpatialSelection

__all__ = ["KCenter"]


@dataclass(frozen=True)
class KCenter(SpatialSelection):
    """Farthest-first traversal, starting at the row nearest the class mean.

    Distances are between normalised inputs, or between features of a network trained on all rows.

    References:
        Gonzalez 1985; Sener & Savarese 2018.
    """

    @staticmethod
    def pick(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """See the class."""
        chosen = [int((rows - rows.mean(0)).square().sum(1).argmin())]
        nearest = (rows - rows[chosen[0]]).square().sum(1)
        while len(chosen) < count:
            chosen.append(int(nearest.argmax()))
            nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1))
        return torch.tensor(chosen)
