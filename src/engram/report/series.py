"""Series as figures: synthetic ones over the quantiles of their class, forecasts with what followed."""

from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from ..data.posing_series import forecast_channels
from ..data.preprocessing.series import Series
from ..data.targets import Classes
from ..memory.engram import Engram
from .figures import ENGRAM, FULL, OTHER, STYLE, inline

__all__ = ["forecasts", "samples"]

_MOST_PANELS, _MOST_LINES, _MOST_CHANNELS = 24, 4, 4
_COLUMNS = 3


def samples(engram: Engram, bands: Tensor | None) -> str | None:
    """Draw synthetic series over the band of real ones: 10 to 90 % shaded, the median dashed, channels apart.

    Args:
        engram: of series.
        bands: (classes, 3, channels, T) quantiles of training rows, normalised, NaN for classes that are too few to show; of one
            group for numbers; None where there are none.

    Returns:
        SVG; None where samples are no series.
    """
    series = engram.preprocessing
    if not isinstance(series, Series):
        return None
    drawn, labels = engram.samples.inputs, engram.samples.targets
    channels = min(series.channels, _MOST_CHANNELS)
    classes = isinstance(engram.target, Classes)
    names = [str(name) for name in engram.target.labels] if isinstance(engram.target, Classes) else ["all samples"]
    own = labels.argmax(1).numpy() if classes else np.zeros(len(labels), dtype=int)
    raw = _raw(series, drawn)
    panels = [(k, c) for k in range(len(names)) for c in range(channels)][:_MOST_PANELS]
    with matplotlib.rc_context(STYLE):
        figure, axes = _grid(len(panels))
        for axis, (k, c) in zip(axes, panels, strict=True):
            if bands is not None and k < len(bands) and not bool(bands[k].isnan().all()):
                low, middle, high = (_raw(series, band[None])[0, c] for band in bands[k])
                place = np.arange(len(low))
                axis.fill_between(place, low, high, color=OTHER, alpha=0.35, linewidth=0)
                axis.plot(place, middle, color=OTHER, linestyle="--", linewidth=1)
            for line in raw[own == k][:_MOST_LINES]:
                axis.plot(np.arange(line.shape[1]), line[c], color=ENGRAM, linewidth=1.3)
            _titled(axis, names[k], c, series.channels)
        return inline(figure, "Synthetic series over the quantiles of real ones")


def forecasts(engram: Engram, seen: Tensor, truth: Tensor, predicted: Any, names: list[str]) -> str:
    """Draw windows, what followed, and what was forecast, channels apart.

    Args:
        engram: of forecasts.
        seen: (N, channels, T) normalised windows.
        truth: (N, outputs) standardised.
        predicted: (N, outputs) in the data's units; None for what has no forecast (synthetic samples, whose label is the truth).
        names: of the windows.

    Returns:
        SVG.
    """
    series = engram.preprocessing
    assert isinstance(series, Series)
    past = _raw(series, seen)
    outputs = np.asarray(engram.target.decode(truth)).reshape(len(past), -1)
    places = tuple(p for p in forecast_channels(engram.target) if p < series.channels) or (0,)
    places = places if outputs.shape[1] % len(places) == 0 else (0,)
    future = outputs.reshape(len(past), len(places), -1)
    guess = None if predicted is None else np.asarray(predicted).reshape(future.shape)
    panels = [(k, j) for k in range(len(past)) for j in range(min(len(places), _MOST_CHANNELS))][:_MOST_PANELS]
    with matplotlib.rc_context(STYLE):
        figure, axes = _grid(len(panels))
        for axis, (k, j) in zip(axes, panels, strict=True):
            length, c = past.shape[2], places[j]
            after = np.arange(length - 1, length + future.shape[2])
            axis.plot(np.arange(length), past[k, c], color=ENGRAM if guess is None else OTHER, linewidth=1.2)
            axis.plot(after, [past[k, c, -1], *future[k, j]], color=FULL, linewidth=1.2)
            if guess is not None:
                axis.plot(after, [past[k, c, -1], *guess[k, j]], color=ENGRAM, linewidth=1.4)
            _titled(axis, names[k], c, series.channels)
        return inline(figure, "Windows and what follows them")


def _raw(series: Series, inputs: Tensor) -> np.ndarray:
    found = series.decode(inputs)
    return found[:, None] if found.ndim == 2 else found


def _grid(count: int) -> tuple[Figure, list[Any]]:
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(8.4, 1.7 * rows + 0.2), layout="constrained")
    made = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axis in made[count:]:
        axis.remove()
    for axis in made[:count]:
        axis.tick_params(labelsize=8)
        axis.margins(x=0.01)
    return figure, made[:count]


def _titled(axis: Any, name: str, channel: int, channels: int) -> None:
    word = name if len(name) <= 24 else name[:23] + "…"
    axis.set_title(f"{word}, channel {channel}" if channels > 1 else word, fontsize=9)
