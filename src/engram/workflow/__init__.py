"""The whole journey in one call: distil, write, judge, compare, report."""

from .journey import run
from .outcome import Outcome
from .progress import Progress

__all__ = ["Outcome", "Progress", "run"]
