"""Random real rows, class by class: the baseline of baselines."""

from dataclasses import dataclass

from ..canvas.plain import Plain
from ..problem import Problem
from ..selection import Selection, anyone, choose
from ..training import Training

__all__ = ["Random"]


@dataclass(frozen=True)
class Random(Selection):
    """Real rows drawn without replacement, with hard labels."""

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return choose(problem, counts, anyone, seed)
