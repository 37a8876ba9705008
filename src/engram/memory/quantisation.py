"""Tensors at their stored precision."""

import torch
from torch import Tensor

from ..samples.budget import Precision

__all__ = ["restore", "store"]

_COARSE = ("inputs", "coarse_targets")
"""Tensors that eight bits may hold, by the end of their names; the last is never stored in sixteen."""


def store(key: str, value: Tensor, precision: Precision, scale: Tensor | None = None) -> tuple[Tensor, ...]:
    """A float tensor at a stored precision: the values, and for eight bits their offset and step."""
    if not value.is_floating_point():
        small = value.numel() > 0 and int(value.min()) >= 0 and int(value.max()) < 256
        return (value.to(torch.uint8 if small else torch.int16),)
    if precision is Precision.FLOAT32:
        return (value.float(),)
    if not key.endswith(_COARSE if precision is Precision.UINT8 else _COARSE[1:]):
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
    if scale:
        low, step = scale[0].to(values.device)
        return values.float() * step + low
    if values.dtype == torch.float16:
        return values.float()
    return values.long() if values.dtype in (torch.uint8, torch.int16) else values
