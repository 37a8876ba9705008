"""Numbers with their standard errors, and the laws that they follow."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["Measured", "exponent", "finite"]


@dataclass(frozen=True)
class Measured:
    """A number with its standard error over n independent runs.

    Args:
        value: the mean.
        sem: its standard error; infinite when it cannot be known.
        n: runs.
    """

    value: float
    sem: float
    n: int

    @classmethod
    def of(cls, runs: Iterable[float]) -> "Measured":
        r"""Mean and :math:`s/\sqrt n` of runs.

        Example:
            >>> Measured.of([1.0, 3.0])
            Measured(value=2.0, sem=1.0, n=2)
        """
        values = list(runs)
        n = len(values)
        if n == 0:
            return cls(math.nan, math.inf, 0)
        mean = sum(values) / n
        return cls(mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n) if n > 1 else math.inf, n)

    @property
    def margin(self) -> float:
        r"""Half the 95 % confidence interval by Student's t: :math:`t_{0.975,\,n-1}` standard errors.

        Example:
            >>> round(Measured(0.0, 1.0, 5).margin, 2)
            2.78
        """
        if self.sem == 0:
            return 0.0
        return _quantile(self.n - 1) * self.sem if self.n > 1 else math.inf

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not finite is null."""
        return {key: finite(value) for key, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3g}" if not math.isfinite(self.sem) else f"{self.value:.3g} ± {self.sem:.2g}"


def exponent(points: Mapping[float, Iterable[float]], log: Callable[[float], float] = math.log) -> Measured:
    r"""Exponent of a power law: :math:`\log y = a + b \log x` by least squares for each run, then over runs.

    The k-th value at every x belongs to the k-th run (seed), whose slope is one draw: slopes of runs are independent,
    points of one line are not. A run that is not a number leaves the exponent unknown: what was not reached cannot
    be left out.

    Args:
        points: runs y by x, in one order; both positive.
        log: applied to both; identity for a linear law.

    Returns:
        The mean slope with its standard error over runs.

    Example:
        >>> print(exponent({1.0: [2.0, 2.0], 2.0: [8.0, 16.0]}))
        2.5 ± 0.5
    """
    table = {x: list(runs) for x, runs in points.items()}
    counts = {len(runs) for runs in table.values()}
    values = [y for runs in table.values() for y in runs]
    if len(table) < 2 or len(counts) != 1 or not values or any(math.isnan(y) for y in values):
        return Measured(math.nan, math.inf, min(counts, default=0))
    xs = [log(x) for x in table]
    centre = sum(xs) / len(xs)
    square = sum((x - centre) ** 2 for x in xs)
    lines = zip(*table.values(), strict=True)
    return Measured.of(sum((x - centre) * log(y) for x, y in zip(xs, line, strict=True)) / square for line in lines)


@lru_cache
def _quantile(freedom: int) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, freedom))


def finite(value: float) -> float | None:
    """The value; None, which JSON can hold, when it is not finite."""
    return value if math.isfinite(value) else None
