"""What a distillation method is: a frozen value with init, step and export."""

from collections.abc import Mapping
from typing import Any, Protocol

from ..data.problem import Problem
from ..learning.training import Training
from ..samples.budget import Budget, Precision
from ..samples.canvas import Canvas

__all__ = ["Method", "Metrics"]

Metrics = Mapping[str, float]


class Method(Protocol):
    """An objective and the way it is optimised; state is frozen and carries its seed and step.

    Optional: `prepare(problem, training, seed, watch)` puts on disk what a run will read (experts), once for all runs
    that read the same, and returns its digest
    and cost (`buffers.Prepared`); `training(network)` is the learning process that it compresses.
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
