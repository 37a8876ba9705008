"""engram export FILE --format parquet|npz|csv|png|hf: the samples in other formats."""

from pathlib import Path

import click

from ._options import force_option, json_option
from ._terminal import emit


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["parquet", "npz", "csv", "png", "texts", "hf"]), required=True)
@click.option("--out", type=click.Path(path_type=Path), help="File to write; FILE with the format's ending if absent.")
@force_option
@json_option
def command(file: Path, kind: str, out: Path | None, force: bool, as_json: bool) -> None:
    """Write the synthetic samples, in the units of the data, with hard and soft labels."""
    from ..memory.engram import load
    from ..memory.export import export
    from ..memory.files import check_writable

    memory = load(file)
    if kind == "hf":
        out = out or file.with_suffix(".hf")
        for part in (out / "README.md", out / "data" / "train-00000-of-00001.parquet"):
            if part.exists():
                check_writable(part, force)
        if out.exists() and not out.is_dir():
            raise click.UsageError(f"{out} is a file: give a folder")
    else:
        out = check_writable(out or file.with_suffix(".texts.jsonl" if kind == "texts" else f".{kind}"), force)
    export(memory, kind, out)
    if as_json:
        emit({"file": str(file), "out": str(out), "format": kind, "items": memory.items})
        return
    click.echo(f"{memory.items} samples written to {out}")
    if memory.linear is not None:
        click.echo(
            f"their targets lack a linear part of {memory.linear.numel()} numbers (`linear` in {file}), which predict adds"
        )
