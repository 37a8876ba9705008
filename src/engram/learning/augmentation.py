"""Differentiable augmentation of images: one drawn transformation, the same for real and synthetic batches if asked."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from ..errors import SettingError, nearest

__all__ = ["Augmentation", "augmentation"]

Drawn = Callable[[Tensor], Tensor]
"""Images (N, channels, height, width) to images; differentiable, and the same at every call."""

_SHIFT = 0.125
_HOLE = 0.5
_SCALE = 1.2
_ANGLE = math.pi / 12


@dataclass(frozen=True)
class Augmentation:
    r"""A strategy: each draw picks one of its kinds and the numbers that the kind needs.

    Siamese matching needs :math:`A_\omega(x)` and :math:`A_\omega(X)` with one :math:`\omega`: draw once, call twice.

    Args:
        kinds: of color, crop, cutout, flip, scale, rotate; none leaves images as they are.

    References:
        Zhao & Bilen 2021 (DSA, arXiv 2102.08259), strategies and strengths.

    Example:
        >>> from engram.random import stream
        >>> drawn = augmentation("flip").draw(stream(0, "augment"))
        >>> drawn(torch.tensor([[[[1.0, 2.0]]]])).flatten().tolist()
        [2.0, 1.0]
    """

    kinds: tuple[str, ...] = ()

    def draw(self, generator: torch.Generator, count: int = 1) -> Drawn:
        """Draw one transformation for a whole batch, or one for each of `count` images."""
        if not self.kinds:
            return lambda images: images
        kind = self.kinds[int(torch.randint(len(self.kinds), (), generator=generator))]
        numbers = torch.rand(count, 3, generator=generator)
        return lambda images: _KINDS[kind](images, *numbers.to(images).unbind(1))


def augmentation(word: str) -> Augmentation:
    """Read a strategy as DSA writes it: kinds joined by underscores.

    Args:
        word: for instance ``"color_crop_cutout_flip_scale_rotate"``; empty for none.

    Returns:
        The strategy.

    Raises:
        SettingError: an unknown kind.

    Example:
        >>> augmentation("crop_rotate").kinds
        ('crop', 'rotate')
    """
    kinds = tuple(part for part in word.split("_") if part)
    for kind in kinds:
        if kind not in _KINDS:
            raise SettingError(f"augmentation {word!r}: {kind!r} is none; {nearest(kind, _KINDS)}")
    return Augmentation(kinds)


def _warp(images: Tensor, matrix: Tensor) -> Tensor:
    """Sample images at affinely moved places; beyond their border they are at the mean, which is zero."""
    grid = affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([torch.stack([a, b, x], -1), torch.stack([c, d, y], -1)], -2)


def _scale(images: Tensor, u: Tensor, v: Tensor, _: Tensor) -> Tensor:
    stretch = [_SCALE ** (2 * number - 1) for number in (u, v)]
    zero = torch.zeros_like(u)
    return _warp(images, _matrix(stretch[0], zero, zero, stretch[1], zero, zero))


def _rotate(images: Tensor, u: Tensor, _: Tensor, __: Tensor) -> Tensor:
    angle = (2 * u - 1) * _ANGLE
    zero = torch.zeros_like(u)
    return _warp(images, _matrix(angle.cos(), -angle.sin(), angle.sin(), angle.cos(), zero, zero))


def _crop(images: Tensor, u: Tensor, v: Tensor, _: Tensor) -> Tensor:
    """Shift by whole pixels, at most an eighth of a side."""
    shifts = []
    for number, size in ((u, images.shape[-1]), (v, images.shape[-2])):
        most = int(_SHIFT * size)
        shifts.append(((2 * number - 1) * (most + 0.5)).round().clamp(-most, most) * 2 / size)
    one, zero = torch.ones_like(u), torch.zeros_like(u)
    return _warp(images, _matrix(one, zero, zero, one, *shifts))


def _flip(images: Tensor, u: Tensor, _: Tensor, __: Tensor) -> Tensor:
    return torch.where(u.reshape(-1, 1, 1, 1) < 0.5, images.flip(-1), images)


def _cutout(images: Tensor, u: Tensor, v: Tensor, _: Tensor) -> Tensor:
    """Blank a square of half a side, whose centre lies anywhere in the image."""
    outside = []
    for number, size in ((u, images.shape[-1]), (v, images.shape[-2])):
        place = torch.arange(size, device=images.device) - number[:, None] * size
        outside.append((place < -_HOLE * size / 2) | (place >= _HOLE * size / 2))
    kept = outside[1][:, :, None] | outside[0][:, None, :]
    return images * kept[:, None].to(images)


def _color(images: Tensor, u: Tensor, v: Tensor, w: Tensor) -> Tensor:
    """Brightness, saturation, contrast."""
    bright, saturation, contrast = (number.reshape(-1, 1, 1, 1) for number in (u - 0.5, 2 * v, w + 0.5))
    images = images + bright
    if images.shape[1] > 1:
        grey = images.mean(1, keepdim=True)
        images = grey + saturation * (images - grey)
    mean = images.mean((1, 2, 3), keepdim=True)
    return mean + contrast * (images - mean)


_KINDS: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]] = {
    "color": _color,
    "crop": _crop,
    "cutout": _cutout,
    "flip": _flip,
    "scale": _scale,
    "rotate": _rotate,
}
