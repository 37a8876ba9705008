"""The plain canvas: every number of every input is free, and the labels too when they are soft."""

from dataclasses import dataclass

from torch import Tensor

from ..synthetic import Synthetic, check_labels, scores_of
from . import InputsAndLabels

__all__ = ["Plain"]


@dataclass(frozen=True, eq=False)
class Plain(InputsAndLabels):
    """Inputs as they are, with hard labels (class numbers) or soft ones (scores).

    Args:
        inputs: (N, *shape), normalised.
        targets: (N, C) scores, or (N,) whole class numbers.
        classes: number of classes behind hard labels; 0 with scores.
        coarse: whether inputs and scores are stored in four bits.

    Example:
        >>> import torch
        >>> Plain(torch.zeros(2, 3), torch.tensor([0, 1]), classes=2).decode().targets
        tensor([[ 0.5000, -0.5000],
                [-0.5000,  0.5000]])
    """

    inputs: Tensor
    targets: Tensor
    classes: int = 0
    coarse: bool = False

    def __post_init__(self) -> None:
        check_labels(self.targets, len(self.inputs), self.classes)

    def decode(self) -> Synthetic:
        """The samples."""
        return Synthetic(self.inputs, scores_of(self.targets, self.classes, self.inputs))
