"""8 x 8 handwritten digits, 1797 images, 10 classes (scikit-learn)."""

from dataclasses import dataclass
from typing import ClassVar

from sklearn.datasets import load_digits

from ..problem import Problem

__all__ = ["Digits"]


@dataclass(frozen=True)
class Digits:
    """8 x 8 handwritten digits, 1797 images, 10 classes, split by seed.

    References:
        Shipped with scikit-learn.

    Example:
        >>> Digits().load(0).classes
        10
    """

    suffixes: ClassVar[tuple[str, ...]] = ()

    def load(self, seed: int) -> Problem:
        """Load and split."""
        data = load_digits()
        # The set is a test set published without its writers: a random split is what there is.
        images = data.images.astype("uint8")
        return Problem.from_arrays(images, data.target, name="digits", seed=seed, top=16.0)
