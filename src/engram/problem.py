"""Real data with named splits: what a method may learn from, choose on, and be judged by."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .budget import Budget, PerClass, Precision
from .errors import BudgetError, DataError, SettingError, UnknownNameError, nearest
from .metrics import Metric
from .preprocessing import Classes, Columns, Numbers, Pixels, Preprocessing, Target, Vectors
from .preprocessing.targets import rename
from .random import integer, minibatch

__all__ = ["Problem", "Split", "Task", "fit_linear", "linear_part"]

_UNEVEN = 2.0
"""Above this ratio of the largest to the smallest class, recall is averaged over classes."""
_SELECT = 0.2
_TEST = 0.2
_SELECT_MOST = 5000
"""Validation rows beyond this number would cost more training data than they add certainty."""


_VALIDATION_MOST = 1000


@dataclass(frozen=True)
class Task:
    """What a network must fit: shape of an input, number of outputs, and the metric.

    Example:
        >>> Task((64,), 10, Metric.ACCURACY).outputs
        10
    """

    shape: tuple[int, ...]
    outputs: int
    metric: Metric


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows, held compactly; batches come normalised.

    Args:
        inputs: stored tensor (N, ...).
        targets: (N,) class numbers or (N, C) standardised.
        preprocessing: normalises a batch.
        target: turns class numbers into scores.
        class_weights: (C,) with mean one over rows, when the metric averages over classes.
    """

    inputs: Tensor
    targets: Tensor
    preprocessing: Preprocessing
    target: Target
    class_weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor, Tensor | None]:
        """Normalised inputs, target scores, and weights (None: all one) of the rows at `index`."""
        targets = self.targets[index]
        weights = None if self.class_weights is None else self.class_weights[targets]
        return self.preprocessing.normalise(self.inputs[index]), self.target.scores(targets), weights

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> tuple[Tensor, Tensor, Tensor | None]:
        """One minibatch (`random.minibatch`)."""
        return self.batch(minibatch(len(self), size, step, seed, *names).to(self.device))

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.inputs.device

    @cached_property
    def by_class(self) -> tuple[Tensor, ...]:
        """Rows of each class; all rows as one group for real targets."""
        if not isinstance(self.target, Classes):
            return (torch.arange(len(self), device=self.device),)
        return tuple(torch.nonzero(self.targets == c).flatten() for c in range(self.target.outputs))

    def batches(self, size: int = 1024) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """All rows in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def rows(self, index: Tensor) -> "Split":
        """The split of these rows alone."""
        return Split(self.inputs[index], self.targets[index], self.preprocessing, self.target, self.class_weights)

    def held(self) -> "Split":
        """All rows, in memory."""
        return self

    def minus(self, linear: Tensor) -> "Split":
        """The same rows, their real targets less a linear function of the inputs (`fit_linear`)."""
        parts = [y - linear_part(linear, x) for x, y, _ in self.batches()]
        return Split(self.inputs, torch.cat(parts), self.preprocessing, self.target, self.class_weights)

    def content(self) -> Iterator[bytes | memoryview]:
        """All that tells these rows from others, for a hash."""
        for tensor in (self.inputs, self.targets):
            yield str(tuple(tensor.shape)).encode()
            yield np.ascontiguousarray(tensor.cpu().numpy()).data

    def to(self, device: torch.device | str) -> "Split":
        """The same rows on another device."""
        weights = None if self.class_weights is None else self.class_weights.to(device)
        return Split(self.inputs.to(device), self.targets.to(device), self.preprocessing, self.target, weights)


@dataclass(frozen=True, eq=False)
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
        return (len(self.train) + len(self.select)) * self.row_bytes(Precision.FLOAT32)

    def row_bytes(self, precision: Precision) -> int:
        """Cost of one real row, its label included, with real numbers at this precision."""
        return self.preprocessing.item_bytes(precision.bytes) + self.target.label_bytes

    def counts(self, budget: Budget, item_bytes: int) -> tuple[int, ...]:
        """Check a budget against the data and spell it out: items per class, or one number.

        Args:
            budget: items, per class, or bytes.
            item_bytes: cost of one synthetic item.

        Returns:
            One count per class, or a single count for regression.

        Raises:
            BudgetError: more items than training rows, fewer than classes.
        """
        counts = budget.counts(self.classes, item_bytes)
        if min(counts) < 1:
            raise BudgetError(
                f"{sum(counts)} items cannot hold one sample for each of {len(counts)} classes: "
                f"ask for at least {len(counts)}"
            )
        if sum(counts) > len(self.train):
            raise BudgetError(
                f"{sum(counts)} synthetic items were asked for and there are {len(self.train)} training rows: "
                "ask for fewer"
            )
        if self.classes is None:
            return counts
        sizes = [len(rows) for rows in self.train.by_class]
        if isinstance(budget, PerClass) and budget.count > min(sizes):
            name = self.target.decode(torch.eye(self.classes))[sizes.index(min(sizes))]
            raise BudgetError(
                f"{budget.count} per class were asked for and class {name!r} has {min(sizes)} training rows"
            )
        return _poured(sum(counts), sizes)

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
        if not isinstance(preprocessing, type(self.preprocessing)) or not isinstance(target, type(self.target)):
            raise DataError(
                f"{self.name} has inputs of shape {self.task.shape} and metric {self.metric.value}; the engram is for "
                f"inputs of shape {preprocessing.shape}: give data of the same kind"
            )

        def again(split: Split) -> Split:
            whole = (split if self.linear is None else split.minus(-self.linear)).held()
            raw = self.preprocessing.recover(whole.inputs)
            labels = self.target.decode(self.target.scores(whole.targets))
            seen = Split(preprocessing.encode(raw), target.encode(labels), preprocessing, target, weights)
            return seen if linear is None else seen.minus(linear.cpu())

        weights = None
        if metric is Metric.BALANCED_ACCURACY:
            labels = target.encode(self.target.decode(self.target.scores(self.train.targets)))
            weights = _weights(torch.bincount(labels, minlength=target.outputs).clamp_min(1))
        train, select, test = (again(split) for split in (self.train, self.select, self.test))
        return Problem(
            self.name, train, select, test, preprocessing, target, metric, self.notes, self.names, linear, self.rank
        )

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
    ) -> "Problem":
        """Pose a problem from arrays or tensors; splits that are not given are drawn by seed.

        Args:
            x: (N, d) rows or series, (N, H, W), (N, H, W, C) or (N, C, H, W) images; or a DataFrame.
            y: (N,) labels or numbers, or (N, C) numbers.
            test: inputs and targets held out; a fifth of the rows when None.
            select: validation inputs and targets; a fifth of the remaining rows when None.
            name: for tables and files.
            seed: of the split.
            task: read off the target when None.
            top: largest value of a pixel, for images.
            class_names: names for whole-number labels 0, 1, ...
            names: of the columns.

        Returns:
            The problem, preprocessing fitted on the training rows only.

        Raises:
            DataError: not finite, wrong shapes, a constant target, a class with fewer than two rows.

        Example:
            >>> x = torch.randn(40, 8, 8, generator=torch.Generator().manual_seed(0))
            >>> Problem.from_arrays(x, torch.arange(40) % 4).task.shape
            (1, 8, 8)
        """
        _check_task(task)
        x, y = _pair(x, y, "data")
        if task == "classification" and y.ndim != 1:
            raise DataError(f"targets have shape {y.shape}: give one label per row, for instance y.argmax(1)")
        classify = _is_classification(y) if task is None else task == "classification"
        parts = {"train": (x, y)}
        if test is not None:
            parts["test"] = _pair(*test, "test")
        else:
            parts["train"], parts["test"] = _hold_out(*parts["train"], _TEST, classify, seed, "test")
        if select is not None:
            parts["select"] = _pair(*select, "validation")
        else:
            share = min(_SELECT, _SELECT_MOST / len(parts["train"][0]))
            parts["train"], parts["select"] = _hold_out(*parts["train"], share, classify, seed, "select")
        return cls._pose(parts, name, classify, top, class_names, names, ())

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        target: str,
        *,
        group: str | None = None,
        split: str | None = None,
        name: str = "table",
        seed: int = 0,
        task: Literal["classification", "regression"] | None = None,
    ) -> "Problem":
        """Pose a problem from a table: numeric and categorical columns, missing values allowed in inputs.

        Args:
            frame: one row per sample.
            target: the column to predict.
            group: a column whose equal values must stay in one split (patients, sessions).
            split: a column that says `train`, `test` and optionally `select` (or `val`) for each row.
            name: for tables and files.
            seed: of the split.
            task: read off the target when None.

        Returns:
            The problem; `group` and `split` are not inputs.

        Raises:
            UnknownNameError: a column that is not there.
            DataError: missing or constant target, unknown split names.

        Example:
            >>> frame = pd.DataFrame({"a": np.arange(40.0), "b": ["x", "y"] * 20, "t": [0, 1] * 20})
            >>> Problem.from_frame(frame, "t").preprocessing.names
            ('a', 'b = x', 'b = y')
        """
        _check_task(task)
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
        y = _array(frame[target].to_numpy(), f"targets {target!r}")
        x = frame.drop(columns=[c for c in (target, group, split) if c is not None])
        if x.shape[1] == 0:
            raise DataError(f"the table has no column besides {target!r}: there is nothing to learn from")
        classify = _is_classification(y) if task is None else task == "classification"
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
        for part, share in (("test", _TEST), ("select", min(_SELECT, _SELECT_MOST / max(1, len(x))))):
            if part not in rows:
                rows["train"], rows[part] = _divide(rows["train"], y, groups, share, classify, seed, part)
        parts = {part: (x.iloc[index], y[index]) for part, index in rows.items()}
        return cls._pose(parts, name, classify, None, None, (), (), target_name=target)

    @classmethod
    def _pose(
        cls,
        parts: dict[str, tuple[Any, Any]],
        name: str,
        classify: bool,
        top: float | None,
        class_names: tuple[str, ...] | None,
        names: tuple[str, ...],
        notes: tuple[str, ...],
        target_name: str = "target",
    ) -> "Problem":
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
            _require_filled(counts, target.names)
            if class_names is not None:
                target = Classes(tuple(class_names[int(n)] for n in target.names))
            uneven = float(counts.max() / counts.min()) > _UNEVEN
            metric = Metric.BALANCED_ACCURACY if uneven else Metric.ACCURACY
            weights = _weights(counts) if uneven else None
        splits = {
            part: Split(preprocessing.encode(x), encoded[part], preprocessing, target, weights)
            for part, (x, _) in parts.items()
        }
        shared = _shared_rows(splits["train"].inputs, splits["test"].inputs)
        if shared:
            notes += (f"{shared} of {len(splits['test'])} test rows also stand in the training split",)
        return cls(name, splits["train"], splits["select"], splits["test"], preprocessing, target, metric, notes, names)


def fit_linear(split: Split) -> Tensor:
    """Least squares of the targets on the inputs and a constant, from sums over batches: (d + 1, C)."""
    gram = moment = torch.zeros((), dtype=torch.float64)
    for x, y, _ in split.batches():
        rows = torch.cat([x.flatten(1), torch.ones_like(y[:, :1])], 1).double()
        gram, moment = gram + rows.mT @ rows, moment + rows.mT @ y.double()
    # The smallest ridge decides between columns that say the same.
    floor = 1e-10 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + floor, moment).float()


def linear_part(linear: Tensor, inputs: Tensor) -> Tensor:
    """What a linear function says of inputs: (N, C)."""
    return inputs.flatten(1) @ linear[:-1] + linear[-1]


def _weights(counts: Tensor) -> Tensor:
    """Class weights with mean one over rows."""
    return counts.sum() / (counts * len(counts))


def _poured(total: int, sizes: list[int]) -> tuple[int, ...]:
    """Share items among classes as evenly as their sizes allow, the first classes taking what is left over."""
    counts = [0] * len(sizes)
    while sum(counts) < total:
        open_classes = [k for k, size in enumerate(sizes) if counts[k] < size]
        lowest = min(counts[k] for k in open_classes)
        for k in [k for k in open_classes if counts[k] == lowest][: total - sum(counts)]:
            counts[k] += 1
    return tuple(counts)


def _check_task(task: str | None) -> None:
    if task not in (None, "classification", "regression"):
        raise SettingError(f"task is {task!r}; it takes 'classification', 'regression' or None")


def _pair(x: Any, y: Any, what: str) -> tuple[Any, np.ndarray]:
    x = x if isinstance(x, pd.DataFrame) else _array(x, f"{what} inputs")
    y = _array(y, f"{what} targets")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if 0 in (x.ndim, y.ndim) or 0 in x.shape[1:]:
        raise DataError(f"{what} has inputs of shape {x.shape} and targets of shape {y.shape}: give one row per sample")
    if len(x) != len(y):
        raise DataError(f"{what} has {len(x)} inputs and {len(y)} targets: they must be as many")
    if len(x) < 2:
        raise DataError(f"{what} has {len(x)} rows: too few to learn from")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int((~np.isfinite(y)).reshape(len(y), -1).any(1).argmax())
        raise DataError(f"{what} targets have NaN or infinite values, first in row {row}: remove those rows")
    if not isinstance(x, pd.DataFrame) and x.ndim < 2:
        raise DataError(f"{what} inputs have shape {x.shape}: give one row per sample")
    return x, y


def _array(value: Any, what: str) -> np.ndarray:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} are ragged ({error}): give rows of one length") from error
    if array.dtype.byteorder not in "=|":
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == object and not all(isinstance(v, str | bool) for v in array.reshape(-1)):
        raise DataError(f"{what} mix types (an object array): give numbers, or a DataFrame for a table")
    if array.dtype.kind in "cmMV":
        raise DataError(f"{what} hold {array.dtype}: convert them to numbers or words")
    if "targets" not in what and array.dtype.kind not in "fiub":
        raise DataError(f"{what} hold {array.dtype} where numbers are expected: convert them, or use a table")
    return array


def _is_classification(y: np.ndarray) -> bool:
    if y.ndim != 1:
        return False
    if y.dtype.kind not in "fiu":
        return True
    values = np.unique(y)
    return bool(
        (values == np.round(values)).all()
        and len(values) <= min(1000, max(2, len(y) // 5))
        and (y.dtype.kind != "f" or len(values) <= 100)
    )


def _hold_out(
    x: Any, y: np.ndarray, share: float, classify: bool, seed: int, purpose: str
) -> tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray]]:
    kept, held = _divide(np.arange(len(x)), y, None, share, classify, seed, purpose)
    if isinstance(x, pd.DataFrame):
        return (x.iloc[kept], y[kept]), (x.iloc[held], y[held])
    return (x[kept], y[kept]), (x[held], y[held])


def _divide(
    rows: np.ndarray, y: np.ndarray, groups: pd.Series | None, share: float, classify: bool, seed: int, purpose: str
) -> tuple[np.ndarray, np.ndarray]:
    """Part rows in two, by groups or stratified by class; order within a part is the data's own."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    state = integer(seed, "split", purpose, bits=32)
    if groups is not None:
        if groups.iloc[rows].nunique() < 2:
            raise DataError(f"column {groups.name!r} has one group: nothing can be held out for {purpose}")
        halves = GroupShuffleSplit(1, test_size=share, random_state=state)
        kept, held = next(halves.split(rows, groups=groups.iloc[rows]))
        kept, held = rows[kept], rows[held]
    else:
        if classify:
            _require_filled(
                torch.from_numpy(np.unique(y[rows], return_counts=True)[1]),
                tuple(map(str, np.unique(y[rows]))),
                least=3 if purpose == "test" else 2,
            )
        count = max(round(share * len(rows)), len(np.unique(y[rows])) if classify else 1)
        if count >= len(rows):
            raise DataError(f"{len(rows)} rows are too few to hold some out for {purpose}")
        kept, held = train_test_split(rows, test_size=count, random_state=state, stratify=y[rows] if classify else None)
    return np.sort(kept), np.sort(held)


def _require_filled(counts: Tensor, names: tuple[str, ...], least: int = 2) -> None:
    if len(counts) < 2:
        raise DataError(f"the target is constant ({names[0]}): there is nothing to learn")
    for count, name in zip(counts.tolist(), names, strict=True):
        if count < least:
            raise DataError(
                f"class {name!r} has {count} row{'s' * (count != 1)} to learn from, at least {least} are needed: "
                "add rows, merge or drop it (or give task='regression' if the target is a number)"
            )


def _shared_rows(train: Tensor, test: Tensor) -> int:
    """Count the rows of `test` that stand in `train` as well."""
    seen = {hashlib.blake2b(row.numpy().tobytes(), digest_size=8).digest() for row in train.cpu()}
    return sum(hashlib.blake2b(row.numpy().tobytes(), digest_size=8).digest() in seen for row in test.cpu())
