"""Several samples in one stored image: each is a tile, brought back to full size."""

import math
from dataclasses import dataclass
from typing import Self

from torch import Tensor
from torch.nn.functional import interpolate

from ...errors import SettingError
from ..synthetic import Synthetic, check_labels, scores_of
from . import MOST_NUMBERS, InputsAndLabels

__all__ = ["Formation"]


@dataclass(frozen=True, eq=False)
class Formation(InputsAndLabels):
    r"""Images cut into `factor` x `factor` tiles, each of which stands for one sample of full size.

    .. math:: x_{n f^2 + k} = \text{upsample}\big(\text{tile}_k(s_n)\big), \qquad k < f^2

    Args:
        inputs: (N, channels, height, width), normalised; height and width are multiples of the factor.
        targets: (N, C) scores, or (N,) whole class numbers: the tiles of an image share its label; or (N f^2, ...), each has its own.
        factor: tiles along a side, at least 1.
        classes: number of classes behind hard labels; 0 with scores.
        coarse: whether inputs and scores are stored in four bits.
        sides: height and width of a sample, where the factor does not divide them; those of a stored image when empty.

    Raises:
        SettingError: stored images that the factor does not divide, or labels that do not go with the classes.

    References:
        Kim et al. 2022 (IDC, arXiv 2205.14959), multi-formation.

    Example:
        >>> import torch
        >>> Formation(torch.zeros(2, 1, 8, 8), torch.zeros(2, 3), factor=2).decode().inputs.shape
        torch.Size([8, 1, 8, 8])
    """

    inputs: Tensor
    targets: Tensor
    factor: int
    classes: int = 0
    coarse: bool = False
    sides: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        _check_tiles(self.inputs, self.factor)
        own = len(self.targets) == len(self.inputs) * self.factor**2
        check_labels(self.targets, len(self.targets) if own else len(self.inputs), self.classes)
        if self.sides and (len(self.sides) != 2 or min(self.sides) < 1):
            raise SettingError(f"sides {self.sides} are no height and width")
        if self.inputs.shape[:2].numel() * math.prod(self._sides) * self.factor**2 > MOST_NUMBERS:
            raise SettingError(f"{len(self.inputs)} images of {self.factor**2} tiles hold too many numbers")

    @classmethod
    def of(cls, samples: Tensor, targets: Tensor, factor: int, classes: int, coarse: bool = False) -> Self:
        """Put samples (N f^2, ...), those of one stored image together, into tiles; `targets` are the N images' or the samples'."""
        sides = tuple(samples.shape[2:])
        size = tuple(side // factor for side in sides)
        if min(size) < 1:
            raise SettingError(f"images of {sides[0]} x {sides[1]} cannot be cut into {factor} x {factor} tiles")
        tiles = interpolate(samples, size=size, mode="area").reshape(-1, factor, factor, samples.shape[1], *size)
        stored = tiles.permute(0, 3, 1, 4, 2, 5).reshape(-1, samples.shape[1], size[0] * factor, size[1] * factor)
        return cls(stored, targets, factor, classes, coarse, sides if sides != tuple(stored.shape[2:]) else ())

    @property
    def _sides(self) -> tuple[int, ...]:
        return self.sides or tuple(self.inputs.shape[2:])

    def decode(self) -> Synthetic:
        """The samples."""
        count, channels, height, width = self.inputs.shape
        f = self.factor
        tiles = self.inputs.reshape(count, channels, f, height // f, f, width // f).permute(0, 2, 4, 1, 3, 5)
        tiles = tiles.reshape(count * f * f, channels, height // f, width // f)
        samples = interpolate(tiles, size=self._sides, mode="bilinear", align_corners=False)
        labels = scores_of(self.targets, self.classes, samples)
        return Synthetic(samples, labels.repeat_interleave(len(samples) // len(labels), 0))


def _check_tiles(images: Tensor, factor: int) -> None:
    if images.ndim != 4 or factor < 1 or any(side % factor for side in images.shape[2:]):
        raise SettingError(
            f"images of shape {tuple(images.shape[1:])} cannot be cut into {factor} x {factor} tiles: "
            "choose a factor that divides both sides"
        )
