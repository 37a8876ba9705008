"""Images, standardised per channel and held as they come."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from ..checks import BATCH, numeric, require_finite, single

__all__ = ["Pixels"]


@dataclass(frozen=True, eq=False)
class Pixels:
    r"""Images: :math:`(x - \mu_c)/\sigma_c` per channel, held as they come (uint8 where they are).

    Args:
        size: (channels, height, width).
        low: smallest value a pixel can take (0 unless some are negative).
        top: largest value a pixel can take (255; 16 for the 8 x 8 digits).
        native: whether the source's pixels are whole numbers that fit one byte.
        mean: (channels,), in raw units.
        std: (channels,), in raw units, positive.

    Example:
        >>> pixels = Pixels.fit(np.full((2, 4, 4), 8, dtype=np.uint8))
        >>> pixels.shape, float(pixels.mean)
        ((1, 4, 4), 8.0)
    """

    size: tuple[int, int, int]
    low: float
    top: float
    native: bool
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, raw: np.ndarray, top: float | None = None) -> "Pixels":
        """Measure mean and standard deviation per channel, in batches."""
        native = raw.dtype == np.uint8
        images = _channels_first(raw)
        total, square = (
            torch.zeros(images.shape[1], dtype=torch.float64),
            torch.zeros(images.shape[1], dtype=torch.float64),
        )
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).double()
            total += batch.sum((0, 2, 3))
            square += batch.square().sum((0, 2, 3))
        require_finite(square[None].numpy(), "squares of the pixels")
        count = images.size / images.shape[1]
        mean = total / count
        std = (square / count - mean.square()).clamp_min(0).sqrt()
        std[std < 1e-6] = 1.0
        channels, height, width = (int(n) for n in images.shape[1:])
        low = 0.0 if native else min(0.0, float(images.min()))
        limit = top if top is not None else (255.0 if native else float(images.max()))
        return cls((channels, height, width), low, max(limit, low + 1e-6), native, mean.float(), std.float())

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self.size

    @property
    def bytes(self) -> int:
        """Two numbers per channel."""
        return 8 * self.size[0]

    def encode(self, raw: Any) -> Tensor:
        """(N, H, W), (N, H, W, C) or (N, C, H, W) to (N, C, H, W)."""
        images = _channels_first(np.asarray(raw), self.size[0])
        if images.shape[1:] != self.size:
            raise DataError(f"images are {images.shape[1:]} (channels, height, width); this problem has {self.size}")
        require_finite(images, "images")
        if images.dtype == np.uint8:
            return torch.from_numpy(np.ascontiguousarray(images))
        return single(images, "images")

    def normalise(self, stored: Tensor) -> Tensor:
        """Standardise per channel."""
        mean, std = (v.to(stored.device).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return (stored.to(mean.dtype) - mean) / std

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Pixels in raw units, clipped to their range, (N, H, W) or (N, H, W, C)."""
        mean, std = (v.reshape(-1, 1, 1) for v in (self.mean, self.std))
        images = (inputs.detach().cpu() * std + mean).clamp(self.low, self.top)
        if self.native:
            images = images.round().to(torch.uint8)
        return images.movedim(1, -1).squeeze(-1).numpy() if self.size[0] == 1 else images.movedim(1, -1).numpy()

    def whole(self, inputs: Tensor) -> Tensor:
        """Every number stands for itself."""
        return inputs

    def recover(self, stored: Tensor) -> np.ndarray:
        """The stored pixels are the raw ones."""
        return stored.cpu().numpy()

    def item_bytes(self, number: int) -> int:
        """One byte a pixel where the source has bytes."""
        return math.prod(self.size) * (1 if self.native else number)


def _channels_first(raw: np.ndarray, channels: int | None = None) -> np.ndarray:
    raw = numeric(raw, "images")
    if raw.ndim == 3:
        return raw[:, None]
    if raw.ndim != 4:
        raise DataError(f"images have shape {raw.shape}; give (N, H, W), (N, H, W, C) or (N, C, H, W)")
    first = raw.shape[1] == channels if channels else raw.shape[1] in (1, 3, 4)
    return raw if first and not (channels is None and raw.shape[3] in (1, 3, 4)) else np.moveaxis(raw, 3, 1)
