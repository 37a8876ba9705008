"""The outer optimizer: Adam or SGD with a rate for each free tensor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..numerics.optimizers import SGD, Adam, Moments, Params

__all__ = ["OuterOptimizer"]


@dataclass(frozen=True)
class OuterOptimizer:
    r"""Adam or SGD with a rate for each free tensor, times :math:`\frac12(1 + \cos \pi t/T)` if asked.

    Args:
        rates: by name of the free tensor; 0 keeps it fixed, a negative one climbs.
        steps: length T of the run.
        momentum: of SGD; None for Adam.
        cosine: whether rates fall to zero along half a cosine.
        clip: gradients longer than so many times the root of their running mean square are cut to it (Adam); 0 never.
    """

    rates: Mapping[str, float]
    steps: int
    momentum: float | None = None
    cosine: bool = True
    clip: float = 0.0

    @property
    def _optimizer(self) -> Adam | SGD:
        return Adam(1.0) if self.momentum is None else SGD(1.0, self.momentum)

    def init(self, free: Params) -> Moments:
        """Nothing remembered."""
        return self._optimizer.init(free)

    def step(self, free: Params, grads: Params, moments: Moments, step: int) -> tuple[Params, Moments]:
        """Move the free tensors against the gradients."""
        scale = 0.5 * (1 + math.cos(math.pi * min(step / max(self.steps, 1), 1))) if self.cosine else 1.0
        # Steps of SGD are as small as gradients: taken from the samples they would lose digits that a rate of 1000 shows.
        base = free if self.momentum is None else {key: torch.zeros_like(value) for key, value in free.items()}
        moved, moments = self._optimizer.step(base, self._clipped(grads, moments), moments)
        return {
            key: old + scale * self.rates[key] * (moved[key] - base[key]) if self.rates[key] else old
            for key, old in free.items()
        }, moments

    def _clipped(self, grads: Params, moments: Moments) -> Params:
        """Cut a gradient that is much longer than those before it; Adam's own memory knows how long these were."""
        if not self.clip or not moments.second or float(moments.count) == 0:
            return grads
        usual = sum(float(value.sum()) for value in moments.second.values()) / (1 - 0.999 ** float(moments.count))
        length = sum(float(value.square().sum()) for value in grads.values())
        factor = min(1.0, self.clip * math.sqrt(usual / max(length, 1e-30)))
        return {key: value * factor for key, value in grads.items()}
