"""engram transfer FILE --to SOURCE: what an engram brings to a related task."""

from pathlib import Path
from typing import Any

import click

from ._options import device_option, json_option, source_options, split_seed, split_seed_option
from ._terminal import Bars, emit, plus_minus, say, verbosity_options

_SAID = {
    "scratch": "from scratch",
    "random_features": "random features",
    "engram": "the engram",
    "all_data": "all data of the source",
    "random": "its random rows, equal bytes",
    "k_means": "its k-means, equal bytes",
}


@click.command("transfer")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", "source", required=True, help="The target task: built-in dataset, file or folder, as for distill."
)
@source_options
@click.option(
    "--from", "origin", metavar="SOURCE", help="The data that FILE was distilled from, to compare with what they teach."
)
@click.option(
    "--shots", default=5, show_default=True, help="Rows of each class of the target (ten times as many numbers)."
)
@click.option("--network", help="Another architecture: NAME or NAME:field=value,...")
@click.option("--seeds", default=5, show_default=True, help="Draws of these rows, and networks.")
@split_seed_option
@device_option
@verbosity_options
@json_option
def command(
    file: Path,
    source: str,
    origin: str | None,
    shots: int,
    network: str | None,
    seeds: int,
    seed: int | None,
    device: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn the task of SOURCE from few rows, on from what FILE teaches, beside learning it from scratch.

    "In theory", on tasks of the two-layer system, the study of the same name asks this; here it is your data. What a start brings is
    used in three ways (a readout on features that stay, all of the network, both tasks at once); validation rows say which is shown.

    \b
    engram distill digits --classes 0,1,2,3,4
    engram transfer digits.engram --to digits --classes 5,6,7,8,9 --from digits
    """  # noqa: D301 (click reads the escape)
    from ..data.source import load_problem
    from ..memory.engram import load
    from ..reuse.transfer import source_of, transfer
    from ..spec import parse
    from ..workflow.devices import device_of
    from ..workflow.progress import Progress
    from ..workflow.threads import spare_threads

    memory, place = load(file), device_of(device)
    own = split_seed(memory, seed)
    problem = load_problem(source, seed=own, **settings)
    origin_problem = None if origin is None else source_of(memory, origin, own, settings.get("kind")).to(place)
    spare_threads(problem.task.shape)
    with Bars() as bars:
        found = transfer(
            memory.to(place),
            problem.to(place),
            shots=shots,
            seeds=seeds,
            source=origin_problem,
            network=parse("networks", network) if network else None,
            watch=lambda done, state: bars.show(Progress("transferring", done, state)),
        )
    if as_json:
        emit({"file": str(file), "to": source} | found.as_json())
        return
    _show(found, file, problem)
    if origin is None:
        say("the data of FILE were not given (--from SOURCE): what they teach is not compared")


def _show(found: Any, file: Path, problem: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    plain = found.as_json()
    n = len(found.runs("engram"))
    each = "of each class" if problem.classes else "times ten"
    table = Table(
        title=escape(f"{file.name} to {problem.name}, {found.shots} rows {each}"),
        title_justify="left",
        caption_justify="left",
        caption=f"test {found.metric}, mean ± standard error over {n} draws of rows with a network each",
    )
    for heading in ("learnt from", found.metric, "engram minus it", "way"):
        table.add_column(heading, justify="left" if heading in ("learnt from", "way") else "right")
    ways = {"frozen": "readout alone", "warm": "all learns on", "joint": "both at once"}
    for name, row in plain["scores"].items():
        table.add_row(
            _SAID[name],
            plus_minus(row, digits=3),
            plus_minus(row["difference"], signed=True, digits=3) if "difference" in row else "",
            "" if name in ("scratch", "random_features") else ways[row["way"]],
            style="bold green" if name == "engram" else None,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"[bold]verdict[/bold]: {escape(found.verdict)}", soft_wrap=True)
