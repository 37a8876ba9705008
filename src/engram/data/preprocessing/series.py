"""Time series, standardised per channel; shorter ones are padded, and a mask says where they end."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from ..checks import BATCH, numeric, single

__all__ = ["Series", "require_series"]


@dataclass(frozen=True, eq=False)
class Series:
    r"""Series of one or many channels: :math:`(x_{ct} - \mu_c)/\sigma_c`, zero beyond the end.

    NaN behind the last value of a series says that it is shorter than others. Where any is, one more channel is the mask: 1 up to the end
    and 0 behind it.

    Args:
        channels: that are observed.
        length: of the longest.
        ragged: whether lengths differ.
        mean: (channels,), in raw units.
        std: (channels,), in raw units, positive.

    Raises:
        DataError: fewer than two points, gaps, values that are infinite, nothing that varies.

    Example:
        >>> series = Series.fit(np.array([[0.0, 2.0, 4.0], [1.0, 3.0, np.nan]]))
        >>> series.shape, series.encode(np.array([[2.0, 4.0, np.nan]]))[0, 1].tolist()
        ((2, 3), [1.0, 1.0, 0.0])
    """

    channels: int
    length: int
    ragged: bool
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, raw: np.ndarray, length: int = 0, ragged: bool = False) -> "Series":
        """Measure mean and standard deviation of each channel over all points, in batches; others may be longer or ragged."""
        raw = _channelled(raw)
        n, channels, own = raw.shape
        length, ragged = max(length, own), ragged or length > own
        if length < 2:
            raise DataError(f"series have {length} point: give at least two")
        total, square, count = np.zeros(channels), np.zeros(channels), np.zeros(channels)
        for start in range(0, n, BATCH):
            batch = raw[start : start + BATCH].astype(np.float64)
            inside = _inside(batch, start)
            ragged = ragged or not inside.all()
            known = np.where(inside[:, None], batch, 0.0)
            total += known.sum((0, 2))
            square += np.square(known).sum((0, 2))
            count += inside.sum()
        mean = total / count
        std = np.sqrt(np.maximum(square / count - mean**2, 0))
        if not np.isfinite(std.astype(np.float32)).all():
            raise DataError("series are too large for single precision: rescale them")
        if (std <= 1e-9 * np.maximum(1, np.abs(mean))).all():
            raise DataError("all series are constant: there is nothing to learn from")
        std = np.where(std > 1e-9 * np.maximum(1, np.abs(mean)), std, 1.0)
        return cls(channels, length, ragged, torch.from_numpy(mean).float(), torch.from_numpy(std).float())

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, length); the mask is a channel."""
        return (self.channels + self.ragged, self.length)

    @property
    def bytes(self) -> int:
        """Two numbers per channel."""
        return 8 * self.channels

    def encode(self, raw: Any) -> Tensor:
        """(N, T) or (N, channels, T) to standardised float32, the form in which series are held; shorter ones are padded."""
        found = _channelled(np.asarray(raw))
        if found.shape[1] != self.channels or found.shape[2] > self.length:
            raise DataError(
                f"series have {found.shape[1]} channels of {found.shape[2]} points; this problem has {self.channels} of {self.length}"
            )
        inside = np.concatenate([_inside(found[k : k + BATCH], k) for k in range(0, len(found), BATCH)])
        missing = self.length - found.shape[2]
        inside = np.pad(inside, ((0, 0), (0, missing)))
        if not self.ragged and not inside.all():
            row = int((~inside.all(1)).argmax())
            raise DataError(f"series {row} has {int(inside[row].sum())} points; all of this problem have {self.length}")
        found = np.pad(found, ((0, 0), (0, 0), (0, missing)))
        scaled = (found.astype(np.float64) - self.mean.numpy()[:, None]) / self.std.numpy()[:, None]
        scaled = np.where(inside[:, None], scaled, 0.0)
        if self.ragged:
            scaled = np.concatenate([scaled, inside[:, None].astype(np.float64)], 1)
        return single(scaled, "series")

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Series in raw units, (N, T) of one channel or (N, channels, T); NaN behind the end of a shorter one."""
        values = inputs.detach().cpu()
        series: np.ndarray = (values[:, : self.channels] * self.std[:, None] + self.mean[:, None]).numpy()
        if self.ragged:
            ends = np.maximum(2, (values[:, -1] > 0.5).sum(-1).numpy())
            series = np.where(np.arange(self.length) < ends[:, None, None], series, np.nan).astype(series.dtype)
        return series[:, 0] if self.channels == 1 else series

    def whole(self, inputs: Tensor) -> Tensor:
        """Every number stands for itself; the mask is 1 up to an end, where it is as long as in the samples, and nothing stands behind it."""
        if not self.ragged:
            return inputs
        ends = (inputs[:, -1] > 0.5).sum(-1, keepdim=True).clamp_min(2)
        mask = (torch.arange(self.length, device=inputs.device) < ends).to(inputs)
        return torch.cat([inputs[:, :-1] * mask[:, None], mask[:, None]], 1)

    def recover(self, stored: Tensor) -> np.ndarray:
        """Series in raw units."""
        return self.decode(stored)

    def item_bytes(self, number: int) -> int:
        """One number a point."""
        return number * self.channels * self.length


def require_series(raw: np.ndarray) -> None:
    """Refuse gaps inside a series, infinite values, and series of fewer than two points, by row and place."""
    found = _channelled(raw)
    for start in range(0, len(found), BATCH):
        _inside(found[start : start + BATCH], start)


def _channelled(raw: np.ndarray) -> np.ndarray:
    raw = numeric(raw, "series")
    if raw.ndim == 2:
        return raw[:, None]
    if raw.ndim != 3:
        raise DataError(f"series have shape {raw.shape}: give (N, T) or (N, channels, T)")
    return raw


def _inside(batch: np.ndarray, first: int) -> np.ndarray:
    """(N, T): which points lie before the end of a series; gaps and infinite values are refused, by row and place."""
    if batch.dtype.kind != "f":
        return np.ones((len(batch), batch.shape[2]), dtype=bool)
    known = ~np.isnan(batch)
    ends = np.where(known.any(1), np.arange(1, batch.shape[2] + 1), 0).max(1)
    inside = np.arange(batch.shape[2]) < ends[:, None]
    for odd, words in (
        (inside[:, None] & ~known, "is missing inside the series: fill it"),
        (np.isinf(batch), "is infinite: mend it"),
    ):
        if odd.any():
            row, channel, place = (int(k) for k in np.argwhere(odd)[0])
            where = f"channel {channel}, " if batch.shape[1] > 1 else ""
            raise DataError(f"series {first + row}: {where}point {place} {words}")
    short = ends < 2
    if short.any():
        row = int(short.argmax())
        raise DataError(f"series {first + row} has {int(ends[row])} point(s): give at least two, or remove it")
    return inside
