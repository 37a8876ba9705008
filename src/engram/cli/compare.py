"""engram compare A B ...: engrams side by side."""

from pathlib import Path
from typing import Any

import click

from ._options import json_option
from ._terminal import emit, say


@click.command("compare")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def command(files: tuple[Path, ...], as_json: bool) -> None:
    """Show engrams side by side: what they stand for, what they cost, how well they do.

    Scores are those that the files carry; a note says where data, metric or training differ, so that they do not compare.
    """
    if len(files) < 2:
        raise click.UsageError("compare takes two files at least")
    from ..memory.engram import load
    from ..report.comparison import compared

    found = compared({str(file): load(file) for file in files})
    if as_json:
        emit(found.as_json())
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for heading in ("", *found.files):
        table.add_column(escape(heading), justify="left" if not heading else "right")
    for name, values in found.lines.items():
        table.add_row(escape(name), *(escape(_word(value)) for value in values))
    Console(highlight=False).print(table)
    for note in found.notes:
        say(f"note: {note}")


def _word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return f"{value['mean']:.4f}" + ("" if value["sem"] is None else f" ± {value['sem']:.4f}")
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}" if isinstance(value, float) else str(value)
