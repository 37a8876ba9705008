"""Every method under one protocol: a grid of runs, one process and one row for each."""

from typing import Any

from .. import _moved
from .grid import BASELINES, FULL, Cell, Recipe, all_methods
from .measurement import measure
from .results import Results
from .runner import run_grid

__all__ = ["BASELINES", "FULL", "Cell", "Recipe", "Results", "all_methods", "measure", "run_grid"]


def __getattr__(name: str) -> Any:
    former = {
        "conduct": "engram.benchmark.runner.run_grid",
        "everything": "engram.benchmark.grid.all_methods",
        "hardened": "engram.evaluation.variants.hardened",
        "plain": "engram.evaluation.variants.plain",
    }
    return _moved.renamed(__name__, name, former)
