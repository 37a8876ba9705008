"""engram predict FILE NEW: raw inputs in, predictions out."""

from pathlib import Path
from typing import Any

import click

from ._terminal import emit, force_option, json_option, seed_option


@click.command("predict")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("new")
@click.option("--network", help="Another architecture: NAME or NAME:field=value,...")
@click.option("--out", type=click.Path(path_type=Path), help="CSV file to write; standard output if absent.")
@seed_option
@force_option
@json_option
def command(file: Path, new: str, network: str | None, out: Path | None, seed: int, force: bool, as_json: bool) -> None:
    """Predict for the rows or images in NEW with a network replayed from FILE.

    NEW is a .csv, .parquet or .npz file, or a folder of images; columns that are not inputs are ignored.
    """
    import pandas as pd

    from ..data.source import raw_inputs
    from ..memory.engram import load
    from ..memory.files import check_writable, replace_file
    from ..spec import parse
    from ..workflow.threads import spare_threads

    memory = load(file)
    spare_threads(memory.task.shape)
    if out is not None:
        check_writable(out, force)
    raw = _inputs(memory, raw_inputs(new))
    predictions = memory.replay(seed, parse("networks", network) if network else None).predict(raw)
    if as_json:
        emit({"file": str(file), "predictions": predictions.tolist()})
        return
    text = pd.DataFrame({"prediction": list(predictions)}).to_csv(index=False)
    if out is None:
        click.echo(text, nl=False)
    else:
        replace_file(out, text.encode())
        click.echo(f"{len(predictions)} predictions written to {out}")


def _inputs(memory: Any, raw: Any) -> Any:
    """A table's columns by the names that exports give them, for an engram of plain numbers that knows no table."""
    from ..data.preprocessing.vectors import Vectors

    if not hasattr(raw, "columns") or not isinstance(memory.preprocessing, Vectors):
        return raw
    width = memory.task.shape[0]
    names = list(memory.provenance.get("input_names") or [f"x_{k}" for k in range(width)])
    return raw[names] if set(names) <= set(raw.columns) else raw
