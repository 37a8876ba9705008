"""engram search FILE: architectures ranked by what they learn from an engram."""

from pathlib import Path
from typing import Any

import click

from ._options import device_option, json_option, source_options, split_seed, split_seed_option
from ._terminal import Bars, emit, verbosity_options

_SAID = {
    "engram": "the engram",
    "random": "random rows, equal bytes",
    "k_means": "k-means centres, equal bytes",
    "early": "real rows, equal time",
    "again": "real rows, another seed",
}


@click.command("search")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--space", type=click.Choice(["convnet", "mlp"]), default="convnet", show_default=True, help="Of 24 candidates."
)
@click.option(
    "--on", "source", help="Data whose validation rows score; half of the samples score the others if absent."
)
@source_options
@click.option(
    "--compare/--no-compare",
    default=True,
    help="With --on: hold the ranking to that of training on real rows (five passes, 10,000 rows).",
)
@click.option("--seeds", default=3, show_default=True, help="Networks of each candidate.")
@split_seed_option
@device_option
@verbosity_options
@json_option
def command(
    file: Path,
    space: Any,
    source: str | None,
    compare: bool,
    seeds: int,
    seed: int | None,
    device: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Rank architectures by training them on FILE in place of all data.

    \b
    engram search digits.engram --space mlp
    engram search digits.engram --space convnet --on digits
    """  # noqa: D301 (click reads the escape)
    from ..data.source import load_problem
    from ..memory.engram import load
    from ..reuse.search import search
    from ..workflow.devices import device_of
    from ..workflow.progress import Progress
    from ..workflow.threads import spare_threads

    memory, place, problem = load(file), device_of(device), None
    if source is not None:
        problem = load_problem(source, seed=split_seed(memory, seed), **settings).to(place)
    spare_threads(memory.task.shape)
    with Bars() as bars:
        found = search(
            memory.to(place),
            space,
            problem=problem,
            compare=compare,
            seeds=seeds,
            watch=lambda done, state: bars.show(Progress("searching", done, state)),
        )
    if as_json:
        emit({"file": str(file), "space": space} | found.as_json())
        return
    _show(found, file)


def _show(found: Any, file: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console, held = Console(highlight=False), "full" in found.scores
    table = Table(title=escape(f"candidates by {file.name}, the best first"), title_justify="left")
    for heading in ("network", found.metric, *(["trained on real rows"] if held else [])):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for k in found.order:
        full = [f"{(found.scores['full'][k] + found.scores['again'][k]) / 2:.3f}"] if held else []
        table.add_row(escape(found.networks[k]), f"{found.scores['engram'][k]:.3f}", *full)
    console.print(table)
    if not held:
        return
    table = Table(
        title="agreement with training on real rows",
        title_justify="left",
        caption_justify="left",
        caption="Spearman's correlation of ranks; share of the best five among its own five; what its pick lacks to the best",
    )
    for heading in ("ranked by", "Spearman", "best five", "lacks", "seconds"):
        table.add_column(heading, justify="left" if heading == "ranked by" else "right")
    for way, row in found.as_json()["agreement"].items():
        spearman = "-" if row["spearman"] is None else f"{row['spearman']:.2f}"
        table.add_row(_SAID[way], spearman, f"{row['top']:.0%}", f"{row['regret']:.4f}", f"{found.seconds[way]:.0f}")
    console.print(table)
