"""Import paths of version 0.1: they work for one more release, and warn.

A former module is an empty one that finds its names in the modules that took them over.
"""

import os
import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["former", "renamed"]

_MOVED: dict[str, tuple[str, ...]] = {
    "artefact": ("memory.engram", "memory.replay"),
    "augmentation": ("learning.augmentation",),
    "beside": ("memory.run_folder",),
    "budget": ("samples.budget",),
    "canvas": ("samples.canvas",),
    "container": ("memory.container", "memory.files", "memory.provenance"),
    "defaults": ("distillation.defaults",),
    "distances": ("numerics.distances",),
    "evaluation.full": ("evaluation.ceiling",),
    "experts": ("learning.experts", "distillation.buffers"),
    "export": ("memory.export",),
    "fitting": (
        "learning.fitting",
        "learning.gradients",
        "learning.readout",
        "learning.stacking",
        "data.rows",
    ),
    "generated": ("data.generated",),
    "hypergradients": ("distillation.hypergradients",),
    "laboratory": ("verification.laboratory", "verification.search", "numerics.leave_one_out"),
    "linalg": ("numerics.linalg",),
    "link": ("theory.link",),
    "links": ("theory.links",),
    "loop": ("distillation.loop", "distillation.distiller", "distillation.checkpoint", "learning.fitting"),
    "method": ("distillation.method", "samples.spending"),
    "methods": ("distillation.methods",),
    "metrics": ("data.metrics",),
    "network": ("learning.network", "learning.stacking"),
    "networks": ("learning.networks",),
    "optimizers": ("numerics.optimizers",),
    "outer": ("distillation.matcher", "distillation.outer_optimizer", "distillation.batches", "data.rows"),
    "pictures": ("data.pictures",),
    "pool": ("distillation.pool",),
    "preprocessing": (
        "data.preprocessing",
        "data.targets",
        "data.preprocessing.columns",
        "data.preprocessing.pixels",
        "data.preprocessing.vectors",
    ),
    "preprocessing.checks": ("data.checks",),
    "preprocessing.targets": ("data.targets",),
    "problem": ("data.problem", "data.split", "data.task", "data.linear_part"),
    "published": ("distillation.published",),
    "report.benchmark": ("report.tables", "report.benchmark_figures", "report.benchmark_page"),
    "sampler": ("distillation.sampler",),
    "selection": ("distillation.selection", "distillation.labels", "distillation.start"),
    "source": ("data.source",),
    "sources": ("data.sources",),
    "studies": ("verification.studies",),
    "study": (
        "verification.study",
        "verification.cells",
        "verification.claims",
        "verification.result",
        "numerics.statistics",
    ),
    "subspace": ("numerics.subspaces", "data.intrinsic_dimension", "learning.responses"),
    "synthetic": ("samples.synthetic",),
    "training": ("learning.training",),
}
"""Former module or package to the modules that hold its names now, in the order in which they are asked."""
_RENAMED = {
    "Beside": "RunFolder",
    "Chosen": "SelectionState",
    "Matching": "MatcherState",
    "Nursery": "PoolPolicy",
    "Outer": "OuterOptimizer",
    "Scene": "StepContext",
    "anyone": "at_random",
    "bare": "as_engram",
    "Data": "Rows",
    "conduct": "run_study",
    "measure": "mean_loss",
    "resume": "load_checkpoint",
    "slope": "exponent",
    "told": "share_done",
}


class _Former:
    """Loads former modules."""

    def create_module(self, spec: ModuleSpec) -> None:
        """An ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        homes = [f"engram.{home}" for home in _homes(module.__name__.removeprefix("engram."))]
        warnings.warn(
            f"{module.__name__} has moved to {' and '.join(homes)}; its old name goes with the next release",
            DeprecationWarning,
            # Frames of the import system do not count.
            stacklevel=2,
        )

        def find(name: str) -> Any:
            if name == "__all__":
                return [known for home in map(import_module, homes) for known in getattr(home, "__all__", ())]
            if name.startswith("__"):
                raise AttributeError(name)
            for home in map(import_module, homes):
                for known in (name, _RENAMED.get(name, name)):
                    if hasattr(home, known):
                        return getattr(home, known)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        module.__path__ = []
        module.__getattr__ = find  # type: ignore[method-assign]


def former(name: str) -> ModuleSpec | None:
    """A module under its former name; None if there never was one."""
    return ModuleSpec(name, _Former(), is_package=True) if _homes(name.removeprefix("engram.")) else None  # type: ignore[arg-type]


def _homes(former: str) -> tuple[str, ...]:
    """Where a former module is now: itself in the table, or inside a package that is."""
    if former in _MOVED:
        return _MOVED[former]
    package, _, rest = former.partition(".")
    if package not in _MOVED or not rest:
        return ()
    home = f"{_MOVED[package][0]}.{rest}"
    return (home,) if os.path.isfile(os.path.join(os.path.dirname(__file__), *home.split(".")) + ".py") else ()


def renamed(module: str, name: str, names: dict[str, str]) -> Any:
    """What a module that stayed called otherwise, with a warning; its ``__getattr__``."""
    if name not in names:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    home, _, new = names[name].rpartition(".")
    warnings.warn(f"{module}.{name} is {home}.{new} now", DeprecationWarning, stacklevel=3)
    return getattr(import_module(home), new)
