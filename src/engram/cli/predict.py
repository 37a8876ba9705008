"""engram predict FILE NEW: raw inputs in, predictions out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ._options import force_option, json_option, listed, seed_option
from ._terminal import emit, say


@click.command("predict")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("new")
@click.option("--network", help="Another architecture: NAME or NAME:field=value,...")
@click.option(
    "--encoder", metavar="PATH", help="The frozen encoder that FILE names, where it was distilled through one."
)
@click.option("--proba", is_flag=True, help="Probabilities of the classes as well.")
@click.option("--id", "ids", metavar="COLUMN", help="A column of NEW that is written beside each prediction.")
@click.option(
    "--series-id", metavar="COLUMN", help="Of a table with one point a row: the column that tells series apart."
)
@click.option("--time", metavar="COLUMN", help="Of a table with one point a row: the column that orders them.")
@click.option(
    "--columns",
    metavar="A,B,...",
    callback=listed,
    help="The channels of a table with one point a row; all numbers if absent.",
)
@click.option("--out", type=click.Path(path_type=Path), help="CSV file to write; standard output if absent.")
@seed_option
@force_option
@json_option
def command(
    file: Path,
    new: str,
    network: str | None,
    encoder: str | None,
    proba: bool,
    ids: str | None,
    series_id: str | None,
    time: str | None,
    columns: tuple[str, ...] | None,
    out: Path | None,
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Predict for the rows, texts or images in NEW with a network replayed from FILE, or with the one that FILE holds.

    NEW is a .csv, .parquet, .jsonl or .npz file, or a folder of images or texts; columns that are not inputs are ignored. Of a table
    that is one long series, what follows its last row is predicted.
    """
    import pandas as pd

    from ..data.encoder import open_encoder
    from ..data.posing_series import Layout, new_series
    from ..data.preprocessing.series import Series
    from ..data.source import raw_inputs
    from ..memory.engram import load
    from ..memory.files import check_writable, replace_file
    from ..memory.model import is_model, load_model
    from ..spec import parse
    from ..workflow.threads import spare_threads

    ready = is_model(file)
    if ready and network:
        raise click.UsageError(f"{file} holds a trained network: leave out --network")
    source: Any = load_model(file) if ready else load(file)
    preprocessing = source.preprocessing
    if encoder is not None:
        open_encoder(encoder)
    spare_threads(preprocessing.shape)
    if out is not None:
        check_writable(out, force)
    shape = preprocessing.shape
    table = raw_inputs(new, shape[-1] if len(shape) == 3 and shape[-1] == shape[-2] else None)
    named = _named(table, ids, new)
    if hasattr(table, "columns") and isinstance(preprocessing, Series):
        layout = Layout(series_id=series_id, time=time, columns=columns or (), drop=tuple(named))
        raw, series = new_series(table, layout, preprocessing.channels, preprocessing.length)
        named = named if series is None else series
    elif series_id or time or columns:
        raise click.UsageError("--series-id, --time and --columns are for tables of series")
    else:
        raw = _inputs(preprocessing, {} if ready else source.provenance, table)
    if hasattr(preprocessing, "unseen"):
        for column, count in preprocessing.unseen(raw).items():
            say(f"note: column {column!r} holds in {count} rows what no training row held")
    model = source if ready else source.replay(seed, parse("networks", network) if network else None)
    chances = model.predict_proba(raw) if proba else None
    predictions = model.predict(raw) if chances is None else model.classes_[chances.argmax(1)]
    if as_json:
        found = {"file": str(file)} | {key: values.tolist() for key, values in named.items()}
        found |= {"predictions": predictions.tolist()}
        if chances is not None:
            found |= {"classes": model.classes_.tolist(), "probabilities": chances.tolist()}
        emit(found)
        return
    several = getattr(model.target, "names", ()) if predictions.ndim > 1 else ("",)
    each = predictions.T if predictions.ndim > 1 else [predictions]
    frame = pd.DataFrame(
        named | {f"prediction {name}".strip(): list(values) for name, values in zip(several, each, strict=True)}
    )
    if chances is not None:
        frame = frame.assign(**{f"probability {cls}": chances[:, k] for k, cls in enumerate(model.classes_)})
    text = frame.to_csv(index=False)
    if out is None:
        click.echo(text, nl=False)
    else:
        replace_file(out, text.encode())
        click.echo(f"{len(predictions)} predictions written to {out}")


def _named(table: Any, ids: str | None, new: str) -> dict[str, Any]:
    """The column that names the rows."""
    from ..errors import SettingError, UnknownNameError, nearest

    if ids is None:
        return {}
    if not hasattr(table, "columns"):
        raise SettingError(f"{new} is no table: leave out --id {ids}")
    if ids not in table:
        raise UnknownNameError(f"column {ids!r} is not in {new}; {nearest(ids, table.columns)}")
    return {ids: table[ids]}


def _inputs(preprocessing: Any, known: Mapping[str, Any], raw: Any) -> Any:
    """A table's columns by the names that exports give them, for plain numbers that know no table."""
    from ..data.preprocessing.vectors import Vectors

    if not hasattr(raw, "columns") or not isinstance(preprocessing, Vectors):
        return raw
    names = list(known.get("input_names") or [f"x_{k}" for k in range(preprocessing.shape[0])])
    return raw[names] if set(names) <= set(raw.columns) else raw
