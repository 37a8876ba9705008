"""What a trainer receives: decoded inputs, target scores, optional weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .random import minibatch

__all__ = ["Synthetic", "scores_of"]


@dataclass(frozen=True, eq=False)
class Synthetic:
    """Samples in the space a network sees; real rows have the same face (`problem.Split`).

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

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor | slice) -> tuple[Tensor, Tensor, Tensor | None]:
        """The samples at `index`."""
        return self.inputs[index], self.targets[index], None if self.weights is None else self.weights[index]

    @property
    def device(self) -> torch.device:
        """Where the samples are."""
        return self.inputs.device

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> tuple[Tensor, Tensor, Tensor | None]:
        """One minibatch (`random.minibatch`)."""
        return self.batch(minibatch(len(self), size, step, seed, *names).to(self.device))

    def batches(self, size: int = 1024) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """All samples in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def to(self, device: torch.device | str) -> "Synthetic":
        """The same samples on another device."""
        weights = None if self.weights is None else self.weights.to(device)
        return Synthetic(self.inputs.to(device), self.targets.to(device), weights)


def scores_of(targets: Tensor, classes: int, like: Tensor) -> Tensor:
    """Scores (N, C) of stored labels: centred indicator rows of class numbers, or the scores that they are already."""
    if not classes:
        return targets
    return torch.nn.functional.one_hot(targets.long(), classes).to(like) - 1 / classes
