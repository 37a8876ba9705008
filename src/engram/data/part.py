"""Some classes of a problem, as a problem of its own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ..errors import DataError, UnknownNameError, nearest
from .problem import Problem
from .split import Split
from .stored import held
from .targets import Classes

__all__ = ["of_classes"]


def of_classes(problem: Problem, names: Sequence[str]) -> Problem:
    """The rows of some classes, numbered anew; preprocessing stays that of the whole.

    Args:
        problem: the whole.
        names: of at least two classes, in their new order.

    Returns:
        The part.

    Raises:
        DataError: the target is a number, fewer than two classes, one named twice or without rows in a split.
        UnknownNameError: a class that is not there.

    Example:
        >>> from engram import load_problem
        >>> of_classes(load_problem("digits"), ["7", "1"]).target.names
        ('7', '1')
    """
    if not isinstance(problem.target, Classes):
        raise DataError(f"{problem.name} predicts numbers: it has no classes to choose from")
    for name in names:
        if name not in problem.target.names:
            raise UnknownNameError(f"{problem.name} has no class {name!r}; {nearest(name, problem.target.names)}")
    if len(names) < 2 or len(set(names)) < len(names):
        raise DataError(f"{', '.join(names)} are not two or more different classes: there is nothing to learn")
    target = replace(problem.target, names=tuple(names))
    place = torch.full((problem.target.outputs,), -1)
    place[[problem.target.names.index(name) for name in names]] = torch.arange(len(names))

    problem = held(problem)

    def part(split: Split, said: str) -> Split:
        own = place.to(split.device)[split.targets]
        kept = torch.nonzero(own >= 0).flatten()
        found = replace(split.rows(kept), targets=own[kept], target=target)
        for name, rows in zip(names, found.by_class, strict=True):
            if not len(rows):
                raise DataError(f"class {name!r} has no row in the {said} split: leave it out, or split otherwise")
        return found

    splits: dict[str, Any] = {said: part(getattr(problem, said), said) for said in ("train", "select", "test")}
    # Where rows weigh by their classes, they now weigh otherwise.
    return replace(problem, target=target, **splits).scored_by(problem.metric)
