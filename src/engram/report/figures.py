"""Figures as inline SVG that takes the page's text colour, so that they read in light and in dark mode."""

import io
import re
import warnings
from typing import Any

import matplotlib
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

__all__ = [
    "ENGRAM",
    "FULL",
    "INK",
    "OTHER",
    "STYLE",
    "fidelity",
    "history",
    "inline",
    "plain_log",
    "replay",
    "saved",
    "scores",
]

_INK = "#010203"
"""Stands for the page's text colour until the SVG is written."""
ENGRAM, FULL, OTHER = "#2a9d5c", "#4a7fd4", "#9a9a9a"
STYLE: Any = {
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "engram",
    "legend.frameon": False,
    "text.parse_math": False,
}

INK: Any = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), "#1b1f24")
"""Dark ink, for files on white."""


def scores(rows: list[dict[str, Any]], metric: str) -> str:
    """Scores with standard errors, one bar a row."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 0.34 * len(rows) + 0.8))
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            colour = {"engram": ENGRAM, "full": FULL}.get(row["name"], OTHER)
            axes.barh(-place, row["mean"], color=colour, height=0.7)
            if row.get("sem"):
                axes.errorbar(row["mean"], -place, xerr=row["sem"], color=_INK, capsize=3, linewidth=1.2)
        suffix = {0: "", 1: " (equal items)", 2: " (equal bytes)"}
        axes.set_yticks([-k for k in range(len(rows))], [row["label"] + suffix[row["group"]] for row in rows])
        low = min(row["mean"] for row in rows)
        axes.set_xlim(left=max(-1.0, min(0.0, low)), right=1.0)
        axes.set_xlabel(f"test {metric}")
        return inline(figure, f"Test {metric} of every row")


def history(points: list[list[Any]], metric: str) -> str:
    """Validation score along distillation."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.6))
        axes = figure.add_subplot()
        axes.plot([p[0] for p in points], [p[2] for p in points], color=ENGRAM, marker="o", markersize=3)
        axes.set_xlabel("outer step")
        axes.set_ylabel(f"validation {metric}")
        return inline(figure, "Validation score along distillation")


def replay(curves: dict[str, Any], metric: str) -> str:
    """Learning curves: taught by the engram, taught by everything."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.8))
        axes = figure.add_subplot()
        axes.plot(curves["steps"], curves["engram"], color=ENGRAM, label="taught by the engram")
        axes.plot(curves["steps"], curves["full"], color=FULL, linestyle="--", label="taught by all data")
        axes.set_xlabel("training step")
        axes.set_ylabel(f"validation {metric}")
        axes.legend()
        return inline(figure, "Learning curves of engram and full data")


def fidelity(curves: dict[str, Any], classes: bool) -> str:
    """Gradient cosine, agreement of predictions and likeness of features along training."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.8))
        axes = figure.add_subplot()
        axes.plot(curves["steps"], curves["cosine"], color=OTHER, label="cosine of the two gradients")
        name = "share of equal predictions" if classes else "correlation of predictions"
        axes.plot(curves["steps"], curves["agreement"], color=ENGRAM, label=name)
        if curves.get("features"):
            axes.plot(
                curves["steps"], curves["features"], color=FULL, linestyle="--", label="likeness of features (CKA)"
            )
        axes.set_xlabel("training step")
        axes.set_ylim(top=1.02)
        axes.legend()
        return inline(figure, "Gradient cosine, agreement of predictions and likeness of features along training")


def plain_log(axis: XAxis | YAxis, subs: tuple[int, ...] = (1, 2, 5)) -> None:
    """Make an axis logarithmic, with a number written out at these multiples of every power of ten."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def saved(figure: Figure) -> dict[str, bytes]:
    """A figure as files on white, without a date: contents by ending."""
    files = {}
    for ending in ("svg", "png"):
        content = io.BytesIO()
        metadata = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(content, format=ending, facecolor="white", dpi=160, metadata=metadata)
        files[ending] = content.getvalue()
    return files


def inline(figure: Figure, title: str, box: str | None = "tight") -> str:
    """A figure as an SVG element that takes the page's text colour, cut to its content unless `box` is None."""
    content = io.StringIO()
    with warnings.catch_warnings():
        # Words stay words: the reader's fonts draw them, not those that measure them here.
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(
            content, format="svg", transparent=True, bbox_inches=box, metadata={"Date": None, "Title": title}
        )
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(
        r'<svg ([^>]*?)width="[^"]*" ?|height="[\d.]+pt" ',
        lambda m: f"<svg {m[1]}" if m[1] is not None else "",
        text,
        count=2,
    )
