"""What a budget buys on a problem: samples per class, and what each of them costs."""

import math
from dataclasses import dataclass

from ..data.problem import Problem
from ..errors import BudgetError, SettingError
from .budget import Budget, Bytes, PerClass, Precision

__all__ = ["Packing", "capped", "counts", "item_bytes", "number_bytes", "shares"]


def number_bytes(precision: Precision) -> int:
    """Cost of one soft label's number: labels are never cut to eight bits."""
    return max(precision.bytes, 2)


@dataclass(frozen=True)
class Packing:
    """What an item of the budget holds: one sample as it is, or several in its bytes.

    Args:
        formation: tiles along a side of a stored image, each a sample; of series so many samples, each a part of the frequencies, in
            the numbers of one.
        mixtures: samples for each item, mixed from as many bases as its bytes then leave.
        downsample: sides of these bases are so many times shorter, and there are as many more of them.
        coarse: four bits a number: as many more samples as the precision has more.
        own_labels: whether each tile or part has a label of its own.

    Raises:
        SettingError: a value out of range, two ways to spend the same bytes.

    Example:
        >>> Packing(formation=2).formation
        2
    """

    formation: int = 1
    mixtures: int = 1
    downsample: int = 1
    coarse: bool = False
    own_labels: bool = False

    def __post_init__(self) -> None:
        if min(self.formation, self.mixtures, self.downsample) < 1:
            raise SettingError(f"{self}: formation, mixtures and downsample are at least 1")
        if (self.formation > 1 or self.coarse) and self.mixtures > 1:
            raise SettingError("formation or coarse, and mixtures, are two ways to spend the same bytes: give one")
        if self.downsample > 1 and self.mixtures == 1:
            raise SettingError("downsample is of the bases of mixtures: give mixtures too, or formation instead")


_LEVELS = 64
"""Bytes of the levels of inputs and labels that four bits hold."""


def counts(
    problem: Problem, budget: Budget, precision: Precision, soft: bool, coarse: bool = False, labels: int = 1
) -> tuple[int, ...]:
    """Spell out a budget for plain samples: inputs at `precision`, labels soft or hard.

    Args:
        problem: its shapes and rows.
        budget: items, per class or bytes.
        precision: of the inputs.
        soft: whether labels are scores.
        coarse: whether four bits hold each number: as many more samples as the precision has more.
        labels: of a sample, each of one of its parts; a budget in items pays for one.

    Returns:
        Items per class, or one number for regression.

    Raises:
        BudgetError: see `shares`.
    """
    per_input, label = item_bytes(problem, precision, soft)
    if coarse and isinstance(budget, Bytes):
        # Two samples share their bytes.
        pair = math.prod(problem.task.shape) + labels * (problem.task.outputs if soft else 2 * label)
        return tuple(2 * count for count in shares(problem, Bytes(max(1, budget.size - _LEVELS)), pair))
    if coarse:
        return tuple(2 * precision.bytes * count for count in shares(problem, budget, per_input + label))
    if isinstance(budget, Bytes):
        # An eight-bit tensor carries its offset and scale.
        budget = Bytes(max(1, budget.size - 8 * (precision is Precision.UINT8)))
        label *= labels
    return shares(problem, budget, per_input + label)


def item_bytes(problem: Problem, precision: Precision, soft: bool) -> tuple[int, int]:
    """Cost of one plain sample's input, and of its label."""
    task = problem.task
    label = task.outputs * number_bytes(precision) if soft or problem.classes is None else problem.target.label_bytes
    return math.prod(task.shape) * precision.bytes, label


def shares(problem: Problem, budget: Budget, item_bytes: int) -> tuple[int, ...]:
    """Check a budget against the data and spell it out: items per class, or one number.

    Args:
        problem: its classes and rows.
        budget: items, per class, or bytes.
        item_bytes: cost of one synthetic item.

    Returns:
        One count per class, or a single count for regression.

    Raises:
        BudgetError: more items than training rows, fewer than classes.
    """
    counts = budget.counts(problem.classes, item_bytes)
    if min(counts) < 1:
        raise BudgetError(
            f"{sum(counts)} items cannot hold one sample for each of {len(counts)} classes: "
            f"ask for at least {len(counts)}"
        )
    sizes = list(problem.train.class_sizes)
    if isinstance(budget, PerClass):
        if budget.count > max(sizes):
            raise BudgetError(f"{budget} were asked for and no class has as many training rows: ask for fewer")
        return tuple(min(budget.count, size) for size in sizes)
    if sum(counts) > len(problem.train):
        raise BudgetError(
            f"{sum(counts)} synthetic items were asked for and there are {len(problem.train)} training rows: "
            "ask for fewer"
        )
    return counts if problem.classes is None else _poured(sum(counts), sizes)


def capped(problem: Problem, budget: Budget) -> tuple[str, ...]:
    """What to say of classes that have fewer training rows than samples were asked for."""
    if not isinstance(budget, PerClass) or problem.classes is None:
        return ()
    sizes = dict(zip(problem.target.names, problem.train.class_sizes, strict=True))
    few = [f"{name!r} ({size})" for name, size in sizes.items() if size < budget.count]
    return (
        (f"{budget} were asked for; as many as there are training rows stand for class {', '.join(few)}",)
        if few
        else ()
    )


def _poured(total: int, sizes: list[int]) -> tuple[int, ...]:
    """Share items among classes as evenly as their sizes allow, the first classes taking what is left over."""
    counts = [0] * len(sizes)
    while sum(counts) < total:
        open_classes = [k for k, size in enumerate(sizes) if counts[k] < size]
        lowest = min(counts[k] for k in open_classes)
        for k in [k for k in open_classes if counts[k] == lowest][: total - sum(counts)]:
            counts[k] += 1
    return tuple(counts)
