"""engram audit FILE --on SOURCE: what a file leaks."""

from pathlib import Path
from typing import Any

import click

from ._options import device_option, json_option, source_options, split_seed, split_seed_option
from ._terminal import Bars, emit, say, verbosity_options


@click.command("audit")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--on", "source", required=True, help="The data that FILE was distilled from, as for distill.")
@source_options
@click.option(
    "--shadows", default=16, show_default=True, help="Distillations from halves of the data; 0 for distances alone."
)
@split_seed_option
@device_option
@verbosity_options
@json_option
def command(
    file: Path, source: str, shadows: int, seed: int | None, device: str, as_json: bool, **settings: Any
) -> None:
    """Ask what FILE gives away: raw content, samples that stand near real rows, and whether an attacker tells who was learnt from.

    The attack distils FILE anew from halves of SOURCE, so it takes as many times the distillation's time. Shadows are kept in the run
    folder beside FILE: the same command goes on where it was cut short.

    \b
    engram audit digits.engram --on digits
    engram audit scans.engram --on scans.npz --shadows 32 --json
    """  # noqa: D301 (click reads the escape)
    from ..data.source import load_problem
    from ..memory.engram import load
    from ..memory.run_folder import RunFolder
    from ..workflow.auditing import audit
    from ..workflow.devices import device_of
    from ..workflow.threads import spare_threads

    memory, place = load(file), device_of(device)
    problem = load_problem(source, seed=split_seed(memory, seed), **settings)
    spare_threads(problem.task.shape)
    with Bars() as bars:
        found = audit(memory.to(place), problem.to(place), shadows, RunFolder.of(file), bars.show)
    if as_json:
        emit({"file": str(file)} | found.as_json())
        return
    _show(file, found)
    if shadows:
        say(f"{found.rows:,} training rows, half of them in each of {found.shadows} shadows")


def _show(file: Path, found: Any) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    near, console = found.nearest, Console(highlight=False)
    console.print(f"[bold]{escape(str(file))}[/bold] holds, as it was: {escape(found.content)}", soft_wrap=True)
    console.print(
        f"nearest training row, in standard deviations a column (least, median, greatest): samples {_numbers(near['samples'])}; "
        f"held-out rows {_numbers(near['held_out'])}; {near['copies']} of {near['count']} samples less than half as far as any held-out "
        f"row; {near['nearer_to_training']:.0%} nearer to a training row than to any of as many held-out ones",
        soft_wrap=True,
    )
    if found.attacks:
        table = Table(
            title="members found by likelihood ratio, at so many false positives; area: 0.5 is chance",
            title_justify="left",
        )
        rates = list(next(iter(found.attacks["engram"].values())).found)
        for heading in ("learnt by", "looked at", "area", *(f"at {rate:.1%} false" for rate in rates)):
            table.add_column(heading, justify="left" if heading in ("learnt by", "looked at") else "right")
        for teacher, own in found.attacks.items():
            for by, one in own.items():
                plain = one.as_json()
                cells = [plain["auc"], *(plain["true_positives"][str(rate)] for rate in rates)]
                table.add_row(_TEACHERS[teacher], by, *(f"{c['mean']:.3f} ± {c['sem']:.3f}" for c in cells))
        console.print(table)
    console.print(f"[bold]verdict[/bold]: {escape(found.verdict)}", soft_wrap=True)


_TEACHERS = {"engram": "the engram", "random": "random rows", "network": "a network, of all its rows"}


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
