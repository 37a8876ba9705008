"""What commands share: options, devices, progress, tables."""

import json
import logging
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

__all__ = [
    "Bars",
    "TimeOverError",
    "at_most",
    "conclude",
    "emit",
    "listen",
    "plus_minus",
    "progress",
    "say",
    "scores_table",
    "verbosity_options",
]

_FAILED = 3
"""Exit code of samples that are not worth their bytes."""

_ERRORS = Console(stderr=True, highlight=False)
LOGGER = logging.getLogger("engram")


class _Lines(logging.Handler):
    """The library's log as lines on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        warning = "warning: " if record.levelno >= logging.WARNING else ""
        if record.getMessage():
            _ERRORS.print(f"engram: {warning}{record.getMessage()}", markup=False, soft_wrap=True)
        if record.exc_info:
            _ERRORS.print(logging.Formatter().formatException(record.exc_info), markup=False, soft_wrap=True)


def listen(level: int = logging.INFO) -> None:
    """Show the library's log from this level on; of the processes of ``torchrun`` one speaks, and the others warn."""
    if os.environ.get("RANK", "0") != "0":
        level = max(level, logging.WARNING)
    if not any(isinstance(handler, _Lines) for handler in LOGGER.handlers):
        LOGGER.addHandler(_Lines())
    LOGGER.setLevel(level)


class TimeOverError(Exception):
    """The time that a command was given has passed."""


@contextmanager
def at_most(seconds: float | None) -> Iterator[None]:
    """Stop what is done here after so many seconds.

    Raises:
        TimeOverError: they have passed.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def over(*_: object) -> None:
        raise TimeOverError

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def verbosity_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-q for warnings alone, -v for everything."""

    def chosen(level: int) -> Callable[[click.Context, click.Parameter, bool], None]:
        return lambda context, parameter, given: listen(level) if given else None

    for names, level, said in (
        (("-v", "--verbose"), logging.DEBUG, "Say more, with the origin of warnings."),
        (("-q", "--quiet"), logging.WARNING, "Say nothing but warnings and the result."),
    ):
        function = click.option(*names, is_flag=True, expose_value=False, callback=chosen(level), help=said)(function)
    return function


def say(text: str) -> None:
    """One line on standard error, unless that was not wanted."""
    LOGGER.info("%s", text)


def emit(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output; a number that is not finite is null."""
    sys.stdout.write(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def progress() -> Progress:
    """A progress bar on standard error, with an estimate of the time left."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(),
        console=_ERRORS,
        disable=not LOGGER.isEnabledFor(logging.INFO),
    )


class Bars:
    """The progress of a call as one bar for each of its stages."""

    def __init__(self) -> None:
        self._progress = progress()
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, now: Any) -> None:
        """Move the bar of a stage (`workflow.progress.Progress`)."""
        if now.stage not in self._tasks:
            self._tasks[now.stage] = self._progress.add_task(now.stage, total=1.0, state="")
        self._progress.update(self._tasks[now.stage], completed=now.done, state=now.state)


def scores_table(scores: Any, title: str, found: Any, over: str = "networks") -> None:
    """Full data, engram and baselines at equal items and equal bytes, and the verdict, on standard output."""
    table = Table(title=title, title_justify="left", caption_justify="left", caption=_caption(scores, over))
    for heading in ("trained on", "items", "bytes", scores.metric, "engram minus it"):
        table.add_column(heading, justify="left" if heading == "trained on" else "right", no_wrap=True)
    first = [n for n in ("full", "engram", "readable") if n in scores.rows]
    order = [*first, *[n for n in scores.rows if n not in first and not n.endswith("_bytes")]]
    equal_bytes = [n for n in scores.rows if n.endswith("_bytes")]
    for group, names in (("", first), ("at equal items", order[len(first) :]), ("at equal bytes", equal_bytes)):
        if group and names:
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        for name in names:
            row, value = scores.rows[name], scores.as_json()[name]
            label = {"full": "all data", "readable": "its readable view"}.get(
                name, name.removesuffix("_bytes").replace("_", " ")
            )
            gap = "" if name == "engram" else plus_minus(value["difference"], signed=True)
            table.add_row(
                label,
                f"{row.items:,}",
                f"{row.bytes:,}",
                plus_minus(value),
                gap,
                style="bold green" if name == "engram" else None,
            )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"[bold]verdict[/bold]: {escape(str(found))}", soft_wrap=True)
    if scores.panel is not None:
        console.print(_panel_table(scores.panel))
    say(
        "judging took "
        + ", ".join(f"{seconds:.0f} s for {part}" for part, seconds in scores.seconds.items() if seconds)
    )


def conclude(found: Any, strict: bool) -> None:
    """End with a failure where the samples are not worth their bytes and that was asked for."""
    if strict and found is not None and found.failed:
        raise click.exceptions.Exit(_FAILED)


def _panel_table(panel: Any) -> Table:
    """What foreign learners say."""
    from ..evaluation.panel import coresets_win
    from ..evaluation.scores import TEACHERS

    caption = (
        f"portability {panel.portability:.2f}: the share of learners whom the engram teaches better than the better of both "
        "others by two standard errors, a tie counting half"
    )
    if losers := coresets_win(panel.gains):
        caption += f"; trees ({', '.join(losers)}) learn more from real or averaged rows, as is known of distilled data"
    table = Table(
        title="other learners, at equal bytes; hard labels unless they say soft",
        title_justify="left",
        caption_justify="left",
        caption=caption,
    )
    for heading in ("learner", "engram", "random", "k-means", "engram - better"):
        table.add_column(heading, justify="left" if heading == "learner" else "right", no_wrap=True)
    for name, row in panel.as_json()["learners"].items():
        cells = [plus_minus(row[teacher], digits=3) for teacher in TEACHERS]
        table.add_row(name, *cells, plus_minus(row["gain"], signed=True, digits=3))
    return table


def _caption(scores: Any, over: str) -> str:
    n, drawn = len(scores.rows["engram"].runs), " (and draws, for random rows)" if over == "networks" else ""
    ceiling = scores.rows.get("full")
    which = f"; all data: {ceiling.note}" if ceiling is not None and ceiling.note else ""
    return f"test {scores.metric}, mean ± standard error over {n} {over}{drawn}{which}"


def plus_minus(value: Mapping[str, Any], signed: bool = False, digits: int = 4) -> str:
    """A mean with its standard error, where it has one."""
    mean = f"{value['mean']:{'+' if signed else ''}.{digits}f}"
    return mean if value["sem"] is None else f"{mean} ± {value['sem']:.{digits}f}"
