"""The synthetic side: how much there is, how its bytes are spent, what a trainer receives."""

from .budget import Budget, Bytes, Items, PerClass, Precision
from .canvas import Canvas
from .canvas.basis import Basis
from .canvas.formation import Formation
from .canvas.plain import Plain
from .synthetic import Synthetic

__all__ = ["Basis", "Budget", "Bytes", "Canvas", "Formation", "Items", "PerClass", "Plain", "Precision", "Synthetic"]
