"""The plain canvas: every number of every input is free, and the labels too when they are soft."""

from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from ...numerics.optimizers import Params
from ..synthetic import Synthetic, check_labels, scores_of

__all__ = ["Plain"]


@dataclass(frozen=True, eq=False)
class Plain:
    """Inputs as they are, with hard labels (class numbers) or soft ones (scores).

    Args:
        inputs: (N, *shape), normalised.
        targets: (N, C) scores, or (N,) whole class numbers.
        classes: number of classes behind hard labels; 0 with scores.

    Example:
        >>> import torch
        >>> Plain(torch.zeros(2, 3), torch.tensor([0, 1]), classes=2).decode().targets
        tensor([[ 0.5000, -0.5000],
                [-0.5000,  0.5000]])
    """

    inputs: Tensor
    targets: Tensor
    classes: int = 0

    def __post_init__(self) -> None:
        check_labels(self.targets, len(self.inputs), self.classes)

    @property
    def free(self) -> Params:
        """Inputs, and targets when they are soft."""
        return {"inputs": self.inputs} | ({} if self.classes else {"targets": self.targets})

    def with_free(self, free: Params) -> Self:
        """The same labels' kind with other numbers."""
        return replace(self, inputs=free["inputs"], targets=free.get("targets", self.targets))

    def decode(self) -> Synthetic:
        """The samples."""
        return Synthetic(self.inputs, scores_of(self.targets, self.classes, self.inputs))
