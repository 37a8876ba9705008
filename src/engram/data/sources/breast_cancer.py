"""Breast cancer Wisconsin (diagnostic), 569 rows of 30 numbers, 2 classes (scikit-learn)."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn.datasets import load_breast_cancer

from ..problem import Problem

__all__ = ["BreastCancer"]


@dataclass(frozen=True)
class BreastCancer:
    """Breast cancer Wisconsin (diagnostic), 569 rows of 30 numbers, 2 classes, split by seed.

    References:
        Shipped with scikit-learn.

    Example:
        >>> BreastCancer().load(0).classes
        2
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def load(self, seed: int) -> Problem:
        """Load and split."""
        data = load_breast_cancer()
        return Problem.from_arrays(
            data.data,
            data.target,
            name="breast-cancer",
            seed=seed,
            names=tuple(map(str, data.feature_names)),
            class_names=tuple(map(str, data.target_names)),
        )
