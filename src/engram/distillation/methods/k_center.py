"""Greedy k-center: real rows that leave no row far away."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.problem import Problem
from ...learning.training import Training
from ...samples.canvas.plain import Plain
from ..selection import Selection, choose

__all__ = ["KCenter"]


@dataclass(frozen=True)
class KCenter(Selection):
    """Farthest-first traversal, starting at the row nearest the class mean.

    Distances are between normalised inputs.

    References:
        Gonzalez 1985; Sener & Savarese 2018.
    """

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return choose(problem, counts, _spread, seed)


def _spread(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    chosen = [int((rows - rows.mean(0)).square().sum(1).argmin())]
    nearest = (rows - rows[chosen[0]]).square().sum(1)
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = torch.minimum(nearest, (rows - rows[chosen[-1]]).square().sum(1))
    return torch.tensor(chosen)
