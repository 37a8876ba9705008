"""engram benchmark: every method under one protocol, as a grid that continues where it stopped."""

import math
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from ._options import device_option, engine_options, force_option, json_option, span_of
from ._terminal import TimeOverError, at_most, emit, progress, say, verbosity_options

_TABLE = ("dataset", "budget", "network", "recipe", "metric")
"""By what a table says of what it is."""

_FACTS = ("method", "kind", "items", "bytes", "seconds", "memory", "settings", "portability", "indirect")
"""Of a line, as they are."""


@click.group("benchmark")
def command() -> None:
    """Compare methods over data, budgets, networks and seeds.

    \b
    engram benchmark run digits --quick
    engram benchmark run mnist.npz fashion_mnist.npz --quick --out results.jsonl
    engram benchmark show results.jsonl
    """  # noqa: D301 (click reads the escape)


@command.command("run")
@click.argument("data", nargs=-1, required=True)
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="A method, a published setting, default (for the kind of data), full, or all (if absent); repeat.",
)
@click.option(
    "--canvas",
    "canvases",
    multiple=True,
    help="plain, or settings such as formation=2 or mixtures=2, with which every objective is run; repeat.",
)
@click.option("--per-class", multiple=True, type=int, help="Budgets in samples per class (default 1); repeat.")
@click.option("--items", multiple=True, type=int, help="Budgets in samples; repeat.")
@click.option(
    "--network", "networks", multiple=True, help="Networks to distil on; by the kind of data if absent; repeat."
)
@click.option("--judge", "judges", multiple=True, help="Further networks on which every engram is judged; repeat.")
@click.option(
    "--panel",
    type=click.Choice(["none", "quick", "full"]),
    default="quick",
    show_default=True,
    help="Other learners by which every engram is judged; none goes on with rows of version 0.1.",
)
@click.option("--seeds", type=click.IntRange(1), help="Seeds 0, 1, ... (default 5; 3 with --quick).")
@click.option("--evaluations", type=click.IntRange(1), default=3, show_default=True, help="Networks per score.")
@click.option("--steps", type=click.IntRange(0), help="Outer steps in place of each method's own.")
@click.option("--quick", is_flag=True, help="Published settings at the scale of a CPU: about a minute each.")
@engine_options
@click.option(
    "--threads", type=click.IntRange(1), help="Of each run; the cores over --jobs if absent, one on a cluster."
)
@click.option("--limit", type=click.FloatRange(0, min_open=True), default=math.inf, help="Seconds that a run may take.")
@click.option("--time", "span", metavar="SPAN", help="Stop after 90s, 10m or 2h; --resume goes on from there.")
@click.option("--memory", metavar="SIZE", help="Data that a run's process may hold (500MiB, 8GB); no limit if absent.")
@click.option(
    "--retries",
    type=click.IntRange(0),
    help="How often a run that was killed is begun again at once; 0 if absent, 3 on a cluster, where machines come and go.",
)
@device_option
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("benchmark.jsonl"), show_default=True, help="File of rows."
)
@click.option("--resume", is_flag=True, help="Keep the rows that are there and run what is missing.")
@click.option("--retry", is_flag=True, help="With --resume: run again what diverged or failed, too.")
@force_option
@verbosity_options
@json_option
def run(
    data: tuple[str, ...],
    methods: tuple[str, ...],
    canvases: tuple[str, ...],
    per_class: tuple[int, ...],
    items: tuple[int, ...],
    networks: tuple[str, ...],
    judges: tuple[str, ...],
    panel: str,
    seeds: int | None,
    evaluations: int,
    steps: int | None,
    quick: bool,
    jobs: int | None,
    engine: str,
    threads: int | None,
    limit: float,
    span: str | None,
    memory: str | None,
    retries: int | None,
    device: str,
    out: Path,
    resume: bool,
    retry: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Run the grid of DATA and the options; every run is a process of its own and leaves a row, whatever becomes of it."""
    say("loading")
    from ..benchmark.grid import FULL, Cell, Recipe, all_methods, crossed
    from ..benchmark.results import Results
    from ..benchmark.runner import run_grid
    from ..data.source import find
    from ..distillation.published import DEFAULT
    from ..engines import Demand, engine_of
    from ..memory.files import check_writable
    from ..samples.budget import Budget, Items, PerClass, parse_size
    from ..spec import parse
    from ..workflow.devices import device_of

    if retry and not resume:
        raise click.UsageError("--retry goes with --resume")
    check_writable(out, force or resume)
    seconds = None if span is None else span_of(span)
    if span is not None and seconds is None:
        raise click.UsageError(f"--time takes a span such as 90s, 10m or 2h, not {span!r}")
    words = crossed(all_methods() if not methods or "all" in methods else methods, canvases)
    # What a cluster's machines have is not known here.
    place = device if engine != "local" and device != "auto" else device_of(device)
    gpus = int(place.startswith("cuda"))
    machines = engine_of(engine, jobs or (1 if gpus and engine == "local" else None))
    demand = Demand(
        threads or machines.threads,
        gpus,
        limit,
        None if memory is None else parse_size(memory),
        (0 if engine == "local" else 3) if retries is None else retries,
    )
    recipe = Recipe(quick, steps, evaluations, judges, place.partition(":")[0], panel)
    # Wrong words are refused before anything runs.
    for text in data:
        find(text)
    for word in words:
        if word not in (FULL, DEFAULT):
            recipe.method(word)
    for word in (*networks, *judges):
        parse("networks", word)
    budgets: list[Budget] = [*(PerClass(n) for n in per_class), *(Items(n) for n in items)] or [PerClass(1)]
    count = seeds or (3 if quick else 5)
    cells = [
        Cell(text, word, budget, network, seed)
        for seed in range(count)
        for text in data
        for network in networks or ("",)
        for word in words
        # The ceiling knows no budget: once is enough.
        for budget in (budgets[:1] if word == FULL else budgets)
    ]
    named = [cell.dataset for cell in cells if cell.seed == 0 and cell.method == words[0]]
    if len(set(data)) > len(set(named)):
        raise click.UsageError(f"two of {', '.join(data)} have one name in the table: rename a file")
    if not resume:
        out.unlink(missing_ok=True)
        shutil.rmtree(f"{out}.cells", ignore_errors=True)
    results = Results(out)
    say(f"{len(cells)} runs, {machines.jobs or 'as many as there is room for'} at once; rows go to {out}")
    try:
        # Standard output is for results, whatever an engine prints.
        with at_most(seconds), progress() as bar, redirect_stdout(sys.stderr):
            task = bar.add_task("running", total=len(cells), state="")
            run_grid(
                cells,
                recipe,
                results,
                engine=machines,
                demand=demand,
                device=place,
                retry=retry,
                watch=lambda done, total, now: bar.update(task, completed=done, state=now),
            )
    except TimeOverError:
        say(f"{span} are over; finished runs are kept in {out}: repeat the command with --resume")
    except KeyboardInterrupt:
        say(f"interrupted; finished runs are kept in {out}: repeat the command with --resume")
        raise
    rows = results.rows() if out.is_file() else []
    unfinished = [row for row in rows if row["status"] != "done"]
    for row in unfinished:
        say(f"{row['dataset']} {row['method']} seed {row['seed']}: {row['status']}: {row['message']}")
    if as_json:
        emit({"file": str(out), "rows": len(rows), "unfinished": len(unfinished)})
        return
    click.echo(f"Next: engram benchmark show {out}")


@command.command("show")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the page and its figures; FILE without its ending if absent.",
)
@json_option
def show(file: Path, out: Path | None, as_json: bool) -> None:
    """Print FILE's tables; write them as tables.csv, figures and one page beside it."""
    from ..benchmark.results import Results
    from ..errors import ArtefactError, OutputError
    from ..memory.files import replace_file
    from ..report.benchmark_figures import save
    from ..report.benchmark_page import benchmark_page
    from ..report.tables import tables

    rows = Results(file).rows()
    out = out or file.with_suffix("")
    try:
        found = tables(rows)
        plain = [_plain(table) for table in found]
        contents = {f"figures/{name}": content for name, content in save(found).items()}
        contents["benchmark.html"] = benchmark_page(rows, file).encode()
        contents["tables.csv"] = _csv(plain)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise ArtefactError(f"{file} holds rows that are not a benchmark's ({error!r}): run it again") from error
    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror or error}): choose another --out") from error
    for name, content in contents.items():
        replace_file(out / name, content)
    if as_json:
        emit({"tables": plain, "page": str(out / "benchmark.html")})
        return
    _print(found)
    click.echo(f"Next: open {out / 'benchmark.html'}")


