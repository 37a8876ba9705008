"""Points whose labels are all one: the first set of the two-layer theory, at one number a coordinate."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from ...errors import SettingError
from ...numerics.optimizers import Params
from ...random import stream
from ..synthetic import Synthetic
from . import MOST_NUMBERS

__all__ = ["Points"]


@dataclass(frozen=True, eq=False)
class Points:
    r"""Inputs :math:`x_m` with the label 1, free, in mirrored pairs, or in the span of a few free vectors.

    .. math:: x_m = s_m, \qquad x_m, x_{m + M/2} = \pm s_m, \qquad x_m = \textstyle\sum_k C_{mk} s_k / \sqrt{K}

    Args:
        inputs: (K, *shape): the free vectors s.
        mirrored: whether each vector also stands with the opposite sign.
        coefficients: (M, K), drawn from a seed and never stored; None when every vector is a point.

    Raises:
        SettingError: no vector, or more numbers than a machine holds.

    Example:
        >>> Points(torch.ones(1, 2), mirrored=True).decode().inputs
        tensor([[ 1.,  1.],
                [-1., -1.]])
    """

    inputs: Tensor
    mirrored: bool = False
    coefficients: "Coefficients | None" = None

    def __post_init__(self) -> None:
        if self.inputs.ndim < 2 or not len(self.inputs):
            raise SettingError(f"vectors of shape {tuple(self.inputs.shape)} make no points")
        count = 0 if self.coefficients is None else self.coefficients.count
        if count * max(self.inputs[0].numel(), len(self.inputs)) > MOST_NUMBERS:
            raise SettingError(f"{count} points of shape {tuple(self.inputs.shape[1:])} cannot be made")

    @property
    def free(self) -> Params:
        """The vectors."""
        return {"inputs": self.inputs}

    def with_free(self, free: Params) -> Self:
        """Other vectors."""
        return replace(self, inputs=free["inputs"])

    def decode(self) -> Synthetic:
        """The points, each labelled one."""
        points = self.inputs
        if self.coefficients is not None:
            mixture = self.coefficients.draw(len(points)).to(points) / len(points) ** 0.5
            points = (mixture @ points.flatten(1)).reshape(-1, *points.shape[1:])
        if self.mirrored:
            points = torch.cat([points, -points])
        return Synthetic(points, torch.ones(len(points), 1, dtype=points.dtype, device=points.device))


@dataclass(frozen=True)
class Coefficients:
    """Standard Gaussian coefficients of so many points, known by their seed.

    Args:
        count: points M, at least 1.
        seed: of the draw.

    Raises:
        SettingError: no point.
    """

    count: int
    seed: int

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 1_000_000:
            raise SettingError(f"{self.count} points: give between 1 and a million")

    def draw(self, vectors: int) -> Tensor:
        """(count, vectors)."""
        return torch.randn(self.count, vectors, generator=stream(self.seed, "coefficients"))
