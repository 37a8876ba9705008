"""engram replay FILE: train a fresh network from an engram."""

import time
from pathlib import Path

import click

from ._options import force_option, json_option, seed_option
from ._terminal import emit


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--network", help="Another architecture: NAME or NAME:field=value,...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write the network with its preprocessing: for engram predict and engram.load_model; NAME.onnx as an ONNX graph.",
)
@seed_option
@force_option
@json_option
def command(file: Path, network: str | None, out: Path | None, seed: int, force: bool, as_json: bool) -> None:
    """Train a fresh network from the engram in FILE."""
    from ..memory.engram import load
    from ..memory.files import check_writable
    from ..spec import parse, render
    from ..workflow.threads import spare_threads

    memory = load(file)
    spare_threads(memory.task.shape)
    architecture = parse("networks", network) if network else memory.training.network
    if out is not None:
        check_writable(out, force)
    begun = time.perf_counter()
    model = memory.replay(seed, architecture)
    seconds = time.perf_counter() - begun
    if out is not None:
        if out.suffix.lower() == ".onnx":
            from ..memory.onnx import save_onnx

            save_onnx(model, out, force)
        else:
            model.save(out, force)
    parameters = sum(value.numel() for value in model.fitted.one(0).values())
    if as_json:
        emit(
            {
                "file": str(file),
                "network": render(architecture),
                "parameters": parameters,
                "seconds": seconds,
                "out": None if out is None else str(out),
            }
        )
        return
    click.echo(
        f"{render(architecture)} of {parameters:,} parameters trained on {memory.items} samples in {seconds:.2f} s"
    )
    if out is not None:
        click.echo(
            f"network and preprocessing written to {out}: engram predict {out} NEW"
            if out.suffix.lower() != ".onnx"
            else f"ONNX graph written to {out}"
        )
