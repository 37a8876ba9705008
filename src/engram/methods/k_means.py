"""k-means centres of each class: averages of real rows, class means at one per class."""

from dataclasses import dataclass

from ..canvas.plain import Plain
from ..problem import Problem
from ..selection import Selection, centres
from ..training import Training

__all__ = ["KMeans"]


@dataclass(frozen=True)
class KMeans(Selection):
    """Centres in normalised input space with hard labels; for regression, with mean targets."""

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return centres(problem, counts, seed)
