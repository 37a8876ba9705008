"""engram list: what can be named on the command line."""

import sys

import click

from ._options import json_option
from ._terminal import emit


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """Show built-in datasets, methods, papers' settings, networks, links, studies and learners, with their fields."""
    from ..distillation.published import PUBLISHED
    from ..evaluation.learners import LEARNERS
    from ..spec import load, names, render

    found = {
        folder: {name: _fields(load(folder, name)) for name in names(folder)}
        for folder in ("sources", "methods", "networks", "links", "studies")
    }
    papers = {name: {"paper": p.paper, "method": render(p.method), "note": p.note} for name, p in PUBLISHED.items()}
    learners = {name: learner.said for name, learner in LEARNERS.items()}
    if as_json:
        emit(found | {"published": papers, "learners": learners})
        return
    for folder, components in found.items():
        click.secho(folder, bold=True)
        for name, fields in components.items():
            summary = (sys.modules[load(folder, name).__module__].__doc__ or "").splitlines()[0]
            click.echo(f"  {name}: {summary}")
            if fields:
                click.echo("      " + ", ".join(f"{key}={value}" for key, value in fields.items()))
    click.secho("published (each a word for --method)", bold=True)
    for name, paper in papers.items():
        click.echo(f"  {name}: {paper['paper']}")
        click.echo(f"      {paper['method']}")
        if paper["note"]:
            click.echo(f"      {paper['note']}")
    click.secho("learners (each a word for --judge)", bold=True)
    for name, said in learners.items():
        click.echo(f"  {name}: {said}")


def _fields(cls: type) -> dict[str, str]:
    import dataclasses

    from ..spec import encode

    shown = {}
    for field in dataclasses.fields(cls):
        value = "required" if field.default is dataclasses.MISSING else field.default
        try:
            encoded = encode(value)
        except Exception:
            encoded = repr(value)
        shown[field.name] = encoded.get("value", repr(value)) if isinstance(encoded, dict) else str(encoded)
    return shown
