"""Wine cultivars, 178 rows of 13 numbers, 3 classes (scikit-learn)."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn.datasets import load_wine

from ..problem import Problem

__all__ = ["Wine"]


@dataclass(frozen=True)
class Wine:
    """Wine cultivars, 178 rows of 13 numbers, 3 classes, split by seed.

    References:
        Shipped with scikit-learn.

    Example:
        >>> Wine().load(0).classes
        3
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def load(self, seed: int) -> Problem:
        """Load and split."""
        data = load_wine()
        return Problem.from_arrays(
            data.data,
            data.target,
            name="wine",
            seed=seed,
            names=tuple(map(str, data.feature_names)),
            class_names=tuple(map(str, data.target_names)),
        )
