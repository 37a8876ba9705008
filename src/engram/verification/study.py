"""What a study is, and how one is carried out."""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from ..engines.engine import Demand, Engine
from ..engines.local import HERE
from ..errors import ClusterError, SettingError
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
    engine: Engine = HERE,
    watch: Callable[[int, int], None] | None = None,
) -> Result:
    """Measure what is missing, then judge.

    Args:
        study: what is asked.
        scale: how large.
        store: finished cells, read and added to.
        seeds: in place of the scale's own number.
        engine: where cells are measured; each has one thread when there are several.
        watch: called with (cells done, cells in all).

    Returns:
        Claims, tables, figures.

    Raises:
        SettingError: fewer than two seeds, with which nothing has a standard error.
        ClusterError: the engine's machines do not answer, or a process that measured was killed.
    """
    if seeds is not None and seeds < 2:
        raise SettingError(f"{seeds} seeds give no standard error: use at least 2")
    cells = study.cells(scale, seeds)
    known = store.load()
    missing = [cell for cell in cells if cell.key not in known]
    watch = watch or (lambda done, total: None)
    watch(len(cells) - len(missing), len(cells))
    for count, ended in enumerate(engine.run(study.measure, missing, Demand(retries=1)), start=1):
        if ended.error is not None:
            raise ended.error
        if ended.status != "done":
            raise ClusterError(
                f"the process that measured {ended.task.key} was {ended.status} ({ended.message}): repeat the command to continue, "
                "with fewer --jobs if memory was short"
            )
        store.add(ended.task, ended.result, ended.seconds)
        known[ended.task.key] = ended.result
        watch(len(cells) - len(missing) + count, len(cells))
    return study.conclude(Found([(cell, known[cell.key]) for cell in cells]), scale)
