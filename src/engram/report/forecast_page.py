"""A forecast as one self-contained page: the curve, its interval, the recommendation."""

from dataclasses import asdict

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from ..distillation.forecast import Forecast
from .figures import STYLE, inline, plain_log

__all__ = ["forecast_page"]

_CURVE = "#2a9d5c"


def forecast_page(found: Forecast, name: str) -> str:
    """One page.

    Args:
        found: the forecast.
        name: of the data.

    Returns:
        One HTML document that needs no network.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engram", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    told = vars(found) | {"points": [asdict(point) for point in found.points]}
    return environment.get_template("forecast.html").render(name=name, found=told, figure=Markup(_curve(found)))


def _curve(found: Forecast) -> str:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 3.2))
        axes = figure.add_subplot()
        items = [point.items for point in found.points]
        axes.fill_between(
            items, [p.low for p in found.points], [p.high for p in found.points], color=_CURVE, alpha=0.2, linewidth=0
        )
        axes.plot(items, [p.score for p in found.points], color=_CURVE)
        seen = {point.items: point.measured for point in found.points if point.measured is not None}
        axes.plot(list(seen), list(seen.values()), "o", color=_CURVE, label="short distillation")
        axes.axhline(found.plateau, color="#9a9a9a", linestyle="--", linewidth=1, label="plateau")
        axes.axvline(found.recommended, color="#4a7fd4", linestyle=":", linewidth=1.4, label="recommended")
        plain_log(axes.xaxis)
        axes.set_xlabel("samples per class" if found.per_class else "samples")
        axes.set_ylabel(found.metric)
        axes.legend()
        return inline(figure, "Expected score against budget, with its 80 % interval")
