"""Posing a problem: arrays or a table checked, divided, their preprocessing fitted on the training rows."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError, UnknownNameError, nearest
from .checks import as_array, check_task, is_classification, pair
from .division import SELECT_MOST, SELECT_SHARE, TEST_SHARE, divide, hold_out, require_filled, shared_rows
from .metrics import Metric
from .preprocessing import Preprocessing
from .preprocessing.columns import Columns
from .preprocessing.pixels import Pixels
from .preprocessing.vectors import Vectors
from .split import Split
from .targets import Classes, Numbers, Target, rename

__all__ = ["balance", "pose_arrays", "pose_frame"]

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
) -> dict[str, Any]:
    """The fields of a problem of arrays or tensors: see `Problem.from_arrays`."""
    check_task(task)
    x, y = pair(x, y, "data")
    if task == "classification" and y.ndim != 1:
        raise DataError(f"targets have shape {y.shape}: give one label per row, for instance y.argmax(1)")
    classify = is_classification(y) if task is None else task == "classification"
    parts = {"train": (x, y)}
    if test is not None:
        parts["test"] = pair(*test, "test")
    else:
        parts["train"], parts["test"] = hold_out(*parts["train"], TEST_SHARE, classify, seed, "test")
    if select is not None:
        parts["select"] = pair(*select, "validation")
    else:
        share = min(SELECT_SHARE, SELECT_MOST / len(parts["train"][0]))
        parts["train"], parts["select"] = hold_out(*parts["train"], share, classify, seed, "select")
    return _posed(parts, name, classify, top, class_names, names)


def pose_frame(
    frame: pd.DataFrame, target: str, group: str | None, split: str | None, name: str, seed: int, task: str | None
) -> dict[str, Any]:
    """The fields of a problem of a table: see `Problem.from_frame`."""
    check_task(task)
    target = str(target)
    frame = frame.rename(columns=str).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"column {twice[0]!r} stands twice: rename or drop one")
    for column in (target, group, split):
        if column is not None and column not in frame:
            raise UnknownNameError(f"column {column!r} is not in the table; {nearest(column, frame.columns)}")
    if frame[target].isna().any():
        row = int(frame[target].isna().to_numpy().argmax())
        raise DataError(f"target {target!r} is missing in row {row}: remove those rows")
    for column in (group, split):
        if column is not None and frame[column].isna().any():
            raise DataError(f"column {column!r} has missing values: fill them or drop those rows")
    y = as_array(frame[target].to_numpy(), f"targets {target!r}")
    x = frame.drop(columns=[c for c in (target, group, split) if c is not None])
    if x.shape[1] == 0:
        raise DataError(f"the table has no column besides {target!r}: there is nothing to learn from")
    classify = is_classification(y) if task is None else task == "classification"
    groups = None if group is None else frame[group]
    rows: dict[str, Any] = {"train": np.arange(len(x))}
    if split is not None:
        named = frame[split].astype(str).str.lower().replace({"val": "select", "validation": "select"}).to_numpy()
        unknown = set(named) - {"train", "select", "test"}
        if unknown or not {"train", "test"} <= set(named):
            raise DataError(
                f"split column {split!r} holds {sorted(set(named))}: it takes train, test and optionally select"
            )
        rows = {part: np.flatnonzero(named == part) for part in ("train", "select", "test") if part in named}
        if groups is not None and len(set.union(*(set(groups[r]) for r in rows.values()))) < sum(
            groups[r].nunique() for r in rows.values()
        ):
            raise DataError(f"some groups of column {group!r} stand in several splits of column {split!r}")
    for part, share in (("test", TEST_SHARE), ("select", min(SELECT_SHARE, SELECT_MOST / max(1, len(x))))):
        if part not in rows:
            rows["train"], rows[part] = divide(rows["train"], y, groups, share, classify, seed, part)
    parts = {part: (x.iloc[index], y[index]) for part, index in rows.items()}
    return _posed(parts, name, classify, target_name=target)


def balance(counts: Tensor) -> Tensor:
    """Class weights with mean one over rows, from rows per class."""
    return counts.sum() / (counts * len(counts))


def _posed(
    parts: dict[str, tuple[Any, Any]],
    name: str,
    classify: bool,
    top: float | None = None,
    class_names: tuple[str, ...] | None = None,
    names: tuple[str, ...] = (),
    target_name: str = "target",
) -> dict[str, Any]:
    """Fit preprocessing and target, encode every split, choose the metric."""
    x, y = parts["train"]
    preprocessing: Preprocessing
    if isinstance(x, pd.DataFrame):
        preprocessing = Columns.fit(x)
        names = preprocessing.names
    elif x.ndim >= 3:
        preprocessing = Pixels.fit(x, top)
    else:
        preprocessing = Vectors.fit(x)
    target: Target = Classes.fit(np.concatenate([y for _, y in parts.values()])) if classify else Numbers.fit(y)
    target = rename(target, target_name)
    encoded = {part: target.encode(y) for part, (_, y) in parts.items()}
    if isinstance(target, Numbers) and float((encoded["test"].amax(0) - encoded["test"].amin(0)).min()) == 0:
        raise DataError("the target is constant on the test split: nothing can be scored there")
    weights = None
    metric = Metric.R2
    if isinstance(target, Classes):
        counts = torch.bincount(encoded["train"], minlength=target.outputs)
        require_filled(counts, target.names)
        if class_names is not None:
            target = Classes(tuple(class_names[int(n)] for n in target.names))
        uneven = float(counts.max() / counts.min()) > _UNEVEN
        metric = Metric.BALANCED_ACCURACY if uneven else Metric.ACCURACY
        weights = balance(counts) if uneven else None
    splits = {
        part: Split(preprocessing.encode(x), encoded[part], preprocessing, target, weights)
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
