"""What a study is: cells that are measured once, claims with a rule fixed beforehand, tables and figures."""

import enum
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar, Protocol

from .container import append_line
from .errors import SettingError

__all__ = [
    "ORDER",
    "Cell",
    "Cells",
    "Claim",
    "Curve",
    "Figure",
    "Found",
    "Interval",
    "Measured",
    "Result",
    "Scale",
    "Study",
    "Table",
    "Verdict",
    "conduct",
    "slope",
]

_SURE = 2.0
"""Standard errors on either side of a measurement."""


class Verdict(enum.Enum):
    """What a rule says of a measurement."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Measured:
    """A number with its standard error over n independent runs.

    Args:
        value: the mean.
        sem: its standard error; infinite when it cannot be known.
        n: runs.
    """

    value: float
    sem: float
    n: int

    @classmethod
    def of(cls, runs: Iterable[float]) -> "Measured":
        r"""Mean and :math:`s/\sqrt n` of runs.

        Example:
            >>> Measured.of([1.0, 3.0])
            Measured(value=2.0, sem=1.0, n=2)
        """
        values = list(runs)
        n = len(values)
        if n == 0:
            return cls(math.nan, math.inf, 0)
        mean = sum(values) / n
        return cls(mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n) if n > 1 else math.inf, n)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is not finite is null."""
        return {key: _finite(value) for key, value in vars(self).items()}

    def __str__(self) -> str:
        return f"{self.value:.3g}" if not math.isfinite(self.sem) else f"{self.value:.3g} ± {self.sem:.2g}"


@dataclass(frozen=True)
class Interval:
    """A rule: the measurement, two standard errors to either side, lies inside.

    Args:
        low: lower end.
        high: upper end.

    Example:
        >>> Interval(high=0.2).judge(Measured(0.1, 0.01, 5)).value
        'holds'
        >>> Interval(high=0.2).judge(Measured(0.19, 0.01, 5)).value
        'undecided'
    """

    low: float = -math.inf
    high: float = math.inf

    def judge(self, measured: Measured) -> Verdict:
        """Inside: holds; outside: fails; across an end, or not a number: undecided."""
        low, high = (measured.value + side * _SURE * measured.sem for side in (-1, 1))
        if math.isnan(measured.value) or not math.isfinite(measured.sem):
            return Verdict.UNDECIDED
        if self.low <= low and high <= self.high:
            return Verdict.HOLDS
        return Verdict.FAILS if high < self.low or low > self.high else Verdict.UNDECIDED

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if math.isinf(self.high) else f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """A statement with the number that decides it.

    Args:
        statement: one sentence.
        reference: where it comes from.
        measured: what decides it.
        rule: how.
        control: the same measurement on something of which the statement is false; the rule must say `fails`.
        control_of: what the control is.
        details: further numbers, for readers.
    """

    statement: str
    reference: str
    measured: Measured
    rule: Interval
    control: Measured
    control_of: str
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def control_verdict(self) -> Verdict:
        """What the rule says of the control."""
        return self.rule.judge(self.control)

    @property
    def verdict(self) -> Verdict:
        """What the rule says; a rule that does not call the control false decides nothing."""
        return self.rule.judge(self.measured) if self.control_verdict is Verdict.FAILS else Verdict.UNDECIDED

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "statement": self.statement,
            "reference": self.reference,
            "verdict": self.verdict.value,
            "rule": str(self.rule),
            "measured": self.measured.as_json() | dict(self.details),
            "control": self.control.as_json() | {"of": self.control_of, "verdict": self.control_verdict.value},
        }


@dataclass(frozen=True)
class Curve:
    """Points with standard errors; `line` for a prediction, which has none."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    sem: Sequence[float] | None = None
    line: bool = False

    @classmethod
    def of(cls, label: str, x: Iterable[float], measured: Iterable[Measured]) -> "Curve":
        """Measurements over x, with their standard errors."""
        measured = list(measured)
        return cls(label, list(x), [m.value for m in measured], [m.sem for m in measured])


@dataclass(frozen=True)
class Figure:
    """What a figure shows; drawn by the report."""

    name: str
    caption: str
    x: str
    y: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        curves = [vars(curve) | {key: _row(getattr(curve, key)) for key in ("x", "y", "sem")} for curve in self.curves]
        return vars(self) | {"curves": curves}


@dataclass(frozen=True)
class Table:
    """Rows of words and measurements under headings."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | Measured]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; measurements as words with their standard error."""
        shown = [[_shown(cell) for cell in row] for row in self.rows]
        return {"title": self.title, "columns": list(self.columns), "rows": shown}


