"""Honest evaluation: the only code that scores on the test split of real data."""

from .directions import Directions, directions
from .fidelity import Fidelity, fidelity
from .protocol import Protocol, evaluate
from .scores import Panel, Row, Scores

__all__ = ["Directions", "Fidelity", "Panel", "Protocol", "Row", "Scores", "directions", "evaluate", "fidelity"]
