"""A benchmark's tables as figures: cost, budgets, transfer."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from ..benchmark.grid import FULL
from ..numerics.statistics import Measured
from .figures import INK, STYLE, plain_log, saved
from .tables import RANDOM, SOFT, Table

__all__ = ["figures", "save"]

_COLOURS = {"distilled": "#2a9d5c", "baseline": "#8a8f96", "full": "#4a7fd4"}


def figures(found: Sequence[Table]) -> dict[str, tuple[Figure, str]]:
    """Figures by name, each with its caption: cost, budgets where there are several, transfer.

    Args:
        found: of `tables`.

    Returns:
        Figures to be saved or put on a page.
    """
    drawn: dict[str, tuple[Figure, str]] = {}
    for table in found:
        name = _word(table.title)
        if any(line.kind == "distilled" for line in table.lines):
            drawn[f"{name}-cost"] = (
                _cost(table),
                f"{table.title}: {table.metric} against the seconds that preparing and distilling took.",
            )
        if any(line.transfer for line in table.lines):
            drawn[f"{name}-transfer"] = (
                _transfer(table),
                f"{table.title}: {table.metric} of other networks taught by the same samples.",
            )
    curves: dict[str, list[Table]] = {}
    for table in found:
        curves.setdefault(replace(table, budget="").title, []).append(table)
    for title, several in curves.items():
        if len(several) > 1:
            caption = f"{title}: {several[0].metric} against bytes of samples."
            drawn[f"{_word(title)}-budget"] = (_budgets(several), caption)
    return drawn


def _word(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def _cost(table: Table) -> Figure:
    figure = Figure(figsize=(9.5, 4.4))
    axes = figure.add_axes((0.08, 0.12, 0.66, 0.84))
    for place, line in enumerate(line for line in table.lines if line.kind == "distilled"):
        axes.errorbar(
            max(line.seconds, 0.5),
            line.score.value,
            yerr=_bar(line.score),
            **_look(place),
            linestyle="",
            label=line.method,
        )
    for line in table.lines:
        if line.kind == "full" or line.method in (RANDOM, SOFT, "k-means"):
            style = {FULL: "-", RANDOM: ":", SOFT: "-."}.get(line.method, "--")
            label = {FULL: "all data", SOFT: "random + soft labels"}.get(line.method, line.method)
            axes.axhline(line.score.value, color=_COLOURS[line.kind], linestyle=style, linewidth=1.2, label=label)
    plain_log(axes.xaxis)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"test {table.metric}")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    return figure


def _look(place: int) -> dict[str, Any]:
    """Marker and colour of a method."""
    colour = matplotlib.colormaps["tab10"](place % 10)
    return {"marker": "osD^vP*Xh"[place % 9], "markersize": 5, "capsize": 2, "color": colour}


def _transfer(table: Table) -> Figure:
    lines = [line for line in table.lines if line.transfer]
    words = list(lines[0].transfer)
    grid = [
        [line.score.value, *(line.transfer[w].value if w in line.transfer else math.nan for w in words)]
        for line in lines
    ]
    figure = Figure(figsize=(9.5, 0.3 * len(lines) + 1.2))
    axes = figure.add_axes((0.22, 0.02, 0.76, 1 - 0.9 / (0.3 * len(lines) + 1.2)))
    low, high = min(map(min, grid)), max(map(max, grid))
    axes.imshow(grid, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(words) + 1), [table.network or "own", *words], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(lines)), [line.method for line in lines], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, values in enumerate(grid):
        for column, value in enumerate(values):
            dark = value < 0.6 * high + 0.4 * low
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else "black"
            )
    return figure


def _budgets(several: Sequence[Table]) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    axes = figure.add_axes((0.08, 0.13, 0.56, 0.84))
    methods = {line.method: line.kind for table in several for line in table.lines}
    for place, (method, kind) in enumerate(methods.items()):
        of = [(line.bytes, line.score) for table in several for line in table.lines if line.method == method]
        points = sorted(of, key=lambda point: point[0])
        if kind == "full":
            axes.axhline(points[0][1].value, color=_COLOURS["full"], linestyle="--", linewidth=1, label="all data")
            continue
        axes.errorbar(
            [x for x, _ in points],
            [y.value for _, y in points],
            yerr=[_bar(y) for _, y in points],
            linewidth=1.2,
            label=method,
            **_look(place) | ({} if kind == "distilled" else {"color": _COLOURS["baseline"]}),
        )
    plain_log(axes.xaxis)
    axes.set_xlabel("bytes")
    axes.set_ylabel(f"test {several[0].metric}")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1), ncols=2)
    return figure


def _bar(measured: Measured) -> float:
    return measured.sem if math.isfinite(measured.sem) else 0.0


def save(found: Sequence[Table]) -> dict[str, bytes]:
    """Every figure as files, dark ink on white: contents by file name."""
    with matplotlib.rc_context(STYLE | INK):
        drawn = {name: saved(figure) for name, (figure, _) in figures(found).items()}
    return {f"{name}.{ending}": content for name, files in drawn.items() for ending, content in files.items()}
