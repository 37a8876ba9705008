"""engram plan SOURCE: how many samples a task takes."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from ._options import device_option, force_option, json_option, seed_option, source_options
from ._terminal import Bars, emit, say, verbosity_options


@click.command("plan")
@click.argument("source")
@source_options
@click.option(
    "--within", default=0.01, show_default=True, help="Recommend the smallest budget this close to the plateau."
)
@click.option("--page", type=click.Path(path_type=Path), help="Write a page with the curve.")
@seed_option
@device_option
@force_option
@verbosity_options
@json_option
def command(
    source: str,
    within: float,
    page: Path | None,
    seed: int,
    device: str,
    force: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Predict score against budget on SOURCE from short distillations, and recommend a budget.

    \b
    Examples:
    engram plan digits
    engram plan customers.csv --target churned --page plan.html
    """  # noqa: D301 (click reads the escape)
    from ..data.source import load_problem
    from ..distillation.forecast import forecast
    from ..memory.files import check_writable, replace_file
    from ..report.forecast_page import forecast_page
    from ..workflow.devices import device_of
    from ..workflow.progress import Progress
    from ..workflow.threads import spare_threads

    place = device_of(device)
    page = None if page is None else check_writable(page, force)
    say("loading")
    problem = load_problem(source, seed=seed, **settings).to(place)
    spare_threads(problem.task.shape)
    with Bars() as bars:
        found = forecast(problem, within=within, seed=seed, watch=lambda done: bars.show(Progress("forecasting", done)))
    if page is not None:
        replace_file(page, forecast_page(found, problem.name).encode())
    if as_json:
        emit(found.as_json() | {"page": None if page is None else str(page)})
        return
    flag = "--per-class" if found.per_class else "--items"
    table = Table(
        title=f"{problem.name}: expected {found.metric} of each budget, with its 80 % interval",
        title_justify="left",
        caption_justify="left",
        caption=f"plateau {found.plateau:.3f}; law: the distance to it falls as the power -{found.exponent:g} of the budget",
    )
    for heading in (flag.removeprefix("--"), found.metric, "80 % interval", "short run"):
        table.add_column(heading, justify="right", no_wrap=True)
    for point in found.points:
        chosen = point.items == found.recommended
        table.add_row(
            f"{point.items}",
            f"{point.score:.3f}",
            f"{point.low:.3f} to {point.high:.3f}",
            "" if point.measured is None else f"{point.measured:.3f}",
            style="bold green" if chosen else None,
        )
    Console(highlight=False).print(table)
    if page is not None:
        click.echo(f"page written to {page}")
    click.echo(
        f"Next: engram distill {source} {flag} {found.recommended}    "
        f"(about {found.bytes:,} bytes, {max(1, round(found.seconds))} s of distilling)"
    )
