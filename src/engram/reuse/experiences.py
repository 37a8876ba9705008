"""A life of tasks: one problem cut into experiences that come one after another."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ..data.part import of_classes
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.preprocessing.vectors import Vectors
from ..data.problem import Problem
from ..data.split import Split
from ..data.stored import held
from ..data.targets import Classes
from ..errors import DataError, SettingError, UnknownNameError, nearest
from ..random import stream

__all__ = ["By", "Experience", "experiences"]

By = Literal["class", "task", "domain", "time"]
"""Class- and task-incremental: new classes (a task says at the test which they are); domain: the same classes elsewhere; time: later rows."""

_PARTS = ("train", "select", "test")


@dataclass(frozen=True, eq=False)
class Experience:
    """What is learnt at one time.

    Args:
        name: in words.
        problem: its rows, and those classes alone that it has: what an engram of it is distilled from.
        shared: the same rows in the label space of the whole.
    """

    name: str
    problem: Problem
    shared: Problem

    @property
    def outputs(self) -> tuple[int, ...]:
        """The places of its classes in the shared label space; all outputs where the target is a number."""
        own, whole = self.problem.target, self.shared.target
        if not isinstance(own, Classes) or not isinstance(whole, Classes):
            return tuple(range(whole.outputs))
        return tuple(whole.names.index(name) for name in own.names)


def experiences(
    problem: Problem, count: int, by: By = "class", along: str | None = None, seed: int = 0
) -> list[Experience]:
    """Cut a problem into experiences.

    Args:
        problem: the whole.
        count: how many experiences, at least 2.
        by: ``class`` and ``task``: classes in an order drawn by seed; ``domain``: by the values of a column, or (without one) images that
            are turned, columns or points in another order; ``time``: rows in the order of a column.
        along: that column, of a table.
        seed: of the order of classes or columns.

    Returns:
        As many experiences, which share preprocessing and label space.

    Raises:
        SettingError: fewer than two experiences, or a cut that these data do not take.
        DataError: too few classes, values or rows.
        UnknownNameError: a column that is not there.

    Example:
        >>> from engram import load_problem
        >>> [life.outputs for life in experiences(load_problem("digits"), 5)][:2]
        [(5, 6), (2, 8)]
    """
    if by not in get_args(By):
        raise SettingError(f"by is {by!r}; it takes {', '.join(get_args(By))}")
    if count < 2:
        raise SettingError(f"{count} experience is no sequence: ask for at least 2")
    problem = held(problem)
    if by in ("class", "task"):
        return _by_class(problem, count, seed)
    if by == "time":
        if along is None:
            raise SettingError(
                "rows have no order of their own here: name the column that orders them (--along COLUMN)"
            )
        return _by_column(problem, count, along, ordered=True)
    return _by_column(problem, count, along, ordered=False) if along else _transformed(problem, count, seed)


def _by_class(problem: Problem, count: int, seed: int) -> list[Experience]:
    classes = problem.classes
    if classes is None:
        raise SettingError(f"{problem.name} predicts numbers, which have no classes: cut it by domain or time")
    if classes < 2 * count:
        raise DataError(
            f"{classes} classes are too few for {count} experiences of at least two classes: ask for {max(2, classes // 2)}"
        )
    assert isinstance(problem.target, Classes)
    order = torch.randperm(classes, generator=stream(seed, "experiences"))
    found = []
    for part in torch.tensor_split(order, count):
        own = tuple(sorted(part.tolist()))
        names = [problem.target.names[c] for c in own]
        found.append(Experience(", ".join(names), of_classes(problem, names), _kept(problem, partial(_is_in, own))))
    return found


def _is_in(classes: tuple[int, ...], split: Split) -> Tensor:
    return torch.isin(split.targets, torch.tensor(classes, device=split.device))


def _kept(problem: Problem, keep: Callable[[Split], Tensor]) -> Problem:
    """The rows of every split that a mask keeps."""
    splits: dict[str, Any] = {}
    for name in _PARTS:
        split: Split = getattr(problem, name)
        splits[name] = split.rows(torch.nonzero(keep(split)).flatten())
    return replace(problem, notes=(), **splits)


def _by_column(problem: Problem, count: int, along: str, ordered: bool) -> list[Experience]:
    """By the values of a column of a table: those that are commonest, or equal parts of its order."""
    column = {name: _column(getattr(problem, name), along, problem.name) for name in _PARTS}
    if ordered:
        ranks = column["train"].rank(method="first")
        ends = [column["train"][ranks == round(len(ranks) * k / count)].iloc[0] for k in range(1, count)]
        places = {
            name: np.searchsorted(np.array(ends), values.to_numpy(), side="left") for name, values in column.items()
        }
        named = [f"{along}, part {k + 1}" for k in range(count)]
    else:
        values = column["train"].astype(str).value_counts().index[:count].tolist()
        if len(values) < count:
            raise DataError(f"column {along!r} has {len(values)} values: ask for as many experiences")
        places = {
            name: own.astype(str).map({v: k for k, v in enumerate(values)}).fillna(-1).to_numpy()
            for name, own in column.items()
        }
        named = [f"{along} = {value}" for value in values]
    found = []
    for k, name in enumerate(named):
        mine = {id(getattr(problem, part)): torch.from_numpy(places[part] == k) for part in _PARTS}
        found.append(_own(name, _kept(problem, partial(_looked_up, mine))))
    return found


def _looked_up(masks: dict[int, Tensor], split: Split) -> Tensor:
    return masks[id(split)].to(split.device)


def _own(name: str, shared: Problem) -> Experience:
    """An experience of some rows: the classes that these have enough rows of are its own."""
    if shared.classes is None:
        if min(len(getattr(shared, part)) for part in _PARTS) < 2:
            raise DataError(f"{name} has fewer than two rows to learn, choose or test on: ask for fewer experiences")
        return Experience(name, shared, shared)
    counts = torch.stack(
        [torch.bincount(getattr(shared, part).targets.cpu(), minlength=shared.classes) for part in _PARTS]
    )
    filled = tuple(torch.nonzero((counts.amin(0) >= 1) & (counts[0] >= 2)).flatten().tolist())
    if len(filled) < 2:
        raise DataError(
            f"{name} has rows of fewer than two classes in every split: ask for fewer experiences, or cut another way"
        )
    names = [shared.target.names[c] for c in filled]
    return Experience(name, of_classes(shared, names), _kept(shared, partial(_is_in, filled)))


def _column(split: Split, along: str, name: str) -> pd.Series:
    if not isinstance(split.raw, pd.DataFrame):
        raise SettingError(f"{name} is no table with columns at hand: --along is for tables that are read whole")
    if along not in split.raw:
        raise UnknownNameError(f"{name} has no column {along!r}; {nearest(along, map(str, split.raw.columns))}")
    if split.raw[along].isna().any():
        raise DataError(f"column {along!r} has missing values, which are of no experience: leave those rows out")
    return split.raw[along]


def _transformed(problem: Problem, count: int, seed: int) -> list[Experience]:
    """The same rows, seen otherwise each time: images turned up to half a circle, series moved on, columns in another order."""
    kind = problem.preprocessing
    if not isinstance(kind, Pixels | Vectors | Series) or getattr(kind, "ragged", False):
        raise SettingError(
            f"{problem.name} has inputs that cannot be turned or reordered: name a column (--along COLUMN)"
        )
    found = []
    for k, (name, change) in enumerate(_changes(problem.task.shape, count, seed)):
        if k == 0:
            found.append(Experience(name, problem, problem))
            continue
        splits: dict[str, Any] = {part: _changed(getattr(problem, part), change) for part in _PARTS}
        changed = replace(problem, notes=(), **splits)
        found.append(Experience(name, changed, changed))
    return found


def _changes(shape: tuple[int, ...], count: int, seed: int) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    for k in range(count):
        if len(shape) == 3:
            yield f"turned by {180 * k / count:.0f} degrees", partial(_turned, angle=180 * k / count)
        elif len(shape) == 2:
            yield f"{shape[1] * k // count} points later", partial(torch.roll, shifts=shape[1] * k // count, dims=-1)
        else:
            order = torch.randperm(shape[0], generator=stream(seed, "columns", k))
            yield f"order {k + 1} of the columns", partial(_reordered, order=order)


def _reordered(rows: Tensor, order: Tensor) -> Tensor:
    return rows[:, order.to(rows.device)]


def _turned(images: Tensor, angle: float) -> Tensor:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    flow = torch.tensor([[[cos, -sin, 0.0], [sin, cos, 0.0]]], device=images.device).expand(len(images), 2, 3)
    moved = grid_sample(images.float(), affine_grid(flow, list(images.shape), False), align_corners=False)
    return moved.round().to(images.dtype) if not images.is_floating_point() else moved.to(images)


def _changed(split: Split, change: Callable[[Tensor], Tensor]) -> Split:
    parts = [change(split.inputs[start : start + 1024]) for start in range(0, len(split), 1024)]
    return replace(split, inputs=torch.cat(parts), raw=None)