def _plain(table: Any) -> dict[str, Any]:
    lines = []
    for line in table.lines:
        measured = {key: getattr(line, key) for key in ("score", "select", "plain", "label", "augmented")}
        lines.append(
            {key: value.as_json() if value else None for key, value in measured.items()}
            | {key: getattr(line, key) for key in _FACTS}
            | {key: {k: v.as_json() for k, v in getattr(line, key).items()} for key in ("gains", "transfer", "panel")}
        )
    return {name: getattr(table, name) for name in _TABLE} | {"lines": lines, "unfinished": len(table.failures)}


def _csv(found: list[dict[str, Any]]) -> bytes:
    """One line for each method of each table."""
    import pandas

    lines = [{key: table[key] for key in _TABLE} | line for table in found for line in table["lines"]]
    known = [{key: value for key, value in line.items() if value is not None} for line in lines]
    return str(pandas.json_normalize(known).convert_dtypes().to_csv(index=False)).encode()


def _print(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    from ..report.tables import plus_minus, spent

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    for part in found:
        table = Table(
            title=part.title,
            title_justify="left",
            padding=(0, 1, 0, 0),
            box=None,
        )
        for heading in (
            "method",
            part.metric,
            "- random",
            "- random + soft",
            "LRS",
            "ARS",
            "port.",
            "indirect",
            "bytes",
            "seconds",
        ):
            table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
        for line in part.lines:
            gains = [plus_minus(line.gains.get(name), True) for name in ("random", "random:labels=teacher")]
            robust = [plus_minus(value, False, 1) for value in (line.label, line.augmented)]
            ported = "" if line.portability is None else f"{line.portability:.2f}"
            cost = [ported, plus_minus(line.indirect, False, 2), f"{line.bytes:,}", spent(line)]
            style = {"full": "bold", "baseline": "dim"}.get(line.kind)
            table.add_row(line.method, plus_minus(line.score), *gains, *robust, *cost, style=style)
        console.print(table)
        if part.failures:
            console.print(f"{len(part.failures)} runs did not finish", style="red")
