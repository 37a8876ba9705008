"""Problems of series: classes of those in a table, and forecasts, what is seen of a series and what follows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, SettingError, UnknownNameError, nearest
from .problem import Problem
from .series import forecast_splits, from_long, sorted_by
from .targets import Numbers, Target

__all__ = ["Layout", "forecast", "forecast_channels", "new_series", "posed", "series_of"]

_FORECAST = "forecast of channels "


def forecast(
    arrays: Mapping[str, np.ndarray], path: str, horizon: int | None, window: int | None, seed: int
) -> Problem:
    """Pose the forecast of an archive's series.

    Args:
        arrays: `x_train` and `x_test` of many series (N, T), whose last points are predicted; `x` alike, split by seed; or `x`
            or the only array, (T,) or (channels, T), one long series.
        path: of the archive, for words.
        horizon: points that are predicted.
        window: points that are seen; of many series all before.
        seed: of the split of many series.

    Returns:
        A problem of several real targets.

    Raises:
        SettingError: no horizon, or no window for one long series.
        DataError: series that are shorter.
    """
    name = Path(path).stem
    if horizon is None:
        raise SettingError("a window is given and no horizon: how many points are predicted? Pass --horizon")
    train = next((arrays[key] for key in ("x_train", "x") if key in arrays), None)
    if train is None:
        if len(arrays) != 1:
            raise DataError(f"{path} holds {', '.join(sorted(arrays))}: name the series x, or x_train and x_test")
        (train,) = arrays.values()
    long = train.ndim == 1 or (train.ndim == 2 and window is not None and "x_train" not in arrays)
    if long:
        if window is None:
            raise SettingError(f"{path} holds one long series: how many points are seen? Pass --window")
        return posed(forecast_splits(train, window, horizon), name, seed)
    parts = {"train": _last(train, horizon, window, path)}
    if "x_test" in arrays:
        parts["test"] = _last(arrays["x_test"], horizon, window, path)
    if "x_val" in arrays:
        parts["select"] = _last(arrays["x_val"], horizon, window, path)
    return posed(parts, name, seed)


def posed(
    parts: Mapping[str, tuple[np.ndarray, np.ndarray]],
    name: str,
    seed: int,
    labels: tuple[str, ...] = (),
    places: tuple[int, ...] = (),
) -> Problem:
    """Windows and what follows them as a problem; splits that are missing are drawn by seed.

    Args:
        parts: inputs and targets by split.
        name: for tables and files.
        seed: of the split.
        labels: of the channels that are predicted; their numbers when empty.
        places: of those channels among the inputs; all when empty.
    """
    problem = Problem.from_arrays(
        *parts["train"],
        test=parts.get("test"),
        select=parts.get("select"),
        name=name,
        seed=seed,
        task="regression",
        kind="series",
    )
    channels = parts["train"][0].shape[1] if parts["train"][0].ndim == 3 else 1
    places = places or tuple(range(channels))
    labels = labels or (("",) if channels == 1 else tuple(f"channel {place}" for place in places))
    horizon = problem.task.outputs // len(labels)
    assert isinstance(problem.target, Numbers)
    target = replace(
        problem.target,
        name=_FORECAST + ",".join(map(str, places)),
        names=tuple(f"{label} +{step}".strip() for label in labels for step in range(1, horizon + 1)),
    )
    splits = {part: replace(getattr(problem, part), target=target) for part in ("train", "select", "test")}
    return replace(problem, target=target, **splits)


def forecast_channels(target: Target) -> tuple[int, ...]:
    """Which channels a forecast's outputs belong to, equally many each, in order; none where it is no forecast."""
    name = getattr(target, "name", "")
    places = name.removeprefix(_FORECAST).split(",")
    return tuple(map(int, places)) if name.startswith(_FORECAST) and all(map(str.isdigit, places)) else ()


