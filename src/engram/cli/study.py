"""engram study NAME: what does distillation remember, and why does it work? Claims with verdicts."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from ._options import engine_options, json_option
from ._terminal import emit, progress, say, verbosity_options

_COLOURS = {"holds": "green", "fails": "red", "undecided": "yellow"}


@click.command("study")
@click.argument("names", nargs=-1, required=True, metavar="NAME... | all")
@click.option("--quick", is_flag=True, help="Small tasks and few seeds: minutes for all.")
@click.option("--large", is_flag=True, help="Also d = 400 and 640,000 rows, streamed.")
@click.option("--seeds", type=click.IntRange(2), help="Seeds per setting, in place of the scale's own.")
@engine_options
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("theory"), show_default=True, help="Folder of results."
)
@click.option("--anew", is_flag=True, help="Measure everything again; finished cells are otherwise kept.")
@verbosity_options
@json_option
def command(
    names: tuple[str, ...],
    quick: bool,
    large: bool,
    seeds: int | None,
    jobs: int | None,
    engine: str,
    out: Path,
    anew: bool,
    as_json: bool,
) -> None:
    """Verify the theory of dataset distillation on multi-index tasks, claim by claim.

    NAME is encoding, generalisation, eigenvectors, compression, transfer, continual, limits, staircase, real,
    beyond, or all. Results are kept in the folder: repeat a command that was interrupted, and finished cells are not measured
    again (unless the installed code has changed).

    \b
    engram study all --quick
    engram study encoding generalisation --seeds 8
    """  # noqa: D301 (click reads the escape)
    from ..engines import engine_of
    from ..spec import load
    from ..verification.cells import Cells, Scale
    from ..verification.study import ORDER, run_study

    if quick and large:
        raise click.UsageError("--quick and --large exclude one another")
    machines = engine_of(engine, jobs)
    asked = {name: load("studies", name) for name in names if name != "all"}
    classes = {name: load("studies", name) for name in ORDER} if "all" in names else asked
    say("loading")
    from ..errors import OutputError
    from ..memory.files import replace_file
    from ..memory.provenance import code_version
    from ..report.theory import draw, theory_page

    try:
        (out / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made ({error.strerror or error}): choose another --out") from error
    size = Scale.QUICK if quick else Scale.LARGE if large else Scale.DEFAULT
    for name in classes:
        if quick and _scale(out / f"{name}.json") not in (None, "quick"):
            raise OutputError(f"{out / name}.json holds results of full scale: choose another --out for a quick study")
    found = []
    for name, cls in classes.items():
        study = cls()
        store = Cells(out / f"{name}.jsonl", code_version(), anew)
        if store.stale and not anew:
            say(f"{store.path}: {store.stale} cells that other code measured are not used")
        try:
            # Standard output is for results, whatever an engine prints.
            with progress() as bar, redirect_stdout(sys.stderr):
                task = bar.add_task(name, total=None, state="")

                def watch(done: int, total: int, bar: Any = bar, task: Any = task) -> None:
                    bar.update(task, completed=done, total=total, state=f"{done} of {total} cells")

                result = run_study(study, size, store, seeds, machines, watch)
        except KeyboardInterrupt:
            say(f"interrupted; finished cells are kept in {store.path}: repeat the command to continue")
            raise
        record = {"name": name, "title": study.title, "question": study.question, "scale": size.value}
        record |= result.as_json()
        replace_file(out / f"{name}.json", json.dumps(record, indent=1).encode())
        for figure in record["figures"]:
            for ending, content in draw(figure).items():
                replace_file(out / "figures" / f"{name}-{figure['name']}.{ending}", content)
        found.append(record)
        if not as_json:
            _show(record)
    replace_file(out / "theory.html", theory_page(out).encode())
    if as_json:
        emit(
            {
                "studies": [{key: r[key] for key in ("name", "scale", "verdict", "claims")} for r in found],
                "out": str(out),
            }
        )
        return
    click.echo(f"Next: open {out / 'theory.html'}")


def _show(record: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    colour = _COLOURS[record["verdict"]]
    console.print(f"\n[bold]{record['title']}[/bold]: [{colour}]{record['verdict']}[/{colour}]. {record['question']}")
    for content in record["tables"]:
        table = Table(title=content["title"], title_justify="left")
        for k, heading in enumerate(content["columns"]):
            table.add_column(heading, justify="right" if k else "left")
        for row in content["rows"]:
            table.add_row(*row)
        console.print(table)
    for claim in record["claims"]:
        mark, measured, control = _COLOURS[claim["verdict"]], claim["measured"], claim["control"]
        console.print(f"[{mark}]{claim['verdict']:>9}[/{mark}]  {claim['statement']}")
        console.print(
            f"           {_number(measured['value'])} ± {_number(measured['sem'])} (n = {measured['n']}; rule: "
            f"{claim['rule']}); control, {control['of']}: {_number(control['value'])}, {control['verdict']}",
            style="dim",
        )


def _scale(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["scale"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
