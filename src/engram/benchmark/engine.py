"""Running a grid: one process and one row for each cell, whatever becomes of it.

A run that diverges, runs out of memory, takes too long or is killed leaves its row too, and the grid goes on.
"""

import math
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..errors import DivergenceError, EngramError
from ..memory.files import only_writer
from ..memory.provenance import code_version, hardware
from ..memory.workers import become_worker
from .grid import Cell, Recipe
from .measurement import measure
from .results import Results

__all__ = ["run_grid"]

_GRACE = 0.2


_CUT = ("killed", "timed out")
"""Runs that were cut short; they continue from their checkpoint."""


def run_grid(
    cells: Sequence[Cell],
    recipe: Recipe,
    results: Results,
    *,
    jobs: int = 1,
    limit: float = math.inf,
    device: str = "cpu",
    retry: bool = False,
    watch: Callable[[int, int, str], None] | None = None,
) -> None:
    """Run every cell that has no row yet or was cut short, each in a process of its own.

    Args:
        cells: the grid.
        recipe: how they are run.
        results: rows, read and added to.
        jobs: processes at once.
        limit: seconds that a run may take.
        device: where they run.
        retry: whether cells whose row says that they diverged or failed run again too.
        watch: called with (cells done, cells in all, what runs now).

    Raises:
        OutputError: a row cannot be written, or another process is adding rows.
    """
    with only_writer(results.path):
        _run_grid(cells, recipe, results, jobs, limit, device, retry, watch)


def _run_grid(
    cells: Sequence[Cell],
    recipe: Recipe,
    results: Results,
    jobs: int,
    limit: float,
    device: str,
    retry: bool,
    watch: Callable[[int, int, str], None] | None,
) -> None:
    known = {row["key"]: row["status"] for row in (results.rows() if results.path.is_file() else [])}
    over = lambda status: status == "done" or not (retry or status in _CUT)  # noqa: E731
    missing = [cell for cell in cells if not (cell.key(recipe) in known and over(known[cell.key(recipe)]))]
    watch = watch or (lambda done, total, now: None)
    done = len(cells) - len(missing)
    for count, row in enumerate(
        _rows(missing, recipe, jobs, limit, device, results.path, partial(_offset, watch, len(cells), done))
    ):
        results.add(row)
        watch(done + count + 1, len(cells), "")


def _offset(watch: Callable[[int, int, str], None], total: int, before: int, count: int, now: str) -> None:
    watch(before + count, total, now)


def _rows(
    cells: Sequence[Cell],
    recipe: Recipe,
    jobs: int,
    limit: float,
    device: str,
    path: Path,
    report: Callable[[int, str], None],
) -> Iterator[dict[str, Any]]:
    # Fresh processes: a fork of one that has already used threads can stand still.
    context = get_context("spawn")
    waiting = list(reversed(cells))
    running: dict[Any, tuple[Cell, Connection, float]] = {}
    finished = 0
    threads = max(1, (os.cpu_count() or 1) // jobs)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(cell, recipe, device, threads, str(path), theirs))
                process.start()
                theirs.close()
                running[process] = (cell, ours, time.monotonic())
                report(finished, ", ".join(f"{cell.dataset} {cell.method}" for cell, *_ in running.values()))
            wait([pipe for _, pipe, _ in running.values()], timeout=_GRACE)
            for process, (cell, pipe, begun) in list(running.items()):
                late = time.monotonic() - begun > limit
                if process.is_alive() and not pipe.poll() and not late:
                    continue
                if late:
                    process.kill()
                row = _received(pipe)
                process.join()
                del running[process]
                finished += 1
                if row is None:
                    status = "timed out" if late else "killed"
                    message = f"after {limit:.0f} s" if late else f"exit code {process.exitcode}"
                    row = _row(cell, recipe, status, message, {}, time.monotonic() - begun, threads)
                yield row
    finally:
        for process in running:
            process.kill()


def _received(pipe: Connection) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] | None = pipe.recv() if pipe.poll() else None
    except (EOFError, OSError):
        row = None
    pipe.close()
    return row


def _work(cell: Cell, recipe: Recipe, device: str, threads: int, path: str, pipe: Connection) -> None:
    """What a process does: one cell, whatever becomes of it."""
    become_worker()
    torch.set_num_threads(threads)
    begun = time.monotonic()
    status, message, found = "done", "", {}
    try:
        found = measure(cell, recipe, device, Path(f"{path}.cells") / f"{cell.key(recipe)}.safetensors")
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
    wall, message = time.monotonic() - begun, " ".join(message.split())[:500]
    pipe.send(_row(cell, recipe, status, message, found, wall, threads, _peak(device)))
    pipe.close()


def _peak(device: str) -> int:
    """MiB that this process held at most, where it computes."""
    if device.startswith("cuda") and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _row(
    cell: Cell,
    recipe: Recipe,
    status: str,
    message: str,
    found: Mapping[str, Any],
    wall: float,
    threads: int,
    memory: int | None = None,
) -> dict[str, Any]:
    return {
        "key": cell.key(recipe),
        **cell.named(recipe),
        "status": status,
        "message": message,
        "scores": {},
        **found,
        "wall": round(wall, 2),
        "memory": memory,
        "hardware": hardware() | {"threads": threads},
        "versions": {"engram": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        "code": code_version(),
    }
