"""Engram: compress a learning process on a large dataset into a few synthetic samples, and replay it.

The public surface is this module. Names load on first use, so that ``import engram`` costs nothing.

Example:
    >>> import engram
    >>> problem = engram.load_problem("wine")
    >>> memory = engram.distill(problem, budget=engram.PerClass(1), steps=20)
    >>> memory.items
    3
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .artefact import Engram, load
    from .budget import Bytes, Items, PerClass
    from .errors import EngramError
    from .evaluation import Protocol, evaluate
    from .loop import distill, iterate
    from .problem import Problem
    from .sampler import DistillationSampler
    from .source import load_problem
    from .training import Training

_HOME = {
    "Bytes": "budget",
    "DistillationSampler": "sampler",
    "Engram": "artefact",
    "EngramError": "errors",
    "Items": "budget",
    "PerClass": "budget",
    "Problem": "problem",
    "Protocol": "evaluation",
    "Training": "training",
    "distill": "loop",
    "evaluate": "evaluation",
    "iterate": "loop",
    "load": "artefact",
    "load_problem": "source",
}

__all__ = [
    "Bytes",
    "DistillationSampler",
    "Engram",
    "EngramError",
    "Items",
    "PerClass",
    "Problem",
    "Protocol",
    "Training",
    "distill",
    "evaluate",
    "iterate",
    "load",
    "load_problem",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engram' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
