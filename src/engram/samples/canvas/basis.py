"""Samples as mixtures of a few stored bases: more samples for the same bytes."""

import math
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...errors import SettingError
from ...numerics.optimizers import Params
from ..synthetic import Synthetic, check_labels, scores_of
from . import MOST_NUMBERS

__all__ = ["Basis"]


@dataclass(frozen=True, eq=False)
class Basis:
    r"""Inputs in the span of K bases: :math:`x_n = \sum_k a_{nk} b_k`.

    Args:
        inputs: (K, *shape): the bases b.
        coefficients: (N, K): a.
        targets: (N, C) scores, or (N,) whole class numbers.
        classes: number of classes behind hard labels; 0 with scores.
        sides: height and width to which mixtures are brought, where bases are smaller; those of the bases when empty.

    Raises:
        SettingError: shapes that do not go together.

    References:
        Deng & Russakovsky 2022 (Remember the Past, arXiv 2206.02916): bases and addressing matrices; their code halves the sides of bases.

    Example:
        >>> Basis(torch.ones(1, 2), torch.tensor([[1.0], [3.0]]), torch.zeros(2, 1)).decode().inputs
        tensor([[1., 1.],
                [3., 3.]])
    """

    inputs: Tensor
    coefficients: Tensor
    targets: Tensor
    classes: int = 0
    sides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.coefficients.ndim != 2 or self.coefficients.shape != (len(self.targets), len(self.inputs)):
            raise SettingError(
                f"coefficients of shape {tuple(self.coefficients.shape)} do not mix {len(self.inputs)} bases into "
                f"{len(self.targets)} samples"
            )
        check_labels(self.targets, len(self.coefficients), self.classes)
        if self.sides and (self.inputs.ndim != 4 or len(self.sides) != 2 or min(self.sides) < 1):
            raise SettingError(f"bases of shape {tuple(self.inputs.shape[1:])} are not brought to sides {self.sides}")
        size = self.inputs.shape[1] * math.prod(self.sides) if self.sides else self.inputs[:1].numel()
        if len(self.targets) * max(1, size) > MOST_NUMBERS:
            raise SettingError(f"{len(self.targets)} samples of shape {tuple(self.inputs.shape[1:])} are too many")

    @classmethod
    def of(cls, samples: Tensor, targets: Tensor, bases: int, classes: int, downsample: int = 1) -> Self:
        """The best approximation of samples (N, *shape) by so many bases, of smaller images if asked: their leading singular vectors."""
        sides: tuple[int, ...] = ()
        if downsample > 1:
            sides = tuple(samples.shape[2:])
            if min(sides) < downsample:
                raise SettingError(f"images of {sides[0]} x {sides[1]} cannot be {downsample} times smaller")
            samples = interpolate(samples, size=tuple(side // downsample for side in sides), mode="area")
        left, size, right = torch.linalg.svd(samples.flatten(1), full_matrices=False)
        bases = min(bases, len(size))
        # Bases at the samples' own scale, so that one learning rate suits both canvases.
        scale = samples.flatten(1).norm(dim=1).mean()
        inputs = (scale * right[:bases]).reshape(-1, *samples.shape[1:])
        coefficients = left[:, :bases] * size[:bases] / scale
        # In the order in which a file keeps them: a resumed run then multiplies as an unbroken one does.
        return cls(inputs.contiguous(), coefficients.contiguous(), targets, classes, sides)

    @property
    def free(self) -> Params:
        """Bases, coefficients, and targets when they are soft."""
        kept = {"inputs": self.inputs, "coefficients": self.coefficients}
        return kept | ({} if self.classes else {"targets": self.targets})

    def with_free(self, free: Params) -> Self:
        """Other numbers."""
        return replace(
            self,
            inputs=free["inputs"],
            coefficients=free["coefficients"],
            targets=free.get("targets", self.targets),
        )

    def decode(self) -> Synthetic:
        """The samples."""
        samples = (self.coefficients @ self.inputs.flatten(1)).reshape(-1, *self.inputs.shape[1:])
        if self.sides:
            samples = interpolate(samples, size=self.sides, mode="bilinear", align_corners=False)
        return Synthetic(samples, scores_of(self.targets, self.classes, samples))
