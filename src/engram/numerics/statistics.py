"""Numbers with their standard errors, and the laws that they follow."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not finite is null."""
        return {key: finite(value) for key, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3g}" if not math.isfinite(self.sem) else f"{self.value:.3g} ± {self.sem:.2g}"


def exponent(points: Mapping[float, Iterable[float]], log: Callable[[float], float] = math.log) -> Measured:
    r"""Exponent of a power law by least squares: :math:`\log y = a + b \log x`, with the standard error of b.

    Every run is a point of its own, so the error holds the spread of runs and the misfit of the law together. A run
    that is not a number leaves the exponent unknown: what was not reached cannot be left out.

    Args:
        points: runs y by x; both positive.
        log: applied to both; identity for a linear law.

    Returns:
        b; n counts the points.

    Example:
        >>> round(exponent({1.0: [2.0, 2.0], 2.0: [8.0, 8.0]}).value, 6)
        2.0
    """
    values = [(x, y) for x, runs in points.items() for y in runs]
    n = len(values)
    if any(math.isnan(y) for _, y in values):
        return Measured(math.nan, math.inf, n)
    pairs = [(log(x), log(y)) for x, y in values]
    if n < 3 or len({x for x, _ in pairs}) < 2:
        return Measured(math.nan, math.inf, n)
    mx, my = (sum(p[k] for p in pairs) / n for k in (0, 1))
    sxx = sum((x - mx) ** 2 for x, _ in pairs)
    b = sum((x - mx) * (y - my) for x, y in pairs) / sxx
    residual = sum((y - my - b * (x - mx)) ** 2 for x, y in pairs)
    return Measured(b, math.sqrt(residual / (n - 2) / sxx), n)


def finite(value: float) -> float | None:
    """The value; None, which JSON can hold, when it is not finite."""
    return value if math.isfinite(value) else None
