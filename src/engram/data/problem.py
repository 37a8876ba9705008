"""Real data with named splits: what a method may learn from, choose on, and be judged by."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError
from ..random import minibatch
from .encoder import Watch, open_encoder
from .linear_part import fit_linear
from .metrics import Metric, metric_of
from .posing import balance, pose_arrays, pose_frame
from .preprocessing import Preprocessing
from .reading import Reading
from .reposing import encoded, reposed
from .split import Split
from .targets import Classes, Target
from .task import Task

__all__ = ["Problem"]

_VALIDATION_MOST = 1000
"""Validation rows that are scored while something runs."""


@dataclass(frozen=True, eq=False, repr=False)
class Problem:
    """A learning problem: splits, fitted preprocessing, target, metric.

    Args:
        name: for tables and files.
        train: what is distilled.
        select: what hyperparameters and checkpoints are chosen on.
        test: what only `evaluate` reads.
        preprocessing: raw inputs to tensors, fitted on `train`.
        target: raw targets to tensors; numbers are scaled by `train`, classes are named by all rows.
        metric: chosen by the task.
        notes: warnings a reader of the scores should know.
        names: of the input columns, where they have any.
        linear: (d + 1, C) linear part that was taken off the targets (`residual`), its last row the constant; None
            when nothing was.
        rank: number of directions on which the target depends, where that is known.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> problem = Problem.from_arrays(rng.normal(size=(50, 3)), np.arange(50) % 2)
        >>> len(problem.train), len(problem.select), len(problem.test)
        (32, 8, 10)
    """

    name: str
    train: Split
    select: Split
    test: Split
    preprocessing: Preprocessing
    target: Target
    metric: Metric
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    linear: Tensor | None = None
    rank: int | None = None

    def __repr__(self) -> str:
        rows = ", ".join(f"{len(getattr(self, part)):,} {part}" for part in ("train", "select", "test"))
        kind = f"{self.classes} classes" if self.classes else f"{self.task.outputs} real target(s)"
        return f"Problem({self.name}: {rows} rows of shape {self.task.shape}, {kind}, {self.metric.value})"

    @property
    def task(self) -> Task:
        """What a network must fit."""
        return Task(self.preprocessing.shape, self.target.outputs, self.metric)

    @property
    def classes(self) -> int | None:
        """Number of classes; None for regression."""
        return self.target.outputs if isinstance(self.target, Classes) else None

    @property
    def bytes(self) -> int:
        """Cost of the training and validation data with hard labels: what an engram stands for."""
        return (len(self.train) + len(self.select)) * self.row_bytes()

    def row_bytes(self, number: int = 4) -> int:
        """Cost of one real row, its label included, when a real number takes `number` bytes."""
        return self.preprocessing.item_bytes(number) + self.target.label_bytes

    @cached_property
    def validation(self) -> Split:
        """The rows of `select` that are scored while something runs: at most a thousand, drawn once."""
        return self.select.rows(minibatch(len(self.select), _VALIDATION_MOST, 0, 0, "validation"))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of every row and label, by which a resumed run knows its data again."""
        digest = hashlib.blake2b(digest_size=16)
        for split in (self.train, self.select, self.test):
            for part in split.content():
                digest.update(part)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> "Problem":
        """The same problem with its rows on another device."""
        train, select, test = (split.to(device) for split in (self.train, self.select, self.test))
        linear = None if self.linear is None else self.linear.to(device)
        return replace(self, train=train, select=select, test=test, linear=linear)

    def scored_by(self, metric: Metric | str) -> "Problem":
        """The same problem, chosen on and judged by another metric.

        Args:
            metric: accuracy, balanced-accuracy (whose rows weigh by their classes), auroc, f1; or r2, mae.

        Raises:
            SettingError: a metric of the other task.

        Example:
            >>> Problem.from_arrays(torch.randn(20, 2), torch.arange(20) % 2).scored_by("auroc").metric.value
            'AUROC'
        """
        metric = metric_of(metric, self.classes is not None)
        weights = self.train.class_weights
        if metric is Metric.ACCURACY:
            weights = None
        elif metric is Metric.BALANCED_ACCURACY:
            weights = balance(torch.tensor(self.train.class_sizes))
        parts = {part: replace(getattr(self, part), class_weights=weights) for part in ("train", "select", "test")}
        return replace(self, metric=metric, **parts)

    def residual(self) -> "Problem":
        r"""Take the constant and linear part off the targets: :math:`y \leftarrow y - (x, 1)^\top \beta`, fitted on `train`.

        One step of a network that starts at zero sees a linear part before all else, and little beside it. Least
        squares on the very rows of the step leaves nothing of it; what was taken is kept and added back at prediction.
        Scores are then shares of the variance that it leaves.

        Returns:
            The problem of what is left.

        Raises:
            DataError: the target is no number, or its linear part was taken already.

        References:
            Damian, Lee, Soltanolkotabi 2022, algorithm 1.

        Example:
            >>> import numpy as np
            >>> x = np.random.default_rng(0).normal(size=(60, 2))
            >>> problem = Problem.from_arrays(x, x[:, 0] + x[:, 1] ** 2, task="regression").residual()
            >>> float(problem.train.inputs[:, 0] @ problem.train.targets[:, 0]) < 1e-3
            True
        """
        if self.classes is not None or self.linear is not None:
            raise DataError(f"{self.name}: only a number can lose its linear part, and only once")
        linear = fit_linear(self.train)
        parts = {part: getattr(self, part).minus(linear) for part in ("train", "select", "test")}
        return replace(self, linear=linear, **parts)

    def under(
        self, preprocessing: Preprocessing, target: Target, metric: Metric, linear: Tensor | None = None
    ) -> "Problem":
        """The same rows seen through another problem's fitted preprocessing, to judge an engram on other data.

        Args:
            preprocessing: the other problem's.
            target: the other problem's.
            metric: the other problem's.
            linear: the linear part that the other problem took off its targets.

        Returns:
            The problem, re-encoded.

        Raises:
            EngramError: other columns, shapes or classes.
        """
        return replace(self, **reposed(self, preprocessing, target, metric, linear))

    def through(self, encoder: Any, watch: Watch | None = None) -> "Problem":
        r"""The same texts or images in the space of a frozen encoder: :math:`x \leftarrow f(x)`.

        Args:
            encoder: a path or anything that can be called (`encoder.open_encoder`).
            watch: called with the share that is computed.

        Returns:
            The problem of vectors, which the cache keeps; whoever replays its engram opens the same encoder, or gives vectors.

        Raises:
            DataError: inputs are neither texts nor images.
            SettingError: no encoder, or one of the other kind.

        Example:
            >>> import numpy as np
            >>> images = np.random.default_rng(0).random((40, 4, 4))
            >>> Problem.from_arrays(images, np.arange(40) % 2).through(lambda pixels: pixels.mean(3)[:, 0]).task.shape
            (4,)
        """
        return replace(self, **encoded(self, open_encoder(encoder), watch))

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        *,
        test: tuple[Any, Any] | None = None,
        select: tuple[Any, Any] | None = None,
        name: str = "data",
        seed: int = 0,
        task: Literal["classification", "regression"] | None = None,
        top: float | None = None,
        class_names: tuple[str, ...] | None = None,
        names: tuple[str, ...] = (),
        kind: Literal["rows", "series", "images"] | None = None,
    ) -> Self:
        """Pose a problem from arrays or tensors; splits that are not given are drawn by seed.

        Args:
            x: (N, d) rows, (N, T) or (N, C, T) series, (N, H, W), (N, H, W, C) or (N, C, H, W) images; N texts; or a DataFrame.
            y: (N,) labels or numbers, or (N, C) numbers.
            test: inputs and targets held out; a fifth of the rows when None.
            select: validation inputs and targets; a fifth of the remaining rows when None.
            name: for tables and files.
            seed: of the split.
            task: read off the target when None.
            top: largest value of a pixel, for images.
            class_names: names for whole-number labels 0, 1, ...
            names: of the columns.
            kind: how (N, T) and (N, C, T) are read; by their values when None, with a note (`data.series.kind_of`).

        Returns:
            The problem, preprocessing fitted on the training rows only.

        Raises:
            DataError: not finite, wrong shapes, a constant target, a class of fewer than two rows.

        Example:
            >>> x = torch.randn(40, 8, 8, generator=torch.Generator().manual_seed(0))
            >>> Problem.from_arrays(x, torch.arange(40) % 4).task.shape
            (1, 8, 8)
        """
        return cls(**pose_arrays(x, y, test, select, name, seed, task, top, class_names, names, kind))

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        target: str | Sequence[str],
        *,
        test: pd.DataFrame | None = None,
        group: str | None = None,
        split: str | None = None,
        name: str = "table",
        seed: int = 0,
        task: Literal["classification", "regression"] | None = None,
        drop: Sequence[str] = (),
        columns: Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
        drop_missing: bool = False,
    ) -> Self:
        """Pose a problem from a table: numbers, categories, dates and texts, missing values allowed in inputs.

        What a column is, is read off its values (`data.columns.kinds`); ids and constants are left out, with a note.

        Args:
            frame: one row per sample.
            target: the column to predict; several columns of numbers, or of 0 and 1, are several outputs.
            test: a table of held-out rows with the same columns; a fifth of the rows when None.
            group: a column whose equal values must stay in one split (patients, sessions).
            split: a column that says `train`, `test` and optionally `select` (or `val`) for each row.
            name: for tables and files.
            seed: of the split.
            task: read off the target when None.
            drop: columns that are no inputs.
            columns: the only inputs; all when empty.
            kinds: number, category, date, text, id or constant, by the names of columns.
            drop_missing: whether rows without a target are left out.

        Returns:
            The problem; `group` and `split` are not inputs.

        Raises:
            UnknownNameError: a column that is not there.
            DataError: missing or constant target, unknown split names, a value that its column cannot hold.

        Example:
            >>> import numpy as np
            >>> frame = pd.DataFrame({"a": np.linspace(0, 1, 40), "b": ["x", "y"] * 20, "t": [0, 1] * 20})
            >>> Problem.from_frame(frame, "t").preprocessing.names
            ('a', 'b = x', 'b = y')
        """
        targets = tuple(map(str, target)) if isinstance(target, list | tuple) else (str(target),)
        how = Reading(targets, group, split, task, tuple(drop), tuple(columns), dict(kinds or {}), drop_missing)
        return cls(**pose_frame(frame, test, how, name, seed))
