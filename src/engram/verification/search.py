"""The smallest size that is enough."""

import math
from collections.abc import Callable, Mapping

__all__ = ["crossing", "smallest"]


def smallest(measure: Callable[[int], float], start: int, most: int, bound: float, even: bool = False) -> float:
    """The size at which a falling error first crosses a bound, interpolated between the sizes that were measured.

    Args:
        measure: size to error.
        start: first size.
        most: last size tried.
        bound: the error asked for.
        even: whether sizes are even.

    Returns:
        The size, a real number; not a number when even `most` does not reach the bound.
    """
    size, below = start, None
    while True:
        error = measure(size)
        if error <= bound:
            if below is None:
                return float(size)
            return _between(below, (size, error), bound)
        if size >= most:
            return math.nan
        below = (size, error)
        size = min(most, max(size + 1 + even, round(size * 1.4)))
        size += even and size % 2


def crossing(errors: Mapping[int, float], bound: float) -> float:
    """The size at which measured errors first cross a bound, as `smallest` finds it.

    Args:
        errors: error by size, rising.
        bound: the error asked for.

    Returns:
        The size; not a number when no error is as small.

    Example:
        >>> crossing({2: 0.4, 4: 0.2, 8: 0.1}, 0.2)
        4.0
    """
    below = None
    for size, error in errors.items():
        if error <= bound:
            return float(size) if below is None else _between(below, (size, error), bound)
        below = (size, error)
    return math.nan


def _between(below: tuple[int, float], above: tuple[int, float], bound: float) -> float:
    """Between two sizes the error falls like a power."""
    share = math.log(below[1] / bound) / math.log(below[1] / above[1])
    return float(math.exp(math.log(below[0]) + share * (math.log(above[0]) - math.log(below[0]))))
