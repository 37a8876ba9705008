"""What arrays hold, rows, series, images or texts; and series as windows of a longer one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SettingError

__all__ = ["forecast_splits", "from_long", "kind_of", "sorted_by"]

_KINDS = ("rows", "series", "images", "text")

_POINTS, _NEAR = 24, 0.65
"""Rows of so many columns are a series where neighbours differ by less than this share of what columns at random do (squared)."""

_SEEN = 500


def kind_of(x: Any, kind: str | None, names: tuple[str, ...] = ()) -> tuple[str, tuple[str, ...]]:
    """What inputs are: rows, series or images; and a note where it was read off their values.

    (N, T) are a series where the columns have no names, are at least 24, and neighbours are alike: their mean squared difference is
    below 0.65 of that of columns at random, as they are and standardised. (N, C, T) are series where one side is below 8 and the other four times as long.

    Args:
        x: inputs, (N, ...) or a DataFrame.
        kind: what the caller says; None to read it.
        names: of columns, which series have not.

    Returns:
        The kind, and notes.

    Raises:
        SettingError: no such kind, or not of this shape.

    Example:
        >>> kind_of(np.sin(np.arange(60.0) / 5 + np.arange(4.0)[:, None]), None)[0]
        'series'
    """
    if kind is not None and kind not in _KINDS:
        raise SettingError(f"kind is {kind!r}: choose {', '.join(_KINDS)}")
    if isinstance(x, pd.DataFrame):
        if kind not in (None, "rows"):
            raise SettingError(f"a table of columns is read as rows: give an array to read it as {kind}")
        return "rows", ()
    if x.dtype == object:
        if kind in (None, "text"):
            return "text", ()
        raise SettingError(f"texts are no {kind}: leave --kind out")
    if kind is not None:
        fits = {"text": False, "rows": True, "series": x.ndim in (2, 3), "images": x.ndim in (3, 4)}
        if not fits[kind]:
            raise SettingError(f"inputs of shape {x.shape} are no {kind}: leave --kind out")
        return kind, ()
    if x.ndim == 2:
        series = not names and _neighbours_alike(x)
        told = f"read as series of {x.shape[1]} points (--kind rows reads them as columns)"
        return ("series", (told,)) if series else ("rows", ())
    if x.ndim == 3 and min(x.shape[1:]) < 8 and x.shape[2] >= 4 * x.shape[1]:
        return "series", (
            f"read as series of {x.shape[1]} channels of {x.shape[2]} points (--kind images reads them as images)",
        )
    return "images", ()


def _neighbours_alike(x: np.ndarray) -> bool:
    if x.shape[1] < _POINTS or x.dtype.kind not in "fiu":
        return False
    some = x[:: -(-len(x) // _SEEN)].astype(np.float64)
    missing = np.isnan(some)
    if missing.any():
        # What is missing behind the end of some rows, and nowhere else, is that of shorter series.
        return bool((missing == np.logical_and.accumulate(missing[:, ::-1], 1)[:, ::-1]).all())
    order = np.random.default_rng(0).permutation(x.shape[1])
    spread = some.std(0)
    scaled = (some - some.mean(0)) / np.where(spread > 0, spread, 1.0)
    for values in (some, scaled):
        near, any_two = (np.square(np.diff(found, axis=1)).mean() for found in (values, values[:, order]))
        if not near < _NEAR * any_two:
            return False
    return True


def forecast_splits(
    values: np.ndarray, window: int, horizon: int, stride: int = 1, targets: tuple[int, ...] | None = None
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Windows of one long series and what follows them, split by time: no training target lies behind a validation target, none of those behind a test target.

    The last fifth of time is test, the fifth before it of what is left validation; a window may reach back into what came before, as it may in use.

    Args:
        values: (T,) or (channels, T).
        window: points that are seen, at least 2.
        horizon: points that are predicted, at least 1.
        stride: points between the starts of windows of the training split.
        targets: channels that are predicted; all when None.

    Returns:
        By split, (N, channels, window) and (N, channels * horizon).

    Raises:
        SettingError: a window or horizon out of range.
        DataError: too few points.

    Example:
        >>> parts = forecast_splits(np.arange(100.0), 10, 2)
        >>> {part: x.shape for part, (x, _) in parts.items()}
        {'train': (53, 1, 10), 'select': (15, 1, 10), 'test': (19, 1, 10)}
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if window < 2 or horizon < 1 or stride < 1:
        raise SettingError(f"window {window}, horizon {horizon}, stride {stride}: they are at least 2, 1 and 1")
    length = values.shape[1]
    ends = {"train": round(0.64 * length), "select": round(0.8 * length), "test": length}
    found, begun = {}, 0
    for part, end in ends.items():
        # The first target of a split lies behind the last of the split before it.
        starts = np.arange(max(begun, window), end - horizon + 1, stride if part == "train" else 1)
        if len(starts) < 2:
            raise DataError(
                f"{length} points hold {len(starts)} {part} windows of {window} and {horizon} points: shorten --window or --horizon"
            )
        x = np.stack([values[:, s - window : s] for s in starts])
        seen = values if targets is None else values[list(targets)]
        y = np.stack([seen[:, s : s + horizon].reshape(-1) for s in starts])
        found[part] = (x, y)
        begun = end
    return found


def from_long(
    frame: pd.DataFrame, series_id: str, time: str | None, columns: list[str]
) -> tuple[np.ndarray, list[Any]]:
    """A long table, one point a row, as series (N, channels, T), NaN behind the end of shorter ones; and their ids in order.

    Args:
        frame: one row for each point of each series.
        series_id: the column that tells series apart.
        time: the column by which points are ordered; the rows' order when None.
        columns: the channels.

    Returns:
        The series and their ids.

    Raises:
        DataError: equal times in one series, a gap between times that are otherwise evenly spaced.
    """
    groups: Mapping[Any, pd.DataFrame] = dict(tuple(frame.groupby(series_id, sort=False)))
    parts = []
    for name, own in groups.items():
        if time is not None:
            own = own.sort_values(time, kind="stable")
            check_times(own[time], f"series {name!r}")
        parts.append(own[columns].to_numpy(dtype=np.float64).T)
    longest = max(part.shape[1] for part in parts)
    padded = np.full((len(parts), len(columns), longest), np.nan)
    for row, part in enumerate(parts):
        padded[row, :, : part.shape[1]] = part
    return padded, list(groups)


def sorted_by(frame: pd.DataFrame, time: str, where: str) -> pd.DataFrame:
    """The rows of one long series in the order of a column of times or numbers.

    Raises:
        DataError: no time, a gap, equal times.
    """
    times = frame[time]
    if times.isna().any():
        raise DataError(f"column {time!r} is missing in row {times.index[int(times.isna().to_numpy().argmax())]}")
    if not pd.api.types.is_numeric_dtype(times):
        try:
            frame = frame.assign(**{time: pd.to_datetime(times, format="mixed")})
        except (ValueError, TypeError) as error:
            raise DataError(f"column {time!r} holds no times ({str(error).splitlines()[0]})") from error
    frame = frame.sort_values(time, kind="stable")
    check_times(frame[time], where)
    return frame


def check_times(times: pd.Series, where: str) -> None:
    """Refuse equal times, and gaps between times that are otherwise evenly spaced."""
    twice = times.duplicated()
    if twice.any():
        raise DataError(
            f"{where}: {times[twice].iloc[0]} stands twice in column {times.name!r}, in row {times.index[twice][0]}"
        )
    said = times
    if not pd.api.types.is_numeric_dtype(times):
        dates = pd.to_datetime(times, errors="coerce", format="mixed", utc=True)
        if dates.isna().any():
            row = times.index[dates.isna()][0]
            raise DataError(
                f"{where}: {times[row]!r} in row {row} of column {times.name!r} is no date: mend or remove that row"
            )
        times = dates
    steps = times.diff().iloc[1:]
    if len(steps) > 2:
        usual = steps.median()
        wide = steps > 1.5 * usual
        if wide.any() and (steps == usual).mean() > 0.5:
            place = int(wide.to_numpy().argmax()) + 1
            raise DataError(
                f"{where}: nothing stands between {said.iloc[place - 1]} and {said.iloc[place]} in column {times.name!r} "
                f"(row {times.index[place]}), where steps are {usual}: fill the gap"
            )
