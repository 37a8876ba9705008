"""Honest evaluation: the only code that reads the test split."""

from .protocol import Protocol, evaluate
from .scores import Row, Scores

__all__ = ["Protocol", "Row", "Scores", "evaluate"]
