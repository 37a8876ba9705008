"""Options that commands share."""

import os
import re
from collections.abc import Callable
from typing import Any

import click

__all__ = [
    "budget_of",
    "device_option",
    "engine_options",
    "force_option",
    "json_option",
    "listed",
    "panel_options",
    "seed_option",
    "source_options",
    "split_seed",
    "split_seed_option",
    "strict_option",
]

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
seed_option = click.option("--seed", default=0, show_default=True, help="Seed of every draw, the split included.")
split_seed_option = click.option("--seed", type=int, help="Seed of the split; the engram's own if absent.")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
force_option = click.option("--force", is_flag=True, help="Replace files that exist.")


def split_seed(memory: Any, given: int | None) -> int:
    """What `split_seed_option` says: the seed that was given, or that by which the engram's own data were split."""
    return int(memory.provenance.get("seed", 0)) if given is None else given


def _kinds(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str] | None:
    """NAME=KIND, each once."""
    pairs = [text.rpartition("=") for text in given]
    for text, (name, equals, kind) in zip(given, pairs, strict=True):
        if not (name and equals and kind):
            raise click.UsageError(f"--column takes NAME=KIND, not {text!r}")
    return {name: kind for name, _, kind in pairs} or None


def _time(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> str | None:
    """A column; of distil also a span, which goes into the context."""
    columns = []
    for text in given:
        seconds = span_of(text) if context.info_name == "distill" else None
        if seconds is None:
            columns.append(text)
        else:
            context.meta["seconds"] = seconds
    if len(columns) > 1:
        raise click.UsageError(f"--time takes one column, not {', '.join(columns)}")
    return columns[0] if columns else None


def _max_ram(context: click.Context, parameter: click.Parameter, given: str | None) -> None:
    """Readers ask the environment, wherever they run."""
    if given is not None:
        from ..data.room import VARIABLE, room

        before = os.environ.get(VARIABLE, "")
        context.call_on_close(lambda: os.environ.__setitem__(VARIABLE, before))
        os.environ[VARIABLE] = given
        room()


def _several(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...] | None:
    return given or None


def listed(context: click.Context, parameter: click.Parameter, given: str | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(name.strip() for name in given.split(",") if name.strip())


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how a source is read."""
    for option in (
        click.option(
            "--metric",
            help="By what samples are chosen and judged: accuracy, balanced-accuracy, auroc, f1; r2, mae (the share of the "
            "absolute error explained). By the task if absent.",
        ),
        click.option("--drop-missing", is_flag=True, default=None, help="Leave out rows without a target."),
        click.option(
            "--column",
            "kinds",
            multiple=True,
            metavar="NAME=KIND",
            callback=_kinds,
            help="What a column is: number, category, date, text, id or constant (left out); inferred if absent; repeat.",
        ),
        click.option("--columns", metavar="A,B,...", callback=listed, help="The only inputs; all columns if absent."),
        click.option(
            "--drop", multiple=True, metavar="COLUMN", callback=_several, help="A column that is no input; repeat."
        ),
        click.option(
            "--classes",
            metavar="A,B,...",
            callback=listed,
            help="The only classes; rows of others are left out. All if absent.",
        ),
        click.option(
            "--task", type=click.Choice(["classification", "regression"]), help="Read off the target if absent."
        ),
        click.option("--split", metavar="COLUMN", help="Column that says train, test (and select) for each row."),
        click.option("--group", metavar="COLUMN", help="Column whose equal values stay in one split."),
        click.option("--window", type=int, help="Points of a series that are seen, where --horizon is given."),
        click.option("--horizon", type=int, help="Forecast: so many points of a series from those before."),
        click.option(
            "--time",
            multiple=True,
            metavar="COLUMN",
            callback=_time,
            help="Column by which points of series are ordered. (distill: a span, 90s, 10m or 2h, is the longest distilling.)",
        ),
        click.option(
            "--series-id", metavar="COLUMN", help="Column that tells series apart, in a table of one point a row."
        ),
        click.option(
            "--kind",
            type=click.Choice(["rows", "series", "images", "text"]),
            help="What arrays hold; by their values if absent. A table's columns are series only where this says so; text where one "
            "column holds texts.",
        ),
        click.option("--size", type=int, help="Side to which images of a folder are scaled; as they are if absent."),
        click.option(
            "--encoder",
            metavar="PATH",
            help="Frozen encoder through which texts (a folder of sentence-transformers) or images (weights of EfficientNet-Lite) "
            "are seen.",
        ),
        click.option(
            "--max-ram",
            metavar="SIZE",
            expose_value=False,
            callback=_max_ram,
            help="Most memory that the rows of SOURCE may take, told from headers before anything is read; half of the machine's if absent.",
        ),
        click.option(
            "--stream",
            is_flag=True,
            default=None,
            help="Read a table or .npz larger than memory in pieces; its rows are stored in the cache, twice their size while they are shuffled.",
        ),
        click.option("--test", metavar="FILE", help="Held-out rows; a fifth of SOURCE if absent."),
        click.option(
            "--target",
            multiple=True,
            metavar="COLUMN",
            callback=_several,
            help="Column to predict (tables); repeat for several outputs.",
        ),
    ):
        function = option(function)
    return function


strict_option = click.option(
    "--strict", is_flag=True, help="End with exit code 3 where the engram is no better than a constant or a baseline."
)


def engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where many independent runs go."""
    for option in (
        click.option("--jobs", type=click.IntRange(1), help="Runs at once; one for each core if absent, one on a GPU."),
        click.option(
            "--engine",
            default="local",
            show_default=True,
            metavar="local|ray[:ADDRESS]",
            help="Processes of this machine, or a Ray cluster (docs/scale.md): one of this machine's own, or the one at ADDRESS.",
        ),
    ):
        function = option(function)
    return function


def panel_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which foreign learners judge."""
    for option in (
        click.option(
            "--judge",
            "judges",
            multiple=True,
            metavar="LEARNER",
            help="One more of them (engram list shows all); repeat.",
        ),
        click.option(
            "--panel",
            type=click.Choice(["none", "quick", "full"]),
            default="quick",
            show_default=True,
            help="Learners of other libraries and recipes that judge too; quick at most doubles the judging.",
        ),
    ):
        function = option(function)
    return function


def budget_of(per_class: int | None, items: int | None, size: str | None) -> Any:
    """The one budget that was given, or None."""
    from ..samples.budget import Bytes, Items, PerClass, parse_size

    given = [
        name for name, value in (("--per-class", per_class), ("--items", items), ("--bytes", size)) if value is not None
    ]
    if len(given) > 1:
        raise click.UsageError(f"{' and '.join(given)} exclude one another: give one budget")
    if per_class is not None:
        return PerClass(per_class)
    if items is not None:
        return Items(items)
    return Bytes(parse_size(size)) if size is not None else None


_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(-?\d+(?:\.\d+)?)([smh]?)")


def span_of(text: str) -> float | None:
    """Seconds of a span of time, a number with s, m or h behind it; None for anything else.

    Raises:
        UsageError: a span that is not positive.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        return None
    seconds = float(found[1]) * _UNITS[found[2] or "s"]
    if not seconds > 0:
        raise click.UsageError(f"--time {text} leaves no time to distil: write 90s, 10m or 2h")
    return seconds
