"""Random real rows, class by class: the baseline of baselines."""

from dataclasses import dataclass

from ...data.problem import Problem
from ...learning.training import Training
from ...samples.canvas.plain import Plain
from ..selection import Selection, at_random, choose

__all__ = ["Random"]


@dataclass(frozen=True)
class Random(Selection):
    """Real rows drawn without replacement, with hard labels."""

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return choose(problem, counts, at_random, seed)
