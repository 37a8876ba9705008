"""Free tensors that decode to synthetic samples: one file per way to spend the bytes.

A canvas is a frozen dataclass with `free` (the tensors an outer optimizer moves), `with_free` (the same
canvas with others) and `decode` (what a trainer receives). Only tensors whose name ends in ``inputs`` may
be stored in eight bits; where `coarse` is set, those and soft labels are stored in four.
"""

from dataclasses import replace
from typing import Any, Protocol, Self

from torch import Tensor

from ...numerics.optimizers import Params
from ..synthetic import Synthetic

__all__ = ["MOST_NUMBERS", "Canvas", "InputsAndLabels", "is_coarse"]

MOST_NUMBERS = 100_000_000
"""Numbers that drawn inputs may hold, whatever a file asks for."""


class Canvas(Protocol):
    """What every canvas offers."""

    @property
    def free(self) -> Params:
        """Tensors to optimise, by name."""
        ...

    def with_free(self, free: Params) -> Self:
        """The same canvas with other tensors."""
        ...

    def decode(self) -> Synthetic:
        """The samples; differentiable in `free`."""
        ...


def is_coarse(canvas: Canvas) -> bool:
    """Whether four bits hold its inputs and scores."""
    return bool(getattr(canvas, "coarse", False))


class InputsAndLabels:
    """What canvases share that store `inputs`, and `targets` which are free where `classes` is 0; in four bits where `coarse`."""

    inputs: Tensor
    targets: Tensor
    classes: int
    coarse: bool

    @property
    def free(self) -> Params:
        """Inputs, and targets when they are soft."""
        return {"inputs": self.inputs} | ({} if self.classes else {"targets": self.targets})

    def with_free(self, free: Params) -> Self:
        """The same canvas with other numbers."""
        own: Any = self
        changed: Self = replace(own, inputs=free["inputs"], targets=free.get("targets", self.targets))
        return changed
