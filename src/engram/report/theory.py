"""The studies as one self-contained page, and their figures as SVG and PNG."""

import json
import math
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from ..errors import ArtefactError
from ..verification.study import ORDER
from .figures import INK, STYLE, inline, plain_log, saved

__all__ = ["draw", "theory_page"]

_COLOURS = ("#2a9d5c", "#4a7fd4", "#d9822b", "#a259c4", "#c7504e", "#3aa6a6", "#8a8a3a", "#9a9a9a", "#5b5bd6")


def theory_page(folder: Path) -> str:
    """Write the page of all studies whose results lie in a folder.

    Args:
        folder: of ``NAME.json`` files that ``engram study`` wrote.

    Returns:
        One HTML document that needs no network.

    Raises:
        ArtefactError: a results file that is damaged.
    """
    studies = []
    for name in ORDER:
        path = folder / f"{name}.json"
        if not path.is_file():
            continue
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            drawn = [(Markup(_svg(figure)), figure["caption"]) for figure in record["figures"]]
            studies.append(record | {"drawn": drawn})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtefactError(f"{path}: not a study's results ({error}): remove it and repeat the study") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engram", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["number"] = _number
    try:
        return environment.get_template("theory.html").render(studies=studies)
    except (jinja2.UndefinedError, TypeError) as error:
        raise ArtefactError(f"{folder}: a study's results lack a part ({error}): repeat the studies") from error


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "unknown"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def draw(figure: dict[str, Any]) -> dict[str, bytes]:
    """A figure as files: ``{"svg": ..., "png": ...}``, dark ink on white.

    Args:
        figure: as `verification.result.Figure.as_json` gives it.

    Returns:
        Contents by ending.
    """
    with matplotlib.rc_context(STYLE | INK):
        return saved(_plot(figure))


def _svg(figure: dict[str, Any]) -> str:
    with matplotlib.rc_context(STYLE):
        return inline(_plot(figure), figure["caption"], box=None)


def _plot(figure: dict[str, Any]) -> Figure:
    # One width for all, the legend's column included, so that text has one size on the page.
    plot = Figure(figsize=(9.5, 4))
    axes = plot.add_axes((0.08, 0.14, 0.5, 0.82))
    lines = points = 0
    for curve in figure["curves"]:
        if curve["line"]:
            # A prediction takes the colour of the points before it where it belongs to them.
            axes.plot(
                curve["x"],
                curve["y"],
                linestyle=("--", ":", "-.")[lines % 3],
                color=_COLOURS[7],
                linewidth=1.3,
                label=curve["label"],
            )
            lines += 1
        else:
            colour = _COLOURS[points % len(_COLOURS)]
            sem = [value or 0.0 for value in curve["sem"] or [0.0] * len(curve["x"])]
            y = [float("nan") if value is None else value for value in curve["y"]]
            marker = "osD^vP*Xh"[points % 9]
            axes.errorbar(
                curve["x"],
                y,
                yerr=sem,
                color=colour,
                marker=marker,
                markersize=4,
                capsize=2,
                linewidth=1.4,
                label=curve["label"],
            )
            points += 1
    for wanted, axis in ((figure["log_x"], axes.xaxis), (figure["log_y"], axes.yaxis)):
        if wanted:
            plain_log(axis, (1, 2, 5) if _decades(figure, axis is axes.xaxis) < 2.5 else (1,))
    axes.set_xlabel(figure["x"])
    axes.set_ylabel(figure["y"])
    if len(figure["curves"]) > 1:
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1))
    return plot


def _decades(figure: dict[str, Any], along_x: bool) -> float:
    """How many powers of ten an axis spans."""
    values = [v for curve in figure["curves"] for v in curve["x" if along_x else "y"] if v is not None and v > 0]
    return math.log10(max(values) / min(values)) if values else 0.0
