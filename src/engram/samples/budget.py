"""How much synthetic data: items, items per class, or bytes at a stored precision."""

import enum
from dataclasses import dataclass
from numbers import Integral

from ..data.room import bytes_of
from ..errors import BudgetError

__all__ = ["Budget", "Bytes", "Items", "PerClass", "Precision", "parse_size"]


class Precision(enum.Enum):
    """How each number of an engram is stored, unless its canvas is coarse; `UINT8` is affine over the tensor's range."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    UINT8 = "uint8"

    @property
    def bytes(self) -> int:
        """Bytes per number."""
        return {"float32": 4, "float16": 2, "uint8": 1}[self.value]


@dataclass(frozen=True)
class Items:
    """A number of synthetic samples in all; classes share them as evenly as possible.

    Args:
        count: at least 1, at least the number of classes, at most the rows of real data.

    Raises:
        BudgetError: not a positive whole number.

    Example:
        >>> Items(10).counts(classes=3, item_bytes=0)
        (4, 3, 3)
    """

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", _positive(self.count, "items"))

    def __str__(self) -> str:
        return f"{self.count} items"

    def counts(self, classes: int | None, item_bytes: int) -> tuple[int, ...]:
        """Samples per class; one number when there are no classes."""
        parts = classes or 1
        return tuple(self.count // parts + (k < self.count % parts) for k in range(parts))


@dataclass(frozen=True)
class PerClass:
    """A number of synthetic samples for each class (classification only).

    Args:
        count: at least 1.

    Raises:
        BudgetError: not a positive whole number, or the task has no classes.

    Example:
        >>> PerClass(2).counts(classes=3, item_bytes=0)
        (2, 2, 2)
    """

    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", _positive(self.count, "per class"))

    def __str__(self) -> str:
        return f"{self.count} per class"

    def counts(self, classes: int | None, item_bytes: int) -> tuple[int, ...]:
        """Samples per class."""
        if classes is None:
            raise BudgetError(
                "the target is read as a number and has no classes: give the budget in items or bytes, or pass --task classification (task='classification')"
            )
        return (self.count,) * classes


@dataclass(frozen=True)
class Bytes:
    """As many synthetic samples as fit: inputs and labels at their stored precision.

    Args:
        size: bytes, at least one item (one per class).

    Raises:
        BudgetError: not positive, or no item fits.

    Example:
        >>> Bytes(1000).counts(classes=3, item_bytes=100)
        (4, 3, 3)
    """

    size: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", _positive(self.size, "bytes"))

    def __str__(self) -> str:
        return f"{self.size} bytes"

    def counts(self, classes: int | None, item_bytes: int) -> tuple[int, ...]:
        """Samples per class; one number when there are no classes."""
        fit = self.size // item_bytes
        if fit < (classes or 1):
            raise BudgetError(
                f"{self.size} bytes hold {fit} items of {item_bytes} bytes, fewer than "
                f"{f'one for each of {classes} classes' if classes else 'one'}: ask for at least "
                f"{item_bytes * (classes or 1)} bytes, or store at a lower precision"
            )
        return Items(fit).counts(classes, item_bytes)


Budget = Items | PerClass | Bytes


def parse_size(text: str) -> int:
    """Read a size in bytes: ``4096``, ``16kB``, ``2MiB``.

    Args:
        text: a number and an optional unit, decimal (kB, MB) or binary (KiB, MiB).

    Returns:
        Bytes.

    Raises:
        BudgetError: not a size.

    Example:
        >>> parse_size("1.5kB")
        1500
    """
    found = bytes_of(text)
    if found is None:
        raise BudgetError(f"{text!r} is not a size: write for instance 4096, 16kB or 2MiB")
    return found


def _positive(count: int, name: str) -> int:
    """The count as Python's own; NumPy's are taken too."""
    if isinstance(count, bool) or not isinstance(count, Integral):
        raise BudgetError(f"{name} is {count!r}: ask for a whole number")
    if count < 1:
        raise BudgetError(f"{name} is {count}: ask for at least 1")
    return int(count)
