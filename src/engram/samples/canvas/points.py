"""Points whose labels are one or minus one: the first set of the two-layer theory, at one number a coordinate."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

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
    r"""Inputs :math:`x_m` with the label 1 or -1, free, in mirrored pairs, or in the span of a few free vectors.

    .. math:: x_m = s_m, \qquad x_m, x_{m + M/2} = \pm s_m, \qquad x_m = \textstyle\sum_k C_{mk} s_k / \sqrt{K}

    Args:
        inputs: (K, *shape): the free vectors s.
        mirrored: whether each vector also stands with the opposite sign.
        coefficients: (M, K), drawn from a seed and never stored; None when every vector is a point.
        negative: how many points, the last ones, have the label -1 (before they are mirrored).

    Raises:
        SettingError: no vector, more numbers than a machine holds, more negative labels than points.

    Example:
        >>> Points(torch.ones(1, 2), mirrored=True).decode().inputs
        tensor([[ 1.,  1.],
                [-1., -1.]])
    """

    inputs: Tensor
    mirrored: bool = False
    coefficients: "Coefficients | None" = None
    negative: int = 0

    def __post_init__(self) -> None:
        if self.inputs.ndim < 2 or not len(self.inputs):
            raise SettingError(f"vectors of shape {tuple(self.inputs.shape)} make no points")
        count = 0 if self.coefficients is None else self.coefficients.count
        if count * max(self.inputs[0].numel(), len(self.inputs)) > MOST_NUMBERS:
            raise SettingError(f"{count} points of shape {tuple(self.inputs.shape[1:])} cannot be made")
        if not 0 <= self.negative <= (count or len(self.inputs)):
            raise SettingError(f"{self.negative} of {count or len(self.inputs)} points cannot have the label -1")

    def stored_fields(self) -> dict[str, Any]:
        """Fields that a file keeps: those that versions before signs know, where all labels are one."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "negative" or self.negative}

    @property
    def free(self) -> Params:
        """The vectors."""
        return {"inputs": self.inputs}

    def with_free(self, free: Params) -> Self:
        """Other vectors."""
        return replace(self, inputs=free["inputs"])

    def decode(self) -> Synthetic:
        """The points with their labels."""
        points = self.inputs
        if self.coefficients is not None:
            mixture = self.coefficients.draw(len(points)).to(points) / len(points) ** 0.5
            points = (mixture @ points.flatten(1)).reshape(-1, *points.shape[1:])
        labels = torch.ones(len(points), 1, dtype=points.dtype, device=points.device)
        labels[len(points) - self.negative :] = -1
        if self.mirrored:
            points, labels = torch.cat([points, -points]), torch.cat([labels, labels])
        return Synthetic(points, labels)


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
