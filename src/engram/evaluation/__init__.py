"""Honest evaluation: the only code that reads the test split."""

from .directions import Directions, directions
from .fidelity import Fidelity, fidelity
from .protocol import Protocol, evaluate
from .scores import Row, Scores

__all__ = ["Directions", "Fidelity", "Protocol", "Row", "Scores", "directions", "evaluate", "fidelity"]
