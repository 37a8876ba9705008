"""Herding: real rows whose running mean follows the class mean."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.problem import Problem
from ...learning.training import Training
from ...samples.canvas.plain import Plain
from ..selection import Selection, choose

__all__ = ["Herding"]


@dataclass(frozen=True)
class Herding(Selection):
    r"""Greedy mean matching: :math:`i_t = \arg\min_i |\mu - \frac1t(\sum_{s<t} x_{i_s} + x_i)|`.

    Distances are between normalised inputs.

    References:
        Welling 2009; Chen, Welling, Smola 2010.
    """

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return choose(problem, counts, _follow, seed)


def _follow(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
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
