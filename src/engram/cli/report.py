"""engram report FILE: one self-contained page."""

from pathlib import Path

import click

from ._options import force_option, json_option
from ._terminal import emit


@click.command("report")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Page to write; FILE with .html if absent.")
@force_option
@json_option
def command(file: Path, out: Path | None, force: bool, as_json: bool) -> None:
    """Show an engram: samples beside real ones, scores, learning curves, sizes, recipe."""
    from ..memory.engram import load
    from ..memory.files import check_writable, replace_file
    from ..report import page

    memory = load(file)
    out = check_writable(out or file.with_suffix(".html"), force)
    text = page(memory, file)
    replace_file(out, text.encode())
    if as_json:
        emit({"file": str(file), "out": str(out), "bytes": len(text.encode())})
        return
    click.echo(f"report written to {out}")
