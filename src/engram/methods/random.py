"""Random real rows, class by class: the baseline of baselines."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..canvas.plain import Plain
from ..problem import Problem
from ..selection import Selection, choose

__all__ = ["Random"]


@dataclass(frozen=True)
class Random(Selection):
    """Real rows drawn without replacement, with hard labels."""

    def select(self, problem: Problem, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return choose(problem, counts, _draw, seed)


def _draw(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(rows), generator=generator)[:count]
