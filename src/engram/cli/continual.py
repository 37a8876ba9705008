"""engram continual SOURCE: engrams as the memory of a learner that goes on learning."""

from pathlib import Path
from typing import Any

import click

from ._options import device_option, force_option, json_option, seed_option, source_options
from ._terminal import Bars, emit, plus_minus, say, verbosity_options

_SAID = {
    "engram": "engrams",
    "random": "random rows",
    "herding": "herding",
    "k_means": "k-means centres",
    "dark": "random, logits",
    "packed": "random, packed",
    "nothing": "nothing",
    "joint": "all rows at once",
}


@click.command("continual")
@click.argument("source")
@source_options
@click.option("--experiences", "count", default=5, show_default=True, help="Into how many parts SOURCE is cut.")
@click.option(
    "--by",
    type=click.Choice(["class", "task", "domain", "time"]),
    default="class",
    show_default=True,
    help="New classes; new classes that the test names; the same classes elsewhere; later rows.",
)
@click.option("--along", metavar="COLUMN", help="Column of a table: its values are domains, or order rows in time.")
@click.option(
    "--bytes",
    "size",
    metavar="SIZE",
    help="Of the memory in all; if absent those of 20 images, or 2 rows, of each class of each experience.",
)
@click.option(
    "--memory", "memories", multiple=True, metavar="NAME", help="Only these of the memories that are compared; repeat."
)
@click.option("--method", help="How experiences are distilled, as for distill; by the kind of data if absent.")
@click.option("--network", help="Of the learner: NAME or NAME:field=value,...")
@click.option("--steps", type=click.IntRange(1), default=300, show_default=True, help="Of SGD in each experience.")
@click.option("--rate", type=float, default=0.03, show_default=True, help="Of SGD; momentum is 0.9.")
@click.option("--seeds", default=3, show_default=True, help="Lives of each memory: order of classes, draws, network.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write lives down as they end; the same command goes on from there."
)
@seed_option
@device_option
@force_option
@verbosity_options
@json_option
def command(
    source: str,
    count: int,
    by: Any,
    along: str | None,
    size: str | None,
    memories: tuple[str, ...],
    method: str | None,
    network: str | None,
    steps: int,
    rate: float,
    seeds: int,
    out: Path | None,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Learn SOURCE one part after another, and see what is still known at the end, with memories of equal bytes.

    "In theory", on tasks of the two-layer system, the study of the same name asks this; here it is your data. A learner either replays its
    memory beside new rows, or learns from the memory alone; validation rows say which is shown.

    \b
    engram continual digits
    engram continual mnist.npz --experiences 5 --bytes 150kB --out lives.jsonl
    """  # noqa: D301 (click reads the escape)
    from ..data.source import load_problem
    from ..distillation.defaults import learning_network
    from ..numerics.optimizers import SGD
    from ..reuse.continual import MEMORIES, continual
    from ..reuse.diary import Diary
    from ..reuse.learner import Learner
    from ..samples.budget import parse_size
    from ..spec import parse, render
    from ..workflow.devices import device_of
    from ..workflow.progress import Progress
    from ..workflow.threads import spare_threads

    place = device_of(device)
    problem = load_problem(source, seed=seed, **settings)
    spare_threads(problem.task.shape)
    learner = Learner(parse("networks", network) if network else learning_network(problem), SGD(rate, 0.9), steps)
    limit = None if size is None else parse_size(size)
    told = {
        "fingerprint": problem.fingerprint,
        "metric": problem.metric.value,
        "experiences": count,
        "by": by,
        "along": along,
        "bytes": limit,
        "method": method,
        "network": render(learner.network),
        "steps": steps,
        "rate": rate,
    }
    diary = None if out is None else Diary(out, told, force)
    with Bars() as bars:
        found = continual(
            problem.to(place),
            count,
            by=by,
            along=along,
            size=limit,
            seeds=seeds,
            learner=learner,
            method=method,
            memories=memories or MEMORIES,
            known=() if diary is None else diary.lives,
            kept=None if diary is None else diary.add,
            watch=lambda done, state: bars.show(Progress("living", done, state)),
        )
    if as_json:
        emit({"source": source} | told | found.as_json())
        return
    _show(found, problem, count, by)
    if out is not None:
        say(f"lives written to {out}")


def _show(found: Any, problem: Any, count: int, by: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    plain = found.as_json()
    n = plain["scores"][found.memories[0]]["n"]
    most = max((size for name, size in plain["bytes"].items() if name != "joint"), default=0)
    table = Table(
        title=escape(f"{problem.name} in {count} experiences by {by}, memories of {most:,} bytes"),
        title_justify="left",
        caption_justify="left",
        caption=f"test {found.metric} over all experiences at the end, mean ± standard error over {n} lives; forgetting: score after learning "
        "less score at the end; learnt beside new rows, or by a fresh network from the memory alone. Logits: dark experience replay. Packed: "
        "stored as engrams are, not distilled",
    )
    for heading in ("memory", found.metric, "engrams minus it", "forgetting", "learnt"):
        table.add_column(heading, justify="left" if heading in ("memory", "learnt") else "right", no_wrap=True)
    for name in found.memories:
        row = plain["scores"][name]
        table.add_row(
            _SAID[name],
            plus_minus(row, digits=3),
            plus_minus(row["difference"], signed=True, digits=3) if "difference" in row else "",
            plus_minus(plain["forgetting"][name], digits=2),
            "" if name in ("nothing", "joint") else row["way"],
            style="bold green" if name == "engram" else None,
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(f"[bold]verdict[/bold]: {escape(found.verdict)}", soft_wrap=True)
