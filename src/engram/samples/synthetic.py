"""What a trainer receives: decoded inputs, target scores, optional weights."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from ..data.rows import Batch
from ..errors import SettingError
from ..random import minibatch

__all__ = ["Synthetic", "check_labels", "scores_of"]

_MOST_CLASSES = 32_767


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Samples in the space a network sees; real rows have the same face (`data.rows.Rows`).

    Args:
        inputs: (N, *shape), normalised.
        targets: (N, C): centred indicator rows, soft scores, or standardised numbers.
        weights: (N,) nonnegative; all one when None.

    Example:
        >>> len(Synthetic(torch.zeros(3, 2), torch.zeros(3, 1)))
        3
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor | None = None
    streamed: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor | slice) -> Batch:
        """The samples at `index`."""
        return self.inputs[index], self.targets[index], None if self.weights is None else self.weights[index]

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return self.inputs.device

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch (`random.minibatch`)."""
        return self.batch(minibatch(len(self), size, step, seed, *names).to(self.device))

    def batches(self, size: int = 1024) -> Iterator[Batch]:
        """All samples in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def to(self, device: torch.device | str) -> "Synthetic":
        """The same samples on another device."""
        weights = None if self.weights is None else self.weights.to(device)
        return Synthetic(self.inputs.to(device), self.targets.to(device), weights)


def check_labels(targets: Tensor, count: int, classes: int) -> None:
    """Refuse stored labels that are not one for each sample, of the kind that the number of classes says."""
    if not 0 <= classes <= _MOST_CLASSES or targets.ndim != (1 if classes else 2) or len(targets) != count:
        raise SettingError(
            f"labels of shape {tuple(targets.shape)} do not go with {count} samples of {classes} classes"
        )


def scores_of(targets: Tensor, classes: int, like: Tensor) -> Tensor:
    """Scores (N, C) of stored labels: centred indicator rows of class numbers, or the scores that they are already."""
    if not classes:
        return targets
    return torch.nn.functional.one_hot(targets.long(), classes).to(like) - 1 / classes
