"""engram distill SOURCE: real data in, an engram out, replayed and judged."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ._terminal import (
    budget_of,
    device_of,
    device_option,
    emit,
    force_option,
    json_option,
    progress,
    say,
    scores_table,
    seed_option,
    source_options,
    spare_threads,
    watch_rows,
)

_CHECKPOINT_SECONDS = 30


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
@click.option("--bytes", "size", metavar="SIZE", help="Synthetic samples that fit in SIZE (4096, 16kB, 1MiB).")
@click.option("--auto", is_flag=True, help="As many samples as the estimated dimension of the task asks for.")
@click.option(
    "--dtype", type=click.Choice(["float32", "float16", "uint8"]), help="Stored precision; by the data if absent."
)
@click.option("--steps", type=int, help="Outer steps; the method's own if absent.")
@seed_option
@click.option("--seeds", default=5, show_default=True, help="Networks per row of the evaluation; 0 skips it.")
@click.option("--full-steps", type=click.IntRange(1), help="Steps of training on all data; by its size if absent.")
@device_option
@click.option("--out", type=click.Path(path_type=Path), help="File to write; SOURCE.engram if absent.")
@click.option("--resume", is_flag=True, help="Continue the run that was interrupted.")
@force_option
@json_option
def command(
    source: str,
    method: str | None,
    network: str | None,
    per_class: int | None,
    items: int | None,
    size: str | None,
    auto: bool,
    dtype: str | None,
    steps: int | None,
    seed: int,
    seeds: int,
    full_steps: int | None,
    device: str,
    out: Path | None,
    resume: bool,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Compress learning on SOURCE into a few synthetic samples.

    SOURCE is a built-in dataset (digits, breast-cancer, wine, diabetes, multi-index), an .npz archive, a .csv or .parquet
    table with --target COLUMN, a folder of images with one sub-folder per class, idx files, CIFAR's python batches, or
    a folder of Hugging Face datasets.

    \b
    engram distill digits --per-class 1
    engram distill mnist.npz --method dm
    engram distill customers.csv --target churned --items 20 --out customers.engram
    engram distill multi-index:d=50,r=2 --method two-phase --items 8
    """  # noqa: D301 (click reads the escape)
    budget = budget_of(per_class, items, size)
    if auto and budget is not None:
        raise click.UsageError("--auto chooses the budget: give no other")
    if seeds < 0 or (steps is not None and steps < 0):
        raise click.UsageError("--seeds and --steps are at least 0")
    say("engram: loading")
    from ..data.source import load_problem
    from ..distillation import defaults
    from ..distillation.checkpoint import identify, save_checkpoint
    from ..distillation.checkpoint import resume as continue_run
    from ..distillation.distiller import configured, distill
    from ..distillation.published import method_of, network_of
    from ..evaluation import Protocol, evaluate
    from ..evaluation.directions import directions
    from ..evaluation.fidelity import fidelity
    from ..memory.files import check_writable
    from ..memory.run_folder import RunFolder
    from ..samples.budget import Items, PerClass, Precision
    from ..spec import parse

    out = check_writable(out or Path(f"{Path(source).stem or 'data'}.engram"), force or resume)
    beside = RunFolder.of(out)
    beside.check(force or resume)
    if method:
        method_of(method)  # a wrong word is refused before data are read
    architecture = parse("networks", network) if network else network_of(method or "")
    place = device_of(device)
    problem = load_problem(source, seed=seed, **settings).to(place)
    for note in problem.notes:
        say(f"engram: note: {note}")
    spare_threads(problem.task.shape)
    usual = defaults.method(problem)
    chosen = configured(method_of(method, usual) if method else usual, steps)
    training = defaults.training(problem, architecture, chosen)
    precision = Precision(dtype) if dtype else defaults.precision(problem)
    if auto:
        budget = defaults.budget(problem, seed)
        say(f"engram: budget {budget}")
    budget = budget or (PerClass(1) if problem.classes else Items(10))
    identity = identify(chosen, problem, training, budget, precision, seed)
    last: Any = continue_run(beside.checkpoint, identity, place) if resume else None

    def keep_checkpoint() -> None:
        beside.folder.mkdir(exist_ok=True)
        save_checkpoint(beside.checkpoint, last, identity)

    say(f"engram: distilling {problem.name}: {len(problem.train):,} rows, {chosen.steps:,} steps")
    saved = time.perf_counter()
    begun = saved - (last.seconds if last else 0.0)
    try:
        with progress() as bar:
            prepare = getattr(chosen, "prepare", None)
            if prepare is not None and last is None:
                ahead = bar.add_task("preparing", total=1.0, state="networks trained on all data", visible=False)
                prepare(problem, training, seed, lambda done: bar.update(ahead, completed=done, visible=True))
                bar.remove_task(ahead)
            task = bar.add_task("distilling", total=max(chosen.steps, 1), state="")

            def watch(run: Any, metrics: Any) -> None:
                nonlocal last, saved
                last = run
                state = f"loss {metrics['loss']:.4g}, " if "loss" in metrics else ""
                bar.update(task, completed=run.step, state=f"{state}validation {run.best_score:.4f}")
                if time.perf_counter() - saved > _CHECKPOINT_SECONDS:
                    keep_checkpoint()
                    saved = time.perf_counter()

            memory = distill(
                problem,
                chosen,
                budget=budget,
                training=training,
                precision=precision,
                seed=seed,
                throw=False,
                watch=watch,
                start=last,
            )
            bar.update(task, completed=max(chosen.steps, 1))
        distilled = time.perf_counter() - begun
        keep_checkpoint()
        status = memory.provenance["status"]
        if status != "done":
            say(f"engram: warning: the loss was not finite ({status}); the last good state was kept: lower the rate")
        seconds: dict[str, Any] = {"distill": distilled, "train_engram": None, "train_full": None}
        for note in memory.provenance["notes"][len(problem.notes) :]:
            say(f"engram: warning: {note}")
        beside.start(memory, problem)
        scores = None
        if seeds:
            with progress() as bar:
                protocol = Protocol(seeds=seeds, full_steps=full_steps)
                scores = evaluate(memory, problem, protocol, watch_rows(bar, 12))
            seconds |= {
                name: scores.rows[row].seconds for name, row in (("train_engram", "engram"), ("train_full", "full"))
            }
            memory = replace(memory, provenance=dict(memory.provenance) | {"scores": scores.summary()})
            if not as_json:
                scores_table(
                    scores, f"{problem.name}: {memory.items} synthetic samples for {len(problem.train):,} real ones"
                )
            say("engram: comparing learning processes and directions for the report")
            curves = fidelity(memory, problem, [0, 1, 2])
            held = directions(memory, problem, [0, 1])
            plain = (part.as_json() if part else None for part in (curves, held))
            beside.keep(memory, scores.as_json(), seconds, *plain)
        memory.save(out, force=force or resume)
        beside.checkpoint.unlink(missing_ok=True)
    except KeyboardInterrupt:
        if last is not None:
            keep_checkpoint()
            say(f"engram: interrupted at step {last.step} of {chosen.steps}; the run is saved.")
            say("engram: to continue, repeat the command with --resume")
        raise
    if as_json:
        emit(
            {
                "file": str(out),
                "metric": problem.metric.value,
                "status": status,
                "scores": scores.as_json() if scores else {},
                "items": memory.items,
                "bytes": {"engram": memory.bytes, "data": problem.bytes},
                "ratio": problem.bytes / memory.bytes,
                "seconds": seconds,
                "notes": list(memory.provenance["notes"]),
            }
        )
        return
    click.echo(
        f"{out}: {memory.bytes:,} bytes of samples and preprocessing stand for {problem.bytes:,} bytes of data "
        f"(1/{problem.bytes / memory.bytes:.0f}); distilled in {distilled:.0f} s"
    )
    if scores:
        ours, full = seconds["train_engram"], seconds["train_full"]
        click.echo(f"training a network: {ours:.2f} s on the engram, {full:.2f} s on everything")
    click.echo(f"Next: engram report {out}    engram replay {out} --out model.safetensors")
