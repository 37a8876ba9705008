"""How a table is read: which columns are targets, inputs, splits; and what is refused before anything is fitted."""

import decimal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError, UnknownNameError, nearest
from .checks import as_array, is_classification, require_one_level
from .columns.amounts import decimal_mark, is_amounts, numbers

__all__ = ["Reading", "checked", "marks_of", "named_splits", "numbered", "require_known", "split_names", "targets_of"]

_MANY, _LEAST = 20, 5
"""Whole numbers of more values than this, some in fewer rows than that, are asked about: classes, or a number?"""


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    Args:
        target: columns to predict; several are several outputs.
        group: a column whose equal values stay in one split.
        split: a column that says train, test and optionally select.
        task: classification or regression; read off the target when None.
        drop: columns that are no inputs.
        columns: the only inputs; all others when empty.
        kinds: of columns, by name, where they are not to be inferred.
        drop_missing: whether rows without a target are left out.
    """

    target: tuple[str, ...]
    group: str | None = None
    split: str | None = None
    task: str | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop_missing: bool = False


def checked(frame: pd.DataFrame, how: Reading, where: str) -> pd.DataFrame:
    """The table with names that are words, if it has what is asked of it; without rows that lack a target, where they are dropped."""
    require_one_level(frame, f"{where} has")
    frame = frame.rename(columns=str).reset_index(drop=True)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError(f"column {twice[0]!r} stands twice: rename or drop one")
    if not how.target:
        raise DataError("no target is named: which column is predicted?")
    for column in (*how.target, how.group, how.split, *how.drop, *how.columns, *how.kinds):
        if column is not None and column not in frame:
            raise UnknownNameError(f"column {column!r} is not in {where}; {nearest(column, frame.columns)}")
    for column in how.target:
        if frame[column].isna().any() and not how.drop_missing:
            row = int(frame[column].isna().to_numpy().argmax())
            raise DataError(
                f"target {column!r} is missing in row {row}: remove those rows, or pass --drop-missing (drop_missing=True)"
            )
    for column in (how.group, how.split):
        if column is not None and frame[column].isna().any():
            raise DataError(f"column {column!r} has missing values: fill them or drop those rows")
    if not how.drop_missing:
        return frame
    frame = frame[frame[list(how.target)].notna().all(axis=1)]
    return frame.assign(**{name: _without_gaps(frame[name]) for name in how.target})


def marks_of(frame: pd.DataFrame, how: Reading) -> dict[str, str]:
    """The decimal mark of each target that is written as an amount is, and so a number; words with letters are classes."""
    marks: dict[str, str] = {}
    for name in how.target if how.task != "classification" else ():
        words = frame[name].dropna()
        if isinstance(words.dtype, pd.CategoricalDtype) or not all(isinstance(word, str) for word in words):
            continue
        if is_amounts(words) and not words.str.contains(r"[A-Za-z]").any():
            marks[name] = decimal_mark(words)
    return marks


def numbered(frame: pd.DataFrame, marks: Mapping[str, str]) -> pd.DataFrame:
    """The table with these targets as numbers, by the marks of the whole table or of a sample: some rows alone may not tell."""
    return frame.assign(**{name: numbers(frame[name], name, mark) for name, mark in marks.items()})


def targets_of(frame: pd.DataFrame, how: Reading) -> tuple[np.ndarray, bool, bool]:
    """Targets, whether they are classes, and whether they are several that are 0 or 1."""
    if len(how.target) == 1:
        (only,) = how.target
        if pd.api.types.is_datetime64_any_dtype(frame[only]):
            raise DataError(
                f"target {only!r} holds dates: predict a number made of them, such as days, or another column"
            )
        y = as_array(_plain(frame[only]).to_numpy(), f"targets {only!r}")
        classify = is_classification(y) if how.task is None else how.task == "classification"
        if classify and how.task is None:
            _require_classes(frame[only], only)
        return y, classify, False
    if len(set(how.target)) < len(how.target):
        raise DataError(f"targets {', '.join(how.target)}: one stands twice")
    if how.task == "classification":
        raise DataError(
            f"classes of several columns ({', '.join(how.target)}) are no one target: join them into one column"
        )
    for name in how.target:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            raise DataError(
                f"target {name!r} holds {frame[name].dtype}: several targets are numbers, or 0 and 1; distil classes one by one"
            )
    y = frame[list(how.target)].to_numpy(dtype=np.float64)
    return y, False, bool(np.isin(y, (0.0, 1.0)).all())


def _without_gaps(column: pd.Series) -> pd.Series:
    """Whole numbers that gaps had made floats."""
    floats = column.dtype.kind == "f" and (column == column.round()).all()
    return column.astype(np.int64) if floats else column


def _plain(column: pd.Series) -> pd.Series:
    """Objects of one type as that type."""
    if column.dtype == object:
        if all(isinstance(value, decimal.Decimal) for value in column):
            return column.astype(np.float64)
        return column.infer_objects()
    return column


def _require_classes(column: pd.Series, name: str) -> None:
    """Refuse what reads as classes and cannot be."""
    counts = column.value_counts()
    if int(counts.max()) == 1 and len(counts) > 2:
        raise DataError(f"every value of target {name!r} is another: it is an id, or text; predict another column")
    whole = pd.api.types.is_numeric_dtype(column) and len(counts) > _MANY
    if whole and int(counts.min()) < _LEAST:
        raise DataError(
            f"target {name!r} has {len(counts)} whole numbers, {counts.index[-1]} in {int(counts.min())} row(s): pass --task "
            f"regression (task='regression') to predict it as a number, or --task classification for classes"
        )


def require_known(y: np.ndarray, held: np.ndarray) -> None:
    """Refuse a class of the test table that the other table does not hold."""
    unknown = ~np.isin(held, np.unique(y))
    if unknown.any():
        row = int(unknown.argmax())
        raise DataError(
            f"the test table holds class {held[row]!r} in row {row}, which no other row has: mend or remove it"
        )


def named_splits(column: pd.Series) -> dict[str, np.ndarray]:
    """The rows of each split that a column names, train and test among them."""
    named = split_names(column)
    if not {"train", "test"} <= set(named):
        raise _odd_splits(column.name, named)
    return {part: np.flatnonzero(named == part) for part in ("train", "select", "test") if part in set(named)}


def split_names(column: pd.Series) -> np.ndarray:
    """The split of each row: train, select or test.

    Raises:
        DataError: another word.
    """
    words = column.astype(str).str.lower().replace({"val": "select", "validation": "select"}).to_numpy()
    if set(words) - {"train", "select", "test"}:
        raise _odd_splits(column.name, words)
    return words


def _odd_splits(column: Any, words: np.ndarray) -> DataError:
    return DataError(f"split column {column!r} holds {sorted(set(words))}: it takes train, test and optionally select")
