"""What is learnt: real data, read, checked, divided, prepared."""

from .intrinsic_dimension import Dimension, dimension
from .metrics import Metric
from .problem import Problem
from .source import load_problem
from .sources.multi_index import MultiIndex
from .split import Split
from .task import Task

__all__ = ["Dimension", "Metric", "MultiIndex", "Problem", "Split", "Task", "dimension", "load_problem"]
