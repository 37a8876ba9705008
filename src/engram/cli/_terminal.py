"""What commands share: options, devices, progress, tables."""

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..errors import DeviceError

__all__ = ["budget_of", "device_of", "emit", "json_option", "progress", "say", "scores_table"]

_TINY = 28 * 28
_ERRORS = Console(stderr=True, highlight=False)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
seed_option = click.option("--seed", default=0, show_default=True, help="Seed of every draw, the split included.")
device_option = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
force_option = click.option("--force", is_flag=True, help="Replace files that exist.")


def source_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say how a source is read."""
    for option in (
        click.option(
            "--task", type=click.Choice(["classification", "regression"]), help="Read off the target if absent."
        ),
        click.option("--split", metavar="COLUMN", help="Column that says train, test (and select) for each row."),
        click.option("--group", metavar="COLUMN", help="Column whose equal values stay in one split."),
        click.option("--target", metavar="COLUMN", help="Column to predict (tables)."),
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


def device_of(name: str) -> str:
    """The device to run on; refuses one that is not there."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"{name!r} is not a device: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"{name} was asked for and this machine has {torch.cuda.device_count()} CUDA devices: use --device cpu"
        )
    if device.type not in ("cuda", "cpu"):
        raise DeviceError(f"{name!r} is not supported: use auto, cpu, cuda or cuda:N")
    return name


def spare_threads(shape: tuple[int, ...]) -> None:
    """Use one thread for tiny inputs: handing out their work costs more than doing it (OMP_NUM_THREADS overrides)."""
    import torch

    if math.prod(shape) < _TINY and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def say(text: str) -> None:
    """One line on standard error."""
    _ERRORS.print(text, markup=False, soft_wrap=True)


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
    )


def watch_rows(bar: Progress, rows: int) -> Callable[[str, float], None]:
    """Show an evaluation on a bar: rows done, and how much of the one under way."""
    task = bar.add_task("evaluating", total=rows * 100, state="")
    done: set[str] = set()

    def watch(name: str, share: float) -> None:
        if share >= 1:
            done.add(name)
        part = 0 if name in done else int(100 * share)
        bar.update(task, completed=100 * len(done) + part, state=name.replace("_", " "))

    return watch


def scores_table(scores: Any, title: str) -> None:
    """Full data, engram and baselines at equal items and equal bytes, on standard output."""
    table = Table(title=title, title_justify="left", caption_justify="left", caption=_caption(scores))
    for heading in ("trained on", "items", "bytes", scores.metric, "engram minus it"):
        table.add_column(heading, justify="left" if heading == "trained on" else "right", no_wrap=True)
    order = ["full", "engram", *[n for n in scores.rows if n not in ("full", "engram") and not n.endswith("_bytes")]]
    equal_bytes = [n for n in scores.rows if n.endswith("_bytes")]
    for group, names in (("", order[:2]), ("at equal items", order[2:]), ("at equal bytes", equal_bytes)):
        if group and names:
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
        for name in names:
            row, value = scores.rows[name], scores.as_json()[name]
            label = {"full": "all data", "engram": "engram"}.get(name, name.removesuffix("_bytes").replace("_", " "))
            gap = "" if name == "engram" else _plus_minus(value["difference"], signed=True)
            table.add_row(
                label,
                f"{row.items:,}",
                f"{row.bytes:,}",
                _plus_minus(value),
                gap,
                style="bold green" if name == "engram" else None,
            )
    Console(highlight=False).print(table)


def _caption(scores: Any) -> str:
    n = len(scores.rows["engram"].runs)
    ceiling = scores.rows.get("full")
    which = f"; all data: {ceiling.note}" if ceiling is not None and ceiling.note else ""
    return f"test {scores.metric}, mean ± standard error over {n} networks (and draws, for random rows){which}"


def _plus_minus(value: Mapping[str, Any], signed: bool = False) -> str:
    mean = f"{value['mean']:+.4f}" if signed else f"{value['mean']:.4f}"
    return mean if value["sem"] is None else f"{mean} ± {value['sem']:.4f}"