def _last(
    series: np.ndarray, horizon: int, window: int | None, path: str, places: tuple[int, ...] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """The last points of each series, of some of its channels, and those before."""
    seen = series.shape[-1] - horizon if window is None else window
    if horizon < 1 or seen < 2 or seen + horizon > series.shape[-1]:
        raise DataError(
            f"{path}: series have {series.shape[-1]} points, too few for a horizon of {horizon} behind "
            f"{'two points or more' if window is None else f'a window of {window}'}: a horizon is at least 1, a window at least 2"
        )
    place = series.shape[-1] - horizon
    behind = series[:, list(places), place:] if places else series[..., place:]
    return series[..., place - seen : place], behind.reshape(len(series), -1)


@dataclass(frozen=True)
class Layout:
    """How series stand in a table.

    Args:
        targets: the class or number of each series; of forecasts the channels that are predicted, all when empty.
        series_id: the column that tells series apart; None where a row is a series, or the table is one.
        time: the column by which points are ordered.
        horizon: points that are predicted.
        window: points that are seen.
        columns: channels, or points; all others when empty.
        drop: columns that are none.
    """

    targets: tuple[str, ...] = ()
    series_id: str | None = None
    time: str | None = None
    horizon: int | None = None
    window: int | None = None
    columns: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    def channels(self, frame: pd.DataFrame, but: tuple[str, ...]) -> list[str]:
        """Columns of numbers that are left."""
        for name in (*self.targets, self.series_id, self.time, *self.columns, *self.drop):
            if name is not None and name not in frame:
                raise UnknownNameError(f"column {name!r} is not in the table; {nearest(name, frame.columns)}")
        left = [c for c in self.columns or frame.columns if c not in (*but, *self.drop, self.series_id, self.time)]
        for name in left:
            if not pd.api.types.is_numeric_dtype(frame[name]):
                raise DataError(
                    f"column {name!r} of a series holds words ({next(iter(frame[name].dropna()), None)!r}): leave it out with --drop, or make it numbers"
                )
        if not left:
            raise DataError("the table has no column of numbers besides those that are named: there is no series")
        return left


def series_of(
    frame: pd.DataFrame, test: pd.DataFrame | None, how: Layout, name: str, seed: int, task: Any = None
) -> Problem:
    """Pose a table of series: one a row, one point a row, or one long series that is forecast.

    Args:
        frame: the table.
        test: held-out series; a fifth when None.
        how: what stands where.
        name: for tables and files.
        seed: of the split.
        task: read off the target when None.

    Returns:
        The problem.

    Raises:
        UnknownNameError: a column that is not there.
        DataError: gaps, double times, words, a class that changes within a series.
        SettingError: settings that exclude one another.
    """
    if how.window is not None and how.horizon is None:
        raise SettingError("a window is given and no horizon: how many points are predicted? Pass --horizon")
    if how.horizon is not None and how.series_id is None:
        return _long_series(frame, test, how, name, seed)
    if how.time is not None and how.series_id is None:
        raise SettingError(
            "--time orders the points of series: say which column tells them apart (--series-id), or what is predicted (--horizon)"
        )
    if how.horizon is None and len(how.targets) != 1:
        raise DataError(f"{len(how.targets)} targets are named: series have one class or number each (--target COLUMN)")
    parts = {"train": _many(frame, how)} | ({} if test is None else {"test": _many(test, how)})
    if how.horizon is not None:
        labels, places = _predicted(how, how.channels(frame, ()))
        for x, ids in parts.values():
            short = np.isnan(x).any((1, 2))
            if short.any():
                raise DataError(
                    f"series {ids[short.argmax()]!r} ends before others or has gaps: forecasts take series of one length"
                )
        cut = {part: _last(x, how.horizon, how.window, name, places) for part, (x, _) in parts.items()}
        return posed(cut, name, seed, labels, places)
    return Problem.from_arrays(*parts["train"], test=parts.get("test"), name=name, seed=seed, task=task, kind="series")


def new_series(
    frame: pd.DataFrame, how: Layout, channels: int, length: int
) -> tuple[np.ndarray, dict[str, pd.Series] | None]:
    """Series of a table without targets: one a row, one point a row, or one long series, of which the last points are seen.

    Args:
        frame: the table; columns that hold no numbers are left out where `how` names none.
        how: what stands where.
        channels: of a series.
        length: its points, at most.

    Returns:
        The series, and their ids by the column's name where there is one; None where a row is a series.

    Raises:
        UnknownNameError: a column that is not there.
        DataError: other channels, fewer points, gaps, double times.
    """
    words = () if how.columns else tuple(c for c in frame if not pd.api.types.is_numeric_dtype(frame[c]))
    names = how.channels(frame, words)
    if channels == 1 and len(names) == length and how == Layout(drop=how.drop):
        return frame[names].to_numpy(), None
    if len(names) != channels:
        raise DataError(
            f"the table has {len(names)} columns of numbers ({', '.join(map(str, names[:5]))}{', ...' * (len(names) > 5)}); the engram is of series "
            f"of {channels} channels of {length} points: with one point a row name the channels (--columns A,B) and what tells series apart "
            "(--series-id COLUMN), or give an .npz with x (N, channels, T)"
        )
    if how.series_id is not None:
        found, ids = from_long(frame, how.series_id, how.time, names)
        return found, {how.series_id: pd.Series(ids)}
    if how.time is not None:
        frame = sorted_by(frame, how.time, "the table")
    if len(frame) < length:
        raise DataError(f"the table has {len(frame)} rows; the engram sees {length} points at once: give as many")
    return frame[names].to_numpy(dtype=np.float64)[None, -length:].swapaxes(1, 2), {}


def _many(frame: pd.DataFrame, how: Layout) -> tuple[np.ndarray, np.ndarray]:
    """Series and their targets (their ids where they are forecast)."""
    but = () if how.horizon is not None else how.targets
    channels = how.channels(frame, but)
    if how.series_id is None:
        target = frame[how.targets[0]]
        if target.isna().any():
            raise DataError(f"target {how.targets[0]!r} is missing in row {int(target.isna().to_numpy().argmax())}")
        return frame[channels].to_numpy(dtype=np.float64), target.infer_objects().to_numpy()
    if frame[how.series_id].isna().any():
        raise DataError(
            f"column {how.series_id!r} is missing in row {int(frame[how.series_id].isna().to_numpy().argmax())}"
        )
    series, ids = from_long(frame, how.series_id, how.time, channels)
    if how.horizon is not None:
        return series, np.array(ids, dtype=object)
    (only,) = how.targets
    counts = frame.groupby(how.series_id, sort=False)[only].nunique(dropna=False)
    if (counts > 1).any():
        raise DataError(f"target {only!r} changes within series {counts.idxmax()!r}: a series has one")
    return series, frame.groupby(how.series_id, sort=False)[only].first().infer_objects().to_numpy()


def _long_series(frame: pd.DataFrame, test: pd.DataFrame | None, how: Layout, name: str, seed: int) -> Problem:
    """A table that is one series, split by time."""
    if test is not None:
        raise SettingError("one long series is split by time: leave out the test file")
    if how.window is None:
        raise SettingError("the table is one long series: how many points are seen? Pass --window")
    channels = how.channels(frame, ())
    if how.time is not None:
        frame = sorted_by(frame, how.time, "the table")
    values = frame[channels].to_numpy(dtype=np.float64).T
    if np.isnan(values).any():
        channel, place = (int(k) for k in np.argwhere(np.isnan(values))[0])
        raise DataError(f"column {channels[channel]!r} is missing in row {frame.index[place]}: fill the gap")
    labels, places = _predicted(how, channels)
    return posed(forecast_splits(values, how.window, how.horizon or 0, targets=places), name, seed, labels, places)


def _predicted(how: Layout, channels: list[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names and places of the channels that are forecast."""
    wanted = how.targets or tuple(channels)
    for name in wanted:
        if name not in channels:
            raise DataError(f"target {name!r} is no channel of numbers: forecasts predict {', '.join(channels)}")
    return wanted, tuple(channels.index(name) for name in wanted)
