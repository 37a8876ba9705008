"""The smallest size that is enough."""

import math
from collections.abc import Callable

__all__ = ["smallest"]


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
            # Between two sizes the error falls like a power.
            share = math.log(below[1] / bound) / math.log(below[1] / error)
            return float(math.exp(math.log(below[0]) + share * (math.log(size) - math.log(below[0]))))
        if size >= most:
            return math.nan
        below = (size, error)
        size = min(most, max(size + 1 + even, round(size * 1.4)))
        size += even and size % 2
