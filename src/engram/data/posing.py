"""Posing a problem: arrays or a table checked, divided, their preprocessing fitted on the training rows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError, SettingError, UnknownNameError, nearest
from .checks import check_task, is_classification, joined_texts, pair, require_single, two_of
from .columns.kinds import Kind, kinds_of
from .division import SELECT_MOST, SELECT_SHARE, TEST_SHARE, divide, hold_out, require_filled, shared_rows
from .metrics import Metric
from .preprocessing import Preprocessing
from .preprocessing.columns import Columns
from .preprocessing.encoded import Encoded
from .preprocessing.pixels import Pixels
from .preprocessing.series import Series, require_series
from .preprocessing.vectors import Vectors
from .reading import Reading, checked, marks_of, named_splits, numbered, require_known, targets_of
from .series import kind_of
from .split import Split
from .targets import Classes, Numbers, Target, rename
from .topics import Topics

__all__ = ["balance", "pose_arrays", "pose_frame", "usual_metric"]

_UNEVEN = 2.0
"""Above this ratio of the largest to the smallest class, recall is averaged over classes."""


def pose_arrays(
    x: Any,
    y: Any,
    test: tuple[Any, Any] | None,
    select: tuple[Any, Any] | None,
    name: str,
    seed: int,
    task: str | None,
    top: float | None,
    class_names: tuple[str, ...] | None,
    names: tuple[str, ...],
    kind: str | None = None,
) -> dict[str, Any]:
    """The fields of a problem of arrays or tensors: see `Problem.from_arrays`."""
    check_task(task)
    x, y = pair(x, y, "data")
    kind, read = kind_of(x, kind, names)
    # Before rows are divided, while their numbers are those of the caller.
    if kind == "series":
        require_series(x)
    elif not isinstance(x, pd.DataFrame) and kind != "text":
        require_single(x, "images" if kind == "images" else "inputs")
    if task == "classification" and y.ndim != 1:
        raise DataError(f"targets have shape {y.shape}: give one label per row, for instance y.argmax(1)")
    classify = is_classification(y) if task is None else task == "classification"
    if names and not isinstance(x, pd.DataFrame) and x.ndim == 2 and len(names) != x.shape[1]:
        raise DataError(f"there are {len(names)} names for {x.shape[1]} columns: give one for each")
    kinds = kinds_of(x.rename(columns=str)) if isinstance(x, pd.DataFrame) else None
    parts = {"train": (x, y)}
    if test is not None:
        parts["test"] = pair(*two_of(test, "test"), "test")
    else:
        parts["train"], parts["test"] = hold_out(*parts["train"], TEST_SHARE, classify, seed, "test")
    if select is not None:
        parts["select"] = pair(*two_of(select, "select"), "validation")
    else:
        share = min(SELECT_SHARE, SELECT_MOST / len(parts["train"][0]))
        parts["train"], parts["select"] = hold_out(*parts["train"], share, classify, seed, "select")
    posed = _posed(parts, name, classify, top, class_names, names, kinds, kind=kind)
    return posed | {"notes": (*read, *_told(kinds or {}), *posed["notes"])}


def pose_frame(frame: pd.DataFrame, test: pd.DataFrame | None, how: Reading, name: str, seed: int) -> dict[str, Any]:
    """The fields of a problem of a table: see `Problem.from_frame`."""
    check_task(how.task)
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{type(frame).__name__} is no DataFrame: from_arrays takes arrays")
    given, frame = len(frame), checked(frame, how, "the table")
    marks = marks_of(frame, how)
    frame = numbered(frame, marks)
    notes = [f"{given - len(frame)} rows without a target are left out"] * (len(frame) < given)
    rows: dict[str, Any] = {"train": np.arange(len(frame))}
    if test is not None:
        if how.split is not None:
            raise SettingError(f"a test table is given: leave out the split column {how.split!r}")
        held = numbered(checked(test, how, "the test table"), marks)
        missing = [c for c in frame.columns if c not in held]
        if missing:
            raise UnknownNameError(
                f"column {missing[0]!r} is not in the test table; {nearest(missing[0], held.columns)}"
            )
        rows["test"] = np.arange(len(frame), len(frame) + len(held))
        frame = pd.concat([frame, held[list(frame.columns)]])
    own_numbers, frame = frame.index, frame.reset_index(drop=True)
    y, classify, binary = targets_of(frame, how)
    if test is not None and classify:
        require_known(y[rows["train"]], y[rows["test"]])
    x = frame.drop(columns=[c for c in (*how.target, how.group, how.split) if c is not None])
    x = x[[c for c in x.columns if c not in how.drop and (not how.columns or c in how.columns)]]
    if x.shape[1] == 0:
        raise DataError(f"the table has no column besides {', '.join(how.target)}: there is nothing to learn from")
    # What is wrong is told by a row's number in its own file.
    x = x.set_axis(own_numbers)
    own = x if test is None else x.iloc[rows["train"]]
    kinds = kinds_of(own, {name: kind for name, kind in how.kinds.items() if name in x})
    groups = None if how.group is None else frame[how.group]
    if how.split is not None:
        rows = named_splits(frame[how.split])
        if groups is not None and len(set.union(*(set(groups[r]) for r in rows.values()))) < sum(
            groups[r].nunique() for r in rows.values()
        ):
            raise DataError(f"some groups of column {how.group!r} stand in several splits of column {how.split!r}")
    for part, share in (("test", TEST_SHARE), ("select", min(SELECT_SHARE, SELECT_MOST / max(1, len(x))))):
        if part not in rows:
            rows["train"], rows[part] = divide(rows["train"], y, groups, share, classify, seed, part)
    read = tuple(name for name, kind in kinds.items() if kind not in (Kind.ID, Kind.CONSTANT))
    if read and all(kinds[name] is Kind.TEXT for name in read):
        texts = joined_texts(x, read)
        parts = {part: (texts[index], y[index]) for part, index in rows.items()}
        posed = _posed(parts, name, classify, target_names=how.target, binary=binary, kind="text", columns=read)
    else:
        parts = {part: (x.iloc[index], y[index]) for part, index in rows.items()}
        posed = _posed(parts, name, classify, kinds=kinds, target_names=how.target, binary=binary)
    return posed | {"notes": (*notes, *_told(kinds), *posed["notes"])}


def _told(kinds: Mapping[str, Kind]) -> list[str]:
    """What a reader should know of the columns' kinds."""
    of = {kind: [name for name, own in kinds.items() if own is kind] for kind in Kind}
    notes = []
    if of[Kind.ID]:
        notes.append(f"left out as ids: {', '.join(of[Kind.ID])} (--column NAME=KIND reads one otherwise)")
    if of[Kind.CONSTANT]:
        notes.append(f"left out as constant: {', '.join(of[Kind.CONSTANT])}")
    for kind, words in ((Kind.DATE, "dates"), (Kind.TEXT, "texts")):
        if of[kind]:
            notes.append(f"read as {words}: {', '.join(of[kind])}")
    return notes


