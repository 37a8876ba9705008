"""engram inspect FILE: what an engram holds, or how a table would be read."""

from pathlib import Path
from typing import Any

import click

from ._options import json_option
from ._terminal import emit


@click.command("inspect")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def command(file: Path, as_json: bool) -> None:
    """Show an engram's manifest: data, method, training, sizes, scores; or how the columns of a table would be read."""
    if file.name.lower().endswith((".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")):
        _table(file, as_json)
        return
    from ..memory.container import read_tensors
    from ..memory.contents import raw_content
    from ..memory.engram import load
    from ..spec import render

    memory = load(file)
    tensors, manifest = read_tensors(file)
    if as_json:
        shapes = {
            key: {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)}
            for key, value in tensors.items()
        }
        numbers = memory.numbers | {"all": sum(memory.numbers.values())}
        sizes = {"items": memory.items, "bytes": memory.bytes, "numbers": numbers}
        emit(manifest | {"file": str(file), "tensors": shapes, "raw_content": raw_content(memory)} | sizes)
        return
    known = dict(memory.provenance)
    lines: dict[str, Any] = {
        "data": f"{known.get('problem')}, {known.get('rows', {}).get('train')} training rows, metric {memory.metric.value}",
        "samples": f"{memory.items} of shape {memory.task.shape}, {memory.stored_as}",
        "bytes": f"{memory.bytes:,} ({file.stat().st_size:,} on disk with the manifest) for {known.get('data_bytes', 0):,} of data",
        "numbers": _numbers(memory, known.get("rank")),
        "raw content": raw_content(memory),
        "network": render(memory.training.network),
        "training": "; ".join(map(str, memory.training.phases)),
        "method": known.get("method"),
        "seed": known.get("seed"),
        "chosen": known.get("chosen", {}).get("reason"),
        "verdict": known.get("verdict", {}).get("sentence"),
        "validation": known.get("select_score"),
        "status": known.get("status"),
    }
    for name, row in known.get("scores", {}).items():
        if name in ("full", "engram", "random", "random_soft"):
            lines[f"test, {name}"] = (
                f"{row['mean']:.4f}" + ("" if row["sem"] is None else f" ± {row['sem']:.4f}") + f" (n={row['n']})"
            )
    width = max(map(len, lines))
    for key, value in lines.items():
        click.echo(f"{key.rjust(width)}  {value}")
    for note in known.get("notes", []):
        click.echo(f"{'note'.rjust(width)}  {note}")


def _numbers(memory: Any, rank: int | None) -> str:
    """How many numbers are stored, beside the theory's order where the task's rank is known."""
    parts = memory.numbers
    words = f"{sum(parts.values()):,} ({', '.join(f'{name} {count:,}' for name, count in parts.items())})"
    width = getattr(memory.training.network, "width", None)
    if rank is None or width is None:
        return words
    d = memory.task.shape[0]
    return f"{words}; r^2 d + L = {rank**2 * d + width:,} with r = {rank}, d = {d}, L = {width:,}"


def _table(file: Path, as_json: bool) -> None:
    """The kind of every column, before any work begins."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ..data.columns.kinds import kinds_of
    from ..data.source import raw_inputs

    frame = raw_inputs(str(file))
    kinds = kinds_of(frame)
    facts = {
        name: {
            "kind": kind.value,
            "distinct": int(frame[name].nunique()),
            "missing": int(frame[name].isna().sum()),
            "read": kind.value not in ("id", "constant"),
        }
        for name, kind in kinds.items()
    }
    if as_json:
        emit({"file": str(file), "rows": len(frame), "columns": facts})
        return
    table = Table(
        title=f"{file.name}: {len(frame):,} rows; --column NAME=KIND reads one otherwise", title_justify="left"
    )
    for heading in ("column", "kind", "distinct", "missing", ""):
        table.add_column(heading, justify="right" if heading in ("distinct", "missing") else "left")
    for name, fact in facts.items():
        counts = (f"{fact[key]:,}" for key in ("distinct", "missing"))
        table.add_row(escape(name), str(fact["kind"]), *counts, "" if fact["read"] else "left out")
    Console(highlight=False).print(table)
