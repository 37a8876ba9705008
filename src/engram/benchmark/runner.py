"""Running a grid: one process and one row for each cell, whatever becomes of it.

A run that diverges, runs out of memory, takes too long or is killed leaves its row too, and the grid goes on.
"""

import platform
import resource
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..engines.engine import UNLIMITED, Demand, Ended, Engine
from ..engines.local import HERE
from ..errors import DivergenceError, EngramError
from ..memory.files import only_writer
from ..memory.provenance import code_version, hardware
from .grid import Cell, Recipe
from .measurement import measure
from .results import Results

__all__ = ["run_grid"]

_CUT = ("killed", "timed out")
"""Runs that were cut short; they continue from their checkpoint."""


def run_grid(
    cells: Sequence[Cell],
    recipe: Recipe,
    results: Results,
    *,
    engine: Engine = HERE,
    demand: Demand = UNLIMITED,
    device: str = "cpu",
    retry: bool = False,
    watch: Callable[[int, int, str], None] | None = None,
) -> None:
    """Run every cell that has no row yet or was cut short, each in a process of its own.

    Args:
        cells: the grid.
        recipe: how they are run.
        results: rows, read and added to.
        engine: where they run.
        demand: what each takes, and what it may.
        device: kind of device, or one of them, on whichever machine they run.
        retry: whether cells whose row says that they diverged or failed run again too.
        watch: called with (cells done, cells in all, what runs now).

    Raises:
        OutputError: a row cannot be written, or another process is adding rows.
        ClusterError: the engine's machines do not answer.
    """
    with only_writer(results.path):
        known = {row["key"]: row["status"] for row in (results.rows() if results.path.is_file() else [])}
        over = lambda status: status == "done" or not (retry or status in _CUT)  # noqa: E731
        missing = [cell for cell in cells if not (cell.key(recipe) in known and over(known[cell.key(recipe)]))]
        done = len(cells) - len(missing)
        watch = watch or (lambda done, total, now: None)

        def running(now: Sequence[_Task]) -> None:
            watch(done, len(cells), ", ".join(f"{task.cell.dataset} {task.cell.method}" for task in now))

        folder = Path(f"{results.path.absolute()}.cells")
        tasks = [_Task(_found_anywhere(cell), recipe, device, folder, demand.threads) for cell in missing]
        for ended in engine.run(_work, tasks, replace(demand, apart=True), running):
            results.add(_row(ended))
            done += 1
            watch(done, len(cells), "")


@dataclass(frozen=True)
class _Task:
    """A cell with all that its process must know."""

    cell: Cell
    recipe: Recipe
    device: str
    folder: Path
    threads: int


def _found_anywhere(cell: Cell) -> Cell:
    """With the whole path of its data: workers of a cluster start in other folders."""
    return replace(cell, data=str(Path(cell.data).absolute())) if Path(cell.data).exists() else cell


def _work(task: _Task) -> dict[str, Any]:
    """What a process does: one cell, whatever becomes of it."""
    # A machine that does not see the rows' folder keeps checkpoints for itself.
    folder = task.folder if task.folder.parent.is_dir() else Path(tempfile.gettempdir()) / task.folder.name
    status, message, found = "done", "", {}
    try:
        found = measure(task.cell, task.recipe, task.device, folder / f"{task.cell.key(task.recipe)}.safetensors")
        status, message = found.pop("status"), found.pop("message")
    except DivergenceError as error:
        status, message = "diverged", str(error)
    except EngramError as error:
        status, message = "failed", str(error)
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate" in str(error)
        status, message = "out of memory" if short else "failed", str(error)
    except Exception as error:
        status, message = "failed", f"{type(error).__name__}: {error}"
    message = " ".join(message.split())[:500]
    return {"status": status, "message": message, **found, "memory": _peak(task.device), "hardware": hardware()}


def _peak(device: str) -> int:
    """MiB that this process held at most, where it computes."""
    if device.startswith("cuda") and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _row(ended: Ended) -> dict[str, Any]:
    """What is kept of a run; the cell is named by who asked for it, since another machine may not see its file."""
    task: _Task = ended.task
    lost = {"status": ended.status, "message": ended.message, "memory": None, "hardware": hardware()}
    found: Mapping[str, Any] = ended.result or lost
    return {
        "key": task.cell.key(task.recipe),
        **task.cell.named(task.recipe),
        "scores": {},
        **found,
        "wall": round(ended.seconds, 2),
        "hardware": found["hardware"] | {"threads": task.threads},
        "versions": {"engram": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        "code": code_version(),
    }
