"""Diabetes progression, 442 rows of 10 numbers, regression (scikit-learn)."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn.datasets import load_diabetes

from ..problem import Problem

__all__ = ["Diabetes"]


@dataclass(frozen=True)
class Diabetes:
    """Diabetes progression, 442 rows of 10 numbers, regression, split by seed.

    References:
        Shipped with scikit-learn.

    Example:
        >>> Diabetes().load(0).metric.value
        'R2'
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def load(self, seed: int) -> Problem:
        """Load and split."""
        data = load_diabetes(scaled=False)
        return Problem.from_arrays(
            data.data, data.target, name="diabetes", seed=seed, task="regression", names=tuple(data.feature_names)
        )
