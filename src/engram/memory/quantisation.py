"""Tensors at their stored precision."""

import torch
from torch import Tensor

from ..errors import SettingError
from ..samples.budget import Precision

__all__ = ["restore", "store"]

_COARSE = "coarse_targets"
"""The end of the names of labels that four bits hold, unless all is stored in single precision."""

_OF_COARSE = ("inputs", "targets")
"""The ends of the names of what four bits hold of a canvas that is coarse."""

_LEVELS = 16
"""Of four bits."""

_ROUNDS = 50


def store(
    key: str, value: Tensor, precision: Precision, scale: Tensor | None = None, coarse: bool = False
) -> tuple[Tensor, ...]:
    """A float tensor at a stored precision: the values; for eight bits their offset and step, for four their levels."""
    if not value.is_floating_point():
        small = value.numel() > 0 and int(value.min()) >= 0 and int(value.max()) < 256
        return (value.to(torch.uint8 if small else torch.int16),)
    coarse = coarse and key.endswith(_OF_COARSE)
    if precision is Precision.FLOAT32 and not coarse:
        return (value.float(),)
    if (coarse or key.endswith(_COARSE)) and (scale is None or len(scale) == _LEVELS):
        levels = _levels(value) if scale is None else scale
        return _paired(_nearest(value.flatten(), levels.to(value)).view_as(value)), levels
    if not key.endswith(_COARSE) and (precision is not Precision.UINT8 or not key.endswith("inputs")):
        limit = torch.finfo(torch.float16).max
        return (value.clamp(-limit, limit).half(),)
    if scale is None:
        low, high = value.min(), value.max()
        scale = torch.stack([low, ((high - low) / 255).clamp_min(1e-12)]).float().cpu()
    low, step = scale.to(value.device)
    return ((value - low) / step).round().clamp(0, 255).to(torch.uint8), scale


def restore(stored: tuple[Tensor, ...]) -> Tensor:
    """What `store` stored, in single precision or as whole numbers."""
    values, *scale = stored
    if not (values.is_floating_point() or values.dtype in (torch.uint8, torch.int16)):
        raise TypeError(f"{values.dtype} is stored by no precision")
    if scale and len(scale[0]) == _LEVELS:
        codes = torch.stack([values // _LEVELS, values % _LEVELS], 1).flatten(0, 1)
        return scale[0].to(values.device).float()[codes.long()]
    if scale:
        low, step = scale[0].to(values.device)
        return values.float() * step + low
    if values.dtype == torch.float16:
        return values.float()
    return values.long() if values.dtype in (torch.uint8, torch.int16) else values


def _levels(values: Tensor) -> Tensor:
    """Sixteen numbers that stand for all with least squared error, by Lloyd's rounds from quantiles.

    References:
        Lloyd 1982, Least squares quantization in PCM.
    """
    flat = values.detach().flatten().double().cpu().sort().values
    levels = flat[((torch.arange(_LEVELS) + 0.5) / _LEVELS * len(flat)).long()]
    # Of sorted values those of a level stand together: sums from the start say all.
    summed = torch.cat([torch.zeros(1).double(), flat.cumsum(0)])
    for _ in range(_ROUNDS):
        ends = torch.searchsorted(flat, (levels[1:] + levels[:-1]) / 2, right=True)
        ends = torch.cat([torch.zeros(1).long(), ends, torch.tensor([len(flat)])])
        counts = ends.diff()
        levels = torch.where(counts > 0, summed[ends].diff() / counts.clamp_min(1), levels)
    limit = torch.finfo(torch.float16).max
    return levels.clamp(-limit, limit).half()


def _nearest(values: Tensor, levels: Tensor) -> Tensor:
    """The place of the nearest of rising levels."""
    return torch.bucketize(values.contiguous(), (levels[1:] + levels[:-1]) / 2)


def _paired(codes: Tensor) -> Tensor:
    """Two rows of codes below sixteen in one of bytes."""
    if len(codes) % 2:
        raise SettingError(f"numbers of four bits are stored in pairs of rows; these are {len(codes)}")
    return (codes[0::2] * _LEVELS + codes[1::2]).to(torch.uint8)
