"""Posing a problem of data larger than memory: on a sample, which the rows that train then join from disk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError
from .checks import is_classification
from .division import SELECT_MOST, SELECT_SHARE, TEST_SHARE, divide
from .preprocessing.series import Series
from .problem import Problem
from .reading import Reading, checked, marks_of, numbered, split_names, targets_of
from .sampling import OF_CLASS, OF_SPLIT, Piece, Pieces, Watch, sampled
from .split import Split
from .streaming import Encoder, stored
from .targets import Classes

__all__ = ["file_identity", "pose_array_stream", "pose_frame_stream"]

_FARTHEST = 1e15
"""Standard deviations; beyond, a number has no square in single precision."""

Settle = Callable[[pd.DataFrame], tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame]]]
"""A sample of a table of words to the same with types, and what gives them to any other rows."""


def file_identity(*paths: str | Path) -> list[list[Any]]:
    """What tells files from those that they were: path, size, time."""
    return [[str(Path(p).resolve()), Path(p).stat().st_size, Path(p).stat().st_mtime_ns] for p in paths]


def pose_frame_stream(
    pieces: Callable[[], Iterator[pd.DataFrame]],
    how: Reading,
    name: str,
    seed: int,
    identity: Mapping[str, Any],
    total: int,
    test: pd.DataFrame | None = None,
    settle: Settle = lambda frame: (frame, lambda piece: piece),
    watch: Watch | None = None,
) -> Problem:
    """Pose a problem of a table that is read in pieces (`Problem.from_frame` says what is read how).

    Args:
        pieces: the table, some rows at a time, the same at every reading.
        how: it is read.
        name: for tables and files.
        seed: of the split.
        identity: of the files.
        total: rows, nearly, for the progress.
        test: held-out rows.
        settle: gives columns of words their types, by the sample, and then those of every piece.
        watch: called with the share that is read.

    Returns:
        The problem; validation and test rows are a sample's, training rows lie on disk.

    Raises:
        DataError: texts, or what `Problem.from_frame` refuses.
    """
    # Wrong names are refused before everything is read.
    first = next(iter(pieces()), None)
    if first is None:
        raise DataError(f"{name} has no rows")
    checked(first.head(), replace(how, drop_missing=True), "the table")
    sure = {how.target[0]: OF_CLASS} if len(how.target) == 1 and how.task != "regression" else {}
    sure |= {} if how.split is None else {how.split: OF_SPLIT}
    found, usual = sampled(pieces, seed, sure, _half(watch, 0.0, total))
    rows, imposed = settle(found.rows)
    frame, places = checked(rows, how, "a sample of the table"), found.places.numpy()
    if how.drop_missing:
        filled = rows[list(how.target)].notna().all(axis=1).to_numpy()
        places, usual = places[filled], usual[filled]
    counters = {column: "id" for column in frame if column not in how.target and _counts_rows(frame[column], places)}
    problem = Problem.from_frame(
        frame,
        how.target,
        test=test,
        group=how.group,
        split=how.split,
        name=name,
        seed=seed,
        task=how.task,  # type: ignore[arg-type]
        drop=how.drop,
        columns=how.columns,
        kinds=counters | dict(how.kinds),
    )
    if not all(isinstance(part.raw, pd.DataFrame) for part in (problem.select, problem.test)):
        raise DataError(f"{name} holds texts, which are read whole: allow more memory (--max-ram), or give fewer rows")
    if how.split is None:
        problem = replace(problem, select=_even(problem.select, usual), test=_even(problem.test, usual))
    parts = (problem.select, problem.test)
    away = np.concatenate([part.raw.index.to_numpy() for part in parts])  # type: ignore[union-attr]
    away = away[away < len(frame)]
    held = np.sort(places[away])
    groups = None if how.group is None else set(frame[how.group].iloc[away])
    marks = marks_of(frame, how)
    settled = replace(how, task="classification" if isinstance(problem.target, Classes) else "regression")

    def encode(piece: pd.DataFrame, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        kept = ~np.isin(numbers, held, assume_unique=True)
        # Rows of JSON lack what is missing in all of them.
        piece = imposed(piece.rename(columns=str).reindex(columns=rows.columns))
        if how.drop_missing:
            kept &= piece[list(how.target)].notna().all(axis=1).to_numpy()
        if groups is not None:
            kept &= ~piece[how.group].isin(groups).to_numpy()
        if how.split is not None:
            kept &= split_names(piece[how.split]) == "train"
        piece = numbered(checked(piece[kept], settled, "the table"), marks)
        y, *_ = targets_of(piece, settled)
        inputs = problem.preprocessing.encode(piece)
        if len(inputs) and float(inputs.abs().max()) > _FARTHEST:
            raise DataError("a column holds numbers far beyond all others: mend or rescale it")
        return inputs, problem.target.encode(y)

    said = {"files": identity, "how": asdict(how), "seed": seed, "held": _digest(held)}
    return stored(problem, pieces, found.count, _placed(encode), said, _half(watch, 0.5, found.count))


def pose_array_stream(
    pieces: Pieces,
    name: str,
    seed: int,
    identity: Mapping[str, Any],
    total: int,
    how: Mapping[str, Any],
    held: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Problem:
    """Pose a problem of arrays that are read in pieces.

    Args:
        pieces: inputs and targets, some rows at a time, the same at every reading.
        name: for tables and files.
        seed: of the split.
        identity: of the files.
        total: rows, for the progress.
        how: `task` and `kind`, as in `Problem.from_arrays`.
        held: held-out inputs and targets, as `test` and `select`; drawn from a sample where they are missing.
        watch: called with the share that is read.

    Returns:
        The problem; validation and test rows that are drawn are a sample's, training rows lie on disk.

    Raises:
        DataError: what `Problem.from_arrays` refuses.
    """
    found, usual = sampled(pieces, seed, {"y": OF_CLASS}, _half(watch, 0.0, total))
    x, y = found.rows
    classify = is_classification(y) if how.get("task") is None else how["task"] == "classification"
    rows, parts = np.arange(len(y)), dict(held or {})
    out: list[np.ndarray] = []
    for part, share in (("test", TEST_SHARE), ("select", min(SELECT_SHARE, SELECT_MOST / len(y)))):
        if part not in parts:
            rows, own = divide(rows, y, None, share, classify, seed, part)
            own, back = _evenly(own, usual, y if classify else None)
            rows = np.concatenate([rows, back])
            parts[part] = (x[own], y[own])
            out.append(own)
    away = np.sort(found.places.numpy()[np.concatenate(out)]) if out else np.empty(0, np.int64)
    problem = Problem.from_arrays(
        x[rows], y[rows], test=parts["test"], select=parts["select"], name=name, seed=seed, **how
    )

    if isinstance(problem.preprocessing, Series):
        raise DataError(f"{name} holds series, which are read whole: allow more memory (--max-ram), or say --kind rows")

    def encode(piece: Piece, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        kept = ~np.isin(numbers, away, assume_unique=True)
        inputs, targets = (np.asarray(part)[kept] for part in piece)
        return problem.preprocessing.encode(inputs), problem.target.encode(targets)

    said = {"files": identity, "how": dict(how), "seed": seed, "held": _digest(away)}
    return stored(problem, pieces, found.count, _placed(encode), said, _half(watch, 0.5, found.count))


def _counts_rows(column: pd.Series, places: np.ndarray) -> bool:
    """Whether a column is the number of the row, from whatever number on: the sample of a counter skips what it skips."""
    if not pd.api.types.is_integer_dtype(column) or column.isna().any() or len(column) < 2:
        return False
    apart = column.to_numpy(dtype=np.int64) - places
    return bool((apart == apart[0]).all())


def _even(split: Split, usual: np.ndarray) -> Split:
    """A held-out split without the rows that are in the sample for their class alone, unless the class has no others."""
    assert isinstance(split.raw, pd.DataFrame)
    rows = split.raw.index.to_numpy()
    known = np.concatenate([usual, np.ones(max(0, rows.max() + 1 - len(usual)), bool)])
    labels = split.targets.numpy() if isinstance(split.target, Classes) else None
    kept, _ = _evenly(np.arange(len(rows)), known[rows], labels)
    return split.rows(torch.from_numpy(kept))


def _evenly(rows: np.ndarray, usual: np.ndarray, labels: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are usual or of a class that has no usual one among them, and the others."""
    kept = usual[rows]
    if labels is not None:
        kept = kept | ~np.isin(labels[rows], np.unique(labels[rows][kept]))
    return rows[kept], rows[~kept]


def _placed(encode: Encoder) -> Encoder:
    """Says in which rows of the source something is wrong."""

    def told(piece: Piece, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        try:
            return encode(piece, numbers)
        except (DataError, LookupError, TypeError, ValueError) as error:
            raise DataError(f"rows {numbers[0]:,} to {numbers[-1]:,}: {error}") from error

    return told


def _digest(rows: np.ndarray) -> str:
    return hashlib.blake2b(rows.tobytes(), digest_size=12).hexdigest()


def _half(watch: Watch | None, before: float, total: int) -> Watch:
    """The progress of one of two readings by the rows that were read."""
    return (lambda done: None) if watch is None else lambda done: watch(before + min(done / max(total, 1), 1.0) / 2)
