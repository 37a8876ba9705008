"""Several samples in one stored image: each is a tile, brought back to full size."""

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
        inputs: (N, channels, height, width), normalised; sides are multiples of the factor.
        targets: (N, C) scores, or (N,) whole class numbers: the tiles of an image share its label.
        factor: tiles along a side, at least 1.
        classes: number of classes behind hard labels; 0 with scores.

    Raises:
        SettingError: sides that the factor does not divide, or labels that do not go with the classes.

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

    def __post_init__(self) -> None:
        _check_tiles(self.inputs, self.factor)
        check_labels(self.targets, len(self.inputs), self.classes)
        if self.inputs.numel() * self.factor**2 > MOST_NUMBERS:
            raise SettingError(f"{len(self.inputs)} images of {self.factor**2} tiles hold too many numbers")

    @classmethod
    def of(cls, samples: Tensor, targets: Tensor, factor: int, classes: int) -> Self:
        """Put samples (N f^2, ...), those of one stored image together, into tiles; `targets` are the N images' own."""
        _check_tiles(samples, factor)
        size = (samples.shape[2] // factor, samples.shape[3] // factor)
        tiles = interpolate(samples, size=size, mode="area").reshape(-1, factor, factor, samples.shape[1], *size)
        stored = tiles.permute(0, 3, 1, 4, 2, 5).reshape(-1, samples.shape[1], size[0] * factor, size[1] * factor)
        return cls(stored, targets, factor, classes)

    def decode(self) -> Synthetic:
        """The samples."""
        count, channels, height, width = self.inputs.shape
        f = self.factor
        tiles = self.inputs.reshape(count, channels, f, height // f, f, width // f).permute(0, 2, 4, 1, 3, 5)
        tiles = tiles.reshape(count * f * f, channels, height // f, width // f)
        samples = interpolate(tiles, size=(height, width), mode="bilinear", align_corners=False)
        return Synthetic(samples, scores_of(self.targets, self.classes, samples).repeat_interleave(f * f, 0))


def _check_tiles(images: Tensor, factor: int) -> None:
    if images.ndim != 4 or factor < 1 or any(side % factor for side in images.shape[2:]):
        raise SettingError(
            f"images of shape {tuple(images.shape[1:])} cannot be cut into {factor} x {factor} tiles: "
            "choose a factor that divides both sides"
        )
