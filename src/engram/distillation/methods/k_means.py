"""k-means centres of each class: averages of real rows, class means at one per class."""

from dataclasses import dataclass
from typing import ClassVar

from ...data.problem import Problem
from ...learning.training import Training
from ...samples.canvas.plain import Plain
from ..selection import Selection, centres

__all__ = ["KMeans"]


@dataclass(frozen=True)
class KMeans(Selection):
    """Centres in normalised input space with hard labels; for regression, with mean targets."""

    real: ClassVar[bool] = False

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        return centres(problem, counts, seed)
