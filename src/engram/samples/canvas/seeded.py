"""Inputs that are known by their seed, with free labels: only the labels cost anything."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ...errors import SettingError
from ...numerics.optimizers import Params
from ...random import stream
from ..synthetic import Synthetic
from . import MOST_NUMBERS

__all__ = ["Seeded"]


@dataclass(frozen=True, eq=False)
class Seeded:
    r"""Standard Gaussian inputs from ``stream(seed, "seeded inputs")`` with free labels.

    Args:
        targets: (K, C) scores.
        shape: of one input.
        seed: of the inputs.

    Raises:
        SettingError: more numbers than a machine holds.

    Example:
        >>> Seeded(torch.zeros(3, 1), (2,), seed=0).decode().inputs.shape
        torch.Size([3, 2])
    """

    targets: Tensor
    shape: tuple[int, ...]
    seed: int

    def __post_init__(self) -> None:
        size = len(self.targets)
        for extent in self.shape:
            size *= extent
        if self.targets.ndim != 2 or not 0 < size <= MOST_NUMBERS or min(self.shape, default=1) < 1:
            raise SettingError(f"{len(self.targets)} seeded inputs of shape {self.shape} cannot be drawn")

    @property
    def free(self) -> Params:
        """The labels."""
        return {"targets": self.targets}

    def with_free(self, free: Params) -> Self:
        """Other labels."""
        return replace(self, targets=free["targets"])

    def decode(self) -> Synthetic:
        """The inputs, drawn again, and their labels."""
        drawn = torch.randn(len(self.targets), *self.shape, generator=stream(self.seed, "seeded inputs"))
        return Synthetic(drawn.to(self.targets), self.targets)
