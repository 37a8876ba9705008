"""engram evaluate FILE --on SOURCE: judge an engram again, on its own data or on other data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ._options import (
    device_option,
    json_option,
    panel_options,
    source_options,
    split_seed,
    split_seed_option,
    strict_option,
)
from ._terminal import Bars, conclude, emit, say, scores_table, verbosity_options


@click.command("evaluate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--on", "source", required=True, help="Built-in dataset, file or folder, as for distill.")
@source_options
@click.option("--network", help="Another architecture: NAME or NAME:field=value,...")
@split_seed_option
@click.option("--seeds", default=5, show_default=True, help="Networks per row.")
@click.option("--baselines/--no-baselines", default=True, help="Train real and averaged rows too.")
@click.option("--full-steps", type=click.IntRange(1), help="Steps of training on all data; by its size if absent.")
@panel_options
@strict_option
@device_option
@verbosity_options
@json_option
def command(
    file: Path,
    source: str,
    network: str | None,
    seed: int | None,
    seeds: int,
    baselines: bool,
    full_steps: int | None,
    panel: Any,
    judges: tuple[str, ...],
    strict: bool,
    device: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Score networks trained on FILE, on its baselines and on everything, on the test split of SOURCE."""
    from ..data.source import load_problem
    from ..evaluation import Protocol, evaluate
    from ..evaluation.protocol import row_names
    from ..evaluation.verdict import verdict
    from ..memory.engram import load
    from ..spec import parse
    from ..workflow.devices import device_of
    from ..workflow.progress import of_rows
    from ..workflow.threads import spare_threads

    memory = load(file)
    place = device_of(device)
    problem = load_problem(source, seed=split_seed(memory, seed), **settings)
    notes = list(problem.notes)
    if problem.fingerprint != memory.provenance.get("fingerprint"):
        notes.append(
            "the data or their split are not those that the engram was distilled from: test rows may have been learnt from"
        )
    if settings.get("metric"):
        memory = replace(memory, metric=problem.metric)
    for note in notes:
        say(f"note: {note}")
    spare_threads(problem.task.shape)
    protocol = Protocol(
        seeds=seeds,
        network=parse("networks", network) if network else None,
        baselines=baselines,
        full_steps=full_steps,
        panel=panel,
        judges=judges,
    )
    with Bars() as bars:
        scores = evaluate(
            memory.to(place), problem.to(place), protocol, of_rows(len(row_names(protocol, memory, problem)), bars.show)
        )
    found = verdict(scores, memory.provenance)
    if as_json:
        emit(
            {
                "file": str(file),
                "metric": scores.metric,
                "scores": scores.as_json(),
                "verdict": found.as_json(),
                "panel": scores.panel.as_json() if scores.panel else None,
                "items": memory.items,
                "bytes": {"engram": memory.bytes, "data": problem.bytes},
                "ratio": problem.bytes / memory.bytes,
                "seconds": {
                    "distill": None,
                    "train_engram": scores.rows["engram"].seconds,
                    "train_full": scores.rows["full"].seconds,
                },
                "notes": notes,
            }
        )
    else:
        scores_table(scores, f"{file.name} on {problem.name}", found)
    conclude(found, strict)