@dataclass(frozen=True)
class Result:
    """What a study found.

    Args:
        claims: at least one.
        tables: in order.
        figures: in order.
        remarks: sentences for readers, each drawn from the numbers.
    """

    claims: Sequence[Claim]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    remarks: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """Holds when every claim holds; fails when one fails."""
        verdicts = {claim.verdict for claim in self.claims}
        if Verdict.FAILS in verdicts:
            return Verdict.FAILS
        return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.HOLDS

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, which the report reads."""
        return {
            "verdict": self.verdict.value,
            "claims": [claim.as_json() for claim in self.claims],
            "tables": [table.as_json() for table in self.tables],
            "figures": [figure.as_json() for figure in self.figures],
            "remarks": list(self.remarks),
        }


class Scale(enum.Enum):
    """How large a study is."""

    QUICK = "quick"
    DEFAULT = "default"
    LARGE = "large"


@dataclass(frozen=True)
class Cell:
    """One measurement to make: a name and settings, plain JSON, the seed among them."""

    name: str
    settings: Mapping[str, Any]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__") or key not in self.__dict__.get("settings", ()):
            raise AttributeError(key)
        return self.settings[key]

    @property
    def key(self) -> str:
        """By which its result is found again."""
        return json.dumps([self.name, dict(self.settings)], sort_keys=True)


ORDER = ("encoding", "generalisation", "compression", "transfer", "continual", "limits", "beyond")
"""Names of the studies, in the order of the argument."""


class Found:
    """Results of cells, by name and settings."""

    def __init__(self, results: Sequence[tuple[Cell, Mapping[str, Any]]]) -> None:
        self._results = results

    def runs(self, name: str, value: str, **settings: Any) -> list[float]:
        """One number of every cell of this name and these settings, in the order of the cells."""
        return [
            float(result[value])
            for cell, result in self._results
            if cell.name == name and value in result and all(cell.settings.get(k) == v for k, v in settings.items())
        ]

    def settings(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """The settings of every cell of this name that has those, the seed apart, each once, in order."""
        seen: dict[str, dict[str, Any]] = {}
        for cell, _ in self._results:
            if cell.name == name and all(cell.settings.get(key) == value for key, value in where.items()):
                plain = {key: value for key, value in cell.settings.items() if key != "seed"}
                seen.setdefault(json.dumps(plain, sort_keys=True), plain)
        return list(seen.values())

    def mean(self, name: str, value: str, **settings: Any) -> Measured:
        """Mean and standard error of those."""
        return Measured.of(self.runs(name, value, **settings))

    def gap(self, name: str, one: str, other: str, **settings: Any) -> Measured:
        """Mean difference of two numbers, cell by cell."""
        pairs = zip(self.runs(name, one, **settings), self.runs(name, other, **settings), strict=True)
        return Measured.of(a - b for a, b in pairs)

    def ratio(self, name: str, one: str, other: str, **settings: Any) -> Measured:
        """Mean ratio of two numbers, cell by cell."""
        pairs = zip(self.runs(name, one, **settings), self.runs(name, other, **settings), strict=True)
        return Measured.of(a / b for a, b in pairs)


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


@dataclass(frozen=True)
class Cells:
    """Finished cells, one JSON line each; a line that was torn by an interruption is dropped.

    Args:
        path: the file.
        version: of the code that measures; lines of another version are not used.
        anew: whether finished cells are measured again; their new line counts then.
    """

    path: Path
    version: str
    anew: bool = False

    def load(self) -> dict[str, dict[str, Any]]:
        """Results by key."""
        known: dict[str, dict[str, Any]] = {}
        if self.path.is_file() and not self.anew:
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    entry = json.loads(line)
                    if entry["version"] == self.version:
                        known[entry["key"]] = {key: float(value) for key, value in entry["result"].items()}
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return known

    @property
    def stale(self) -> int:
        """Lines that other code measured."""
        if not self.path.is_file():
            return 0
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return sum(f'"version": {json.dumps(self.version)}' not in line for line in text.splitlines())

    def add(self, cell: Cell, result: Mapping[str, Any], seconds: float) -> None:
        """Append one result and see it on disk."""
        entry = {"key": cell.key, "version": self.version, "result": dict(result), "seconds": round(seconds, 3)}
        append_line(self.path, json.dumps(entry))


def conduct(
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
    import signal

    import torch

    # The parent hears Ctrl-C, and ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _timed(study: Study, cell: Cell) -> tuple[dict[str, Any], float]:
    begun = time.perf_counter()
    return study.measure(cell), time.perf_counter() - begun


def slope(points: Mapping[float, Iterable[float]], log: Callable[[float], float] = math.log) -> Measured:
    r"""Exponent of a power law by least squares: :math:`\log y = a + b \log x`, with the standard error of b.

    Every run is a point of its own, so the error holds the spread of runs and the misfit of the law together. A run
    that is not a number leaves the exponent unknown: what was not reached cannot be left out.

    Args:
        points: runs y by x; both positive.
        log: applied to both; identity for a linear law.

    Returns:
        b; n counts the points.

    Example:
        >>> round(slope({1.0: [2.0, 2.0], 2.0: [8.0, 8.0]}).value, 6)
        2.0
    """
    values = [(x, y) for x, runs in points.items() for y in runs]
    n = len(values)
    if any(math.isnan(y) for _, y in values):
        return Measured(math.nan, math.inf, n)
    pairs = [(log(x), log(y)) for x, y in values]
    if n < 3 or len({x for x, _ in pairs}) < 2:
        return Measured(math.nan, math.inf, n)
    mx, my = (sum(p[k] for p in pairs) / n for k in (0, 1))
    sxx = sum((x - mx) ** 2 for x, _ in pairs)
    b = sum((x - mx) * (y - my) for x, y in pairs) / sxx
    residual = sum((y - my - b * (x - mx)) ** 2 for x, y in pairs)
    return Measured(b, math.sqrt(residual / (n - 2) / sxx), n)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [_finite(value) for value in values]


def _shown(cell: str | float | Measured) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return str(cell)