def usual_metric(counts: Tensor) -> Metric:
    """By which classes of so many training rows are judged, where nobody says it."""
    uneven = float(counts.max() / counts[counts > 0].min()) > _UNEVEN
    return Metric.BALANCED_ACCURACY if uneven else Metric.ACCURACY


def balance(counts: Tensor) -> Tensor:
    """Class weights with mean one over rows, from rows per class."""
    return counts.sum() / (counts.clamp_min(1) * (counts > 0).sum())


def _renamed(target: Classes, names: tuple[str, ...], encoded: dict[str, Tensor]) -> tuple[Classes, dict[str, Tensor]]:
    """Whole-number labels as places in a list of names, which may hold more classes than there are."""
    try:
        numbers = [int(name) for name in target.names]
    except ValueError as error:
        raise DataError(f"class_names are for labels 0, 1, ...; these are {', '.join(target.names[:5])}") from error
    if len(set(names)) < len(names):
        raise DataError("class_names: one stands twice")
    if min(numbers) < 0 or max(numbers) >= len(names):
        raise DataError(f"label {max(numbers)} has no name: there are {len(names)} class_names, for labels 0, 1, ...")
    places = torch.tensor(numbers)
    return Classes(tuple(map(str, names))), {part: places[rows] for part, rows in encoded.items()}


def _posed(
    parts: Mapping[str, tuple[Any, Any]],
    name: str,
    classify: bool,
    top: float | None = None,
    class_names: tuple[str, ...] | None = None,
    names: tuple[str, ...] = (),
    kinds: Mapping[str, Kind] | None = None,
    target_names: tuple[str, ...] = (),
    binary: bool = False,
    kind: str = "rows",
    columns: tuple[str, ...] = (),
) -> dict[str, Any]:
    """Fit preprocessing and target, encode every split, choose the metric."""
    x, y = parts["train"]
    preprocessing: Preprocessing
    if isinstance(x, pd.DataFrame):
        preprocessing = Columns.fit(x, kinds)
        names = preprocessing.names
    elif kind == "text":
        topics = Topics.fit(x, y)
        size = sum(len(text.encode()) for text in x) // len(x)
        preprocessing = Encoded.fit(topics, topics.vectors(x), size, columns)
    elif kind == "images":
        preprocessing = Pixels.fit(x, top)
    elif kind == "series":
        every = [own for own, _ in parts.values()]
        # Their shape must serve all splits; what is measured is the training rows alone.
        ragged = any(own.dtype.kind == "f" and bool(np.isnan(own).any()) for own in every)
        preprocessing = Series.fit(x, max(own.shape[-1] for own in every), ragged)
    else:
        preprocessing = Vectors.fit(x)
    target: Target = Classes.fit(np.concatenate([y for _, y in parts.values()])) if classify else Numbers.fit(y)
    target = rename(target, target_names, binary)
    encoded = {part: target.encode(y) for part, (_, y) in parts.items()}
    if isinstance(target, Numbers) and float((encoded["test"].amax(0) - encoded["test"].amin(0)).min()) == 0:
        raise DataError("the target is constant on the test split: nothing can be scored there")
    weights = None
    metric = Metric.R2
    if isinstance(target, Classes):
        counts = torch.bincount(encoded["train"], minlength=target.outputs)
        require_filled(counts, target.names)
        if class_names is not None:
            target, encoded = _renamed(target, class_names, encoded)
            counts = torch.bincount(encoded["train"], minlength=target.outputs)
        metric = usual_metric(counts)
        weights = balance(counts) if metric is Metric.BALANCED_ACCURACY else None
    splits = {
        part: Split(
            preprocessing.encode(x),
            encoded[part],
            preprocessing,
            target,
            weights,
            raw=x if isinstance(x, pd.DataFrame) or kind == "text" else None,
        )
        for part, (x, _) in parts.items()
    }
    notes: tuple[str, ...] = ()
    shared = shared_rows(splits["train"].inputs, splits["test"].inputs)
    if shared:
        notes = (f"{shared} of {len(splits['test'])} test rows also stand in the training split",)
    return {
        "name": name,
        **splits,
        "preprocessing": preprocessing,
        "target": target,
        "metric": metric,
        "notes": notes,
        "names": names,
    }
