"""What a distillation method is: a frozen value with init, step and export."""

import math
from collections.abc import Mapping
from typing import Any, Protocol

from .budget import Budget, Bytes, Precision
from .canvas import Canvas
from .problem import Problem
from .training import Training

__all__ = ["Method", "Metrics", "counts", "item_bytes", "number_bytes"]

Metrics = Mapping[str, float]


class Method(Protocol):
    """An objective and the way it is optimised; state is frozen and carries its seed and step.

    Optional: `prepare(problem, training, seed, watch)` puts on disk what a run will read (experts), once for all runs
    that read the same, and returns its digest and cost (`experts.Prepared`); `training(network)` is the learning process that it compresses.
    """

    @property
    def steps(self) -> int:
        """Outer steps that a run takes; 0 for selection."""
        ...

    def init(self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int) -> Any:
        """The first state."""
        ...

    def step(self, state: Any, problem: Problem, training: Training) -> tuple[Any, Metrics]:
        """One outer step; the same state gives the same result, bit for bit."""
        ...

    def export(self, state: Any) -> Mapping[str, Canvas]:
        """The canvases, by the name of the set that a phase reads."""
        ...


def number_bytes(precision: Precision) -> int:
    """Cost of one soft label's number: labels are never cut to eight bits."""
    return max(precision.bytes, 2)


def counts(problem: Problem, budget: Budget, precision: Precision, soft: bool) -> tuple[int, ...]:
    """Spell out a budget for plain samples: inputs at `precision`, labels soft or hard.

    Args:
        problem: its shapes and rows.
        budget: items, per class or bytes.
        precision: of the inputs.
        soft: whether labels are scores.

    Returns:
        Items per class, or one number for regression.

    Raises:
        BudgetError: see `Problem.counts`.
    """
    per_input, label = item_bytes(problem, precision, soft)
    if isinstance(budget, Bytes):
        # An eight-bit tensor carries its offset and scale.
        budget = Bytes(max(1, budget.size - 8 * (precision is Precision.UINT8)))
    return problem.counts(budget, per_input + label)


def item_bytes(problem: Problem, precision: Precision, soft: bool) -> tuple[int, int]:
    """Cost of one plain sample's input, and of its label."""
    task = problem.task
    label = task.outputs * number_bytes(precision) if soft or problem.classes is None else problem.target.label_bytes
    return math.prod(task.shape) * precision.bytes, label
