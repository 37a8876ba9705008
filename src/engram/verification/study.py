"""What a study is, and how one is carried out."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, ClassVar, Protocol

from ..errors import SettingError
from ..memory.workers import become_worker
from .cells import Cell, Cells, Found, Scale
from .result import Result

__all__ = ["ORDER", "Study", "run_study"]

ORDER = (
    "encoding",
    "generalisation",
    "eigenvectors",
    "compression",
    "transfer",
    "continual",
    "limits",
    "staircase",
    "real",
    "beyond",
)
"""Names of the studies, in the order of the argument."""


class Study(Protocol):
    """A question, the cells that answer it, and the verdict."""

    title: ClassVar[str]
    question: ClassVar[str]

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """What to measure."""
        ...

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Measure one cell: depends on nothing but it."""
        ...

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        ...


def run_study(
    study: Study,
    scale: Scale,
    store: Cells,
    seeds: int | None = None,
    jobs: int = 1,
    watch: Callable[[int, int], None] | None = None,
) -> Result:
    """Measure what is missing, then judge.

    Args:
        study: what is asked.
        scale: how large.
        store: finished cells, read and added to.
        seeds: in place of the scale's own number.
        jobs: processes; each uses one thread when there are several.
        watch: called with (cells done, cells in all).

    Returns:
        Claims, tables, figures.

    Raises:
        SettingError: fewer than two seeds, with which nothing has a standard error.
    """
    if seeds is not None and seeds < 2:
        raise SettingError(f"{seeds} seeds give no standard error: use at least 2")
    cells = study.cells(scale, seeds)
    known = store.load()
    missing = [cell for cell in cells if cell.key not in known]
    watch = watch or (lambda done, total: None)
    watch(len(cells) - len(missing), len(cells))
    for count, (cell, result, seconds) in enumerate(_measured(study, missing, jobs), start=1):
        store.add(cell, result, seconds)
        known[cell.key] = result
        watch(len(cells) - len(missing) + count, len(cells))
    return study.conclude(Found([(cell, known[cell.key]) for cell in cells]), scale)


def _measured(study: Study, cells: Sequence[Cell], jobs: int) -> Iterator[tuple[Cell, dict[str, Any], float]]:
    if jobs <= 1 or len(cells) < 2:
        for cell in cells:
            yield cell, *_timed(study, cell)
        return
    # Fresh processes: a fork of one that has already used threads can stand still.
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_alone) as pool:
        # Longest first would need their times; the order of the cells mixes long and short ones.
        waiting = {pool.submit(_timed, study, cell): cell for cell in cells}
        try:
            for done in as_completed(waiting):
                yield waiting[done], *done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise


def _alone() -> None:
    import torch

    become_worker()
    torch.set_num_threads(1)


def _timed(study: Study, cell: Cell) -> tuple[dict[str, Any], float]:
    begun = time.perf_counter()
    return study.measure(cell), time.perf_counter() - begun
