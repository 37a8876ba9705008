"""Some rows of real data, held compactly; batches come normalised."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..random import minibatch
from .linear_part import linear_part
from .preprocessing import Preprocessing
from .rows import Batch
from .targets import Classes, Target

__all__ = ["Split"]


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows, held compactly; batches come normalised.

    Args:
        inputs: stored tensor (N, ...).
        targets: (N,) class numbers or (N, C) standardised.
        preprocessing: normalises a batch.
        target: turns class numbers into scores.
        class_weights: (C,) with mean one over rows, when the metric averages over classes.
        raw: rows of a table, texts or encoded images as they were given, which another fitted preprocessing may read otherwise; else None.
    """

    inputs: Tensor
    targets: Tensor
    preprocessing: Preprocessing
    target: Target
    class_weights: Tensor | None = None
    raw: pd.DataFrame | np.ndarray | None = field(default=None, kw_only=True)

    streamed: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, index: Tensor | slice) -> Batch:
        """Normalised inputs, target scores, and weights (None: all one) of the rows at `index`."""
        targets = self.targets[index]
        weights = None if self.class_weights is None else self.class_weights[targets]
        return self.preprocessing.normalise(self.inputs[index]), self.target.scores(targets), weights

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch (`random.minibatch`)."""
        return self.batch(minibatch(len(self), size, step, seed, *names).to(self.device))

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self.inputs.device

    @cached_property
    def by_class(self) -> tuple[Tensor, ...]:
        """Rows of each class; all rows as one group for real targets."""
        if not isinstance(self.target, Classes):
            return (torch.arange(len(self), device=self.device),)
        return tuple(torch.nonzero(self.targets == c).flatten() for c in range(self.target.outputs))

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Rows of each class; all rows as one group for real targets."""
        return tuple(len(rows) for rows in self.by_class)

    def batches(self, size: int = 1024) -> Iterator[Batch]:
        """All rows in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def rows(self, index: Tensor) -> "Split":
        """The split of these rows alone."""
        places = index.cpu().numpy()
        raw = self.raw.iloc[places] if isinstance(self.raw, pd.DataFrame) else self.raw
        raw = raw[places] if isinstance(raw, np.ndarray) else raw
        return replace(self, inputs=self.inputs[index], targets=self.targets[index], raw=raw)

    def held(self) -> "Split":
        """All rows, in memory."""
        return self

    def minus(self, linear: Tensor) -> "Split":
        """The same rows, their real targets less a linear function of the inputs (`fit_linear`)."""
        parts = [y - linear_part(linear, x) for x, y, _ in self.batches()]
        return replace(self, targets=torch.cat(parts))

    def content(self) -> Iterator[bytes | memoryview]:
        """All that tells these rows from others, for a hash."""
        for tensor in (self.inputs, self.targets):
            yield str(tuple(tensor.shape)).encode()
            yield np.ascontiguousarray(tensor.cpu().numpy()).data

    def to(self, device: torch.device | str) -> "Split":
        """The same rows on another device."""
        weights = None if self.class_weights is None else self.class_weights.to(device)
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device), class_weights=weights)
