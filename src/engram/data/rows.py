"""Rows: what a training reads, whether they are real or synthetic."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Batch", "Rows"]

Batch = tuple[Tensor, Tensor, Tensor | None]
"""Normalised inputs, target scores, weights (None: all one)."""


class Rows(Protocol):
    """Inputs with target scores, read whole or in batches."""

    def __len__(self) -> int: ...

    @property
    def streamed(self) -> bool:
        """Whether sums over batches stand for all rows at once: rows too many to hold, through which nothing is differentiated."""
        ...

    @property
    def device(self) -> torch.device:
        """Where they are."""
        ...

    def batch(self, index: Tensor | slice) -> Batch:
        """The rows at `index`."""
        ...

    def batches(self, size: int = 1024) -> Iterator[Batch]:
        """All rows in order, `size` at a time."""
        ...

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch (`random.minibatch`)."""
        ...
