"""The law that scores follow as budgets grow: a plateau, approached as a power of the number of samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Curve", "Measured", "law"]

_RATES = (0.25, 0.5, 1.0, 2.0)
r"""Exponents :math:`\alpha`."""


@dataclass(frozen=True)
class Measured:
    """The score that a whole distillation is expected to reach, how far to doubt it, the seconds it would take."""

    score: float
    doubt: float
    seconds: float


class Curve:
    r"""A law :math:`p - c\,k^{-\alpha}` through what was measured of one kind of samples.

    Args:
        measured: by items.
    """

    def __init__(self, measured: Mapping[int, Measured]) -> None:
        self.measured = measured
        self.plateau, self.scale, self.exponent = law(list(measured), [one.score for one in measured.values()])

    def at(self, items: int) -> tuple[float, float]:
        """Score and doubt at a budget."""
        score = self.plateau - self.scale * items**-self.exponent
        places, doubts = [math.log(k) for k in self.measured], [one.doubt for one in self.measured.values()]
        doubt = float(np.interp(math.log(items), places, doubts))
        if items in self.measured:
            # The law smooths; what was measured there counts as much.
            return (score + self.measured[items].score) / 2, doubt
        around = [
            max((k for k in self.measured if k < items), default=None),
            min((k for k in self.measured if k > items), default=None),
        ]
        ends = [self.measured[k].score for k in around if k is not None]
        # Between two measured budgets it lies anywhere between their scores, for all that was seen.
        return score, math.hypot(doubt, (max(ends) - min(ends)) / math.sqrt(12))


def law(items: Sequence[int], scores: Sequence[float]) -> tuple[float, float, float]:
    """The law with the least squares: plateau, scale (at least 0), exponent."""
    y, fits = np.asarray(scores), []
    for exponent in _RATES:
        x = np.asarray(items, dtype=float) ** -exponent
        spread = float(((x - x.mean()) ** 2).sum())
        slope = min(0.0, float(((x - x.mean()) * (y - y.mean())).sum()) / spread) if spread else 0.0
        plateau = float(y.mean() - slope * x.mean())
        # A faster law promises less: it wins ties.
        fits.append((float(((plateau + slope * x - y) ** 2).sum()), -exponent, plateau, -slope))
    _, exponent, plateau, scale = min(fits)
    return plateau, scale, -exponent
