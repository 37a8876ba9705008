"""engram distill SOURCE: real data in, an engram out, replayed and judged."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from ._options import (
    budget_of,
    device_option,
    force_option,
    json_option,
    panel_options,
    seed_option,
    source_options,
    strict_option,
)
from ._terminal import Bars, conclude, emit, say, scores_table, verbosity_options


@click.command("distill")
@click.argument("source")
@source_options
@click.option(
    "--method",
    help="NAME or NAME:field=value,...: a method, or a paper's setting (dsa, mtt, ...); engram list shows all. "
    "Performance matching, set for the kind of data, if absent.",
)
@click.option("--network", help="NAME or NAME:field=value,...; the paper's or by the kind of data if absent.")
@click.option("--per-class", type=int, help="Synthetic samples for each class (default 1).")
@click.option("--items", type=int, help="Synthetic samples in all (default 10 for regression).")
@click.option("--bytes", "memory", metavar="SIZE", help="Synthetic samples that fit in SIZE (4096, 16kB, 1MiB).")
@click.option("--auto", is_flag=True, help="The budget that engram plan recommends.")
@click.option(
    "--dtype", type=click.Choice(["float32", "float16", "uint8"]), help="Stored precision; by the data if absent."
)
@click.option("--steps", type=int, help="Outer steps; the method's own if absent.")
@click.option(
    "--quick", is_flag=True, help="A paper's setting at the scale of a CPU; a third of the steps of any other method."
)
@click.option(
    "--teaches",
    type=click.Choice(["any", "replay"]),
    default="any",
    show_default=True,
    help="Whom, where no --method is named: any training, or the engram's own replay alone.",
)
@seed_option
@click.option("--seeds", default=5, show_default=True, help="Networks per row of the evaluation; 0 skips it.")
@click.option(
    "--folds",
    type=click.IntRange(2),
    help="Random splits to distil and judge: errors are then those of splits (small tables).",
)
@click.option("--full-steps", type=click.IntRange(1), help="Steps of training on all data; by its size if absent.")
@panel_options
@strict_option
@device_option
@click.option("--out", type=click.Path(path_type=Path), help="File to write; SOURCE.engram if absent.")
@click.option("--resume", is_flag=True, help="Continue the run that was interrupted; show one that is finished.")
@click.option("--report", is_flag=True, help="Write the page as well: FILE with .html.")
@click.option(
    "--readable",
    type=click.Choice(["words", "real", "none"]),
    default="words",
    show_default=True,
    help="Texts: say each sample in words of the vocabulary, or in texts of the data, which FILE then holds.",
)
@click.option("--show-real", is_flag=True, help="Keep a few real rows beside FILE, and show them in reports.")
@force_option
@verbosity_options
@json_option
def command(
    source: str,
    method: str | None,
    network: str | None,
    per_class: int | None,
    items: int | None,
    memory: str | None,
    auto: bool,
    dtype: str | None,
    steps: int | None,
    quick: bool,
    teaches: Any,
    seed: int,
    seeds: int,
    folds: int | None,
    full_steps: int | None,
    panel: Any,
    judges: tuple[str, ...],
    strict: bool,
    device: str,
    out: Path | None,
    resume: bool,
    report: bool,
    readable: Any,
    show_real: bool,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Compress learning on SOURCE into a few synthetic samples.

    SOURCE is a built-in dataset (digits, breast-cancer, wine, diabetes, cylinder-bell-funnel, multi-index), an .npz archive, a .csv,
    .parquet or .jsonl table with --target COLUMN, time series (.ts, .arff, --kind series), a folder of images or texts with one
    sub-folder per class, idx files, CIFAR's python batches, or a folder of Hugging Face datasets.

    \b
    engram distill digits --per-class 1
    engram distill mnist.npz --method dm --quick
    engram distill customers.csv --target churned --items 20 --out customers.engram
    engram distill reviews.jsonl --target stars --encoder all-MiniLM-L6-v2
    engram distill multi-index:d=50,r=2 --method two-phase --items 8
    torchrun --nproc-per-node 2 -m engram distill digits --method dm
    """  # noqa: D301 (click reads the escape)
    budget = budget_of(per_class, items, memory)
    if auto and budget is not None:
        raise click.UsageError("--auto chooses the budget: give no other")
    if seeds < 0 or (steps is not None and steps < 0):
        raise click.UsageError("--seeds and --steps are at least 0")
    say("loading")
    from ..distillation.ranks import joined
    from ..samples.budget import Precision
    from ..workflow.folds import run_folds
    from ..workflow.journey import run

    with joined() as first, Bars() as bars:
        carry_out = run if folds is None else partial(run_folds, folds=folds)
        outcome: Any = carry_out(
            source,
            method=method,
            out=out,
            budget=budget,
            auto=auto,
            network=network,
            precision=Precision(dtype) if dtype else None,
            steps=steps,
            seconds=click.get_current_context().meta.get("seconds"),
            quick=quick,
            teaches=teaches,
            seed=seed,
            seeds=seeds,
            full_steps=full_steps,
            panel=panel,
            judges=judges,
            report=report,
            readable=readable,
            show_real=show_real,
            device=device,
            resume=resume,
            force=force,
            watch=bars.show,
            **settings,
        )
    if not first:
        return
    if as_json:
        emit(outcome.as_json())
    elif folds is not None:
        title = (
            f"{outcome.outcomes[0].problem.name}: {outcome.outcomes[0].engram.items} synthetic samples, {folds} splits"
        )
        scores_table(outcome.scores, title, outcome.verdict, "splits")
    else:
        _show(outcome)
    conclude(outcome.verdict, strict)


def _share(own: int, data: int) -> str:
    """How large an engram is beside its data."""
    return (
        f"1/{data / own:.0f}"
        if data >= 1.5 * own
        else f"{own / data:.1f} times as large: a smaller budget, or more data"
    )


def _show(outcome: Any) -> None:
    memory, problem, seconds = outcome.engram, outcome.problem, outcome.seconds
    if outcome.scores:
        rows = f"{memory.items} synthetic samples for {len(problem.train):,} real ones"
        scores_table(outcome.scores, f"{problem.name}: {rows}", outcome.verdict)
    spent = [
        f"{word} in {seconds[key]:.0f} s"
        for key, word in (("distill", "distilled"), ("judge", "judged"))
        if seconds[key]
    ]
    click.echo(
        f"{outcome.file}: {memory.bytes:,} bytes of samples and preprocessing stand for {problem.bytes:,} bytes of data "
        f"({_share(memory.bytes, problem.bytes)}){'; ' if spent else ''}{', '.join(spent)}"
    )
    if outcome.scores:
        ours, full = seconds["train_engram"], seconds["train_full"]
        click.echo(f"training a network: {ours:.2f} s on the engram, {full:.2f} s on everything")
    click.echo(f"Next: engram report {outcome.file}    engram replay {outcome.file} --out model.safetensors")
