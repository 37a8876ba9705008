"""Engram: compress a learning process on a large dataset into a few synthetic samples, and replay it.

The public surface is this module. Names load on first use, so that ``import engram`` costs nothing.

Example:
    >>> import engram
    >>> problem = engram.load_problem("wine")
    >>> memory = engram.distill(problem, budget=engram.PerClass(1), steps=20)
    >>> memory.items
    3
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0.dev0"


class _Former:
    """Finds import paths of version 0.1; asked last, so nothing that exists passes through it."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if not name.startswith("engram."):
            return None
        from ._moved import former

        return former(name)


sys.meta_path.append(_Former)

if TYPE_CHECKING:
    from .data.encoder import open_encoder
    from .data.problem import Problem
    from .data.source import load_problem
    from .distillation.distiller import distill
    from .distillation.loop import iterate
    from .distillation.sampler import DistillationSampler
    from .errors import EngramError
    from .evaluation import Protocol, evaluate
    from .learning.training import Training
    from .memory.engram import Engram, load
    from .memory.model import load_model
    from .reuse.continual import continual
    from .reuse.replay_memory import ReplayMemory
    from .reuse.search import search
    from .reuse.transfer import transfer
    from .samples.budget import Bytes, Items, PerClass
    from .workflow.auditing import audit
    from .workflow.journey import run
    from .workflow.progress import Progress

_HOME = {
    "Bytes": "samples",
    "DistillationSampler": "distillation.sampler",
    "Engram": "memory",
    "EngramError": "errors",
    "Items": "samples",
    "PerClass": "samples",
    "Problem": "data",
    "Progress": "workflow",
    "Protocol": "evaluation",
    "ReplayMemory": "reuse.replay_memory",
    "Training": "learning",
    "audit": "workflow.auditing",
    "continual": "reuse.continual",
    "distill": "distillation",
    "evaluate": "evaluation",
    "iterate": "distillation",
    "load": "memory",
    "load_model": "memory.model",
    "load_problem": "data",
    "open_encoder": "data.encoder",
    "run": "workflow",
    "search": "reuse.search",
    "transfer": "reuse.transfer",
}

__all__ = [
    "Bytes",
    "DistillationSampler",
    "Engram",
    "EngramError",
    "Items",
    "PerClass",
    "Problem",
    "Progress",
    "Protocol",
    "ReplayMemory",
    "Training",
    "audit",
    "continual",
    "distill",
    "evaluate",
    "iterate",
    "load",
    "load_model",
    "load_problem",
    "open_encoder",
    "run",
    "search",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'engram' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
