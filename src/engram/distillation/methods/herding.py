"""Herding: real rows whose running mean follows the class mean."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..selection import SpatialSelection

__all__ = ["Herding"]


@dataclass(frozen=True)
class Herding(SpatialSelection):
    r"""Greedy mean matching: :math:`i_t = \arg\min_i |\mu - \frac1t(\sum_{s<t} x_{i_s} + x_i)|`.

    Distances are between normalised inputs, or between features of a network trained on all rows.

    References:
        Welling 2009; Chen, Welling, Smola 2010.
    """

    @staticmethod
    def pick(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """See the class."""
        mean, total = rows.mean(0), torch.zeros_like(rows[0])
        free = torch.ones(len(rows), dtype=torch.bool, device=rows.device)
        chosen = []
        for t in range(1, count + 1):
            gap = ((total + rows) / t - mean).square().sum(1)
            best = int(gap.masked_fill(~free, torch.inf).argmin())
            chosen.append(best)
            free[best] = False
            total = total + rows[best]
        return torch.tensor(chosen)
