"""Posing a problem of data larger than memory: on a sample, which the rows that train then join from disk."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ..errors import DataError
from .checks import is_classification
from .division import SELECT_MOST, SELECT_SHARE, TEST_SHARE, divide
from .problem import Problem
from .reading import Reading, checked, targets_of
from .streaming import Piece, Pieces, Watch, sampled, stored
from .targets import Classes

__all__ = ["file_identity", "pose_array_stream", "pose_frame_stream"]

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
    single = how.target[0] if len(how.target) == 1 and how.task != "regression" else None
    # Wrong names are refused before everything is read.
    checked(next(iter(pieces())).head(), replace(how, drop_missing=True), "the table")
    found = sampled(pieces, seed, single, _half(watch, 0.0, total))
    rows, imposed = settle(found.rows)
    frame, places = checked(rows, how, "the table"), found.places.numpy()
    if how.drop_missing:
        places = places[rows[list(how.target)].notna().all(axis=1).to_numpy()]
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
        kinds=how.kinds,
    )
    parts = (problem.select, problem.test)
    if not all(isinstance(part.raw, pd.DataFrame) for part in parts):
        raise DataError(f"{name} holds texts, which are read whole: allow more memory (--max-ram), or give fewer rows")
    away = np.concatenate([part.raw.index.to_numpy() for part in parts])  # type: ignore[union-attr]
    away = away[away < len(frame)]
    held = np.sort(places[away])
    groups = None if how.group is None else set(frame[how.group].iloc[away])
    settled = replace(how, task="classification" if isinstance(problem.target, Classes) else "regression")

    def encode(piece: pd.DataFrame, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        kept = ~np.isin(numbers, held, assume_unique=True)
        piece = imposed(piece.rename(columns=str))
        if how.drop_missing:
            kept &= piece[list(how.target)].notna().all(axis=1).to_numpy()
        if groups is not None:
            kept &= ~piece[how.group].isin(groups).to_numpy()
        if how.split is not None:
            kept &= (piece[how.split].astype(str).str.lower() == "train").to_numpy()
        piece = checked(piece[kept], settled, f"the table from row {numbers[0]} on")
        y, *_ = targets_of(piece, settled)
        return problem.preprocessing.encode(piece), problem.target.encode(y)

    said = {"files": identity, "how": asdict(how), "seed": seed, "held": _digest(held)}
    return stored(problem, pieces, found.count, encode, said, _half(watch, 0.5, found.count))


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
    found = sampled(pieces, seed, None, _half(watch, 0.0, total))
    x, y = found.rows
    classify = is_classification(y) if how.get("task") is None else how["task"] == "classification"
    rows, parts = np.arange(len(y)), dict(held or {})
    out: list[np.ndarray] = []
    for part, share in (("test", TEST_SHARE), ("select", min(SELECT_SHARE, SELECT_MOST / len(y)))):
        if part not in parts:
            rows, own = divide(rows, y, None, share, classify, seed, part)
            parts[part] = (x[own], y[own])
            out.append(own)
    away = np.sort(found.places.numpy()[np.concatenate(out)]) if out else np.empty(0, np.int64)
    problem = Problem.from_arrays(
        x[rows], y[rows], test=parts["test"], select=parts["select"], name=name, seed=seed, **how
    )

    def encode(piece: Piece, numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        kept = ~np.isin(numbers, away, assume_unique=True)
        inputs, targets = (np.asarray(part)[kept] for part in piece)
        return problem.preprocessing.encode(inputs), problem.target.encode(targets)

    said = {"files": identity, "how": dict(how), "seed": seed, "held": _digest(away)}
    return stored(problem, pieces, found.count, encode, said, _half(watch, 0.5, found.count))


def _digest(rows: np.ndarray) -> str:
    return hashlib.blake2b(rows.tobytes(), digest_size=12).hexdigest()


def _half(watch: Watch | None, before: float, total: int) -> Watch:
    """The progress of one of two readings by the rows that were read."""
    return (lambda done: None) if watch is None else lambda done: watch(before + min(done / max(total, 1), 1.0) / 2)
