"""The outer loop's state, and its optimizer: Adam on a canvas, with one rate for inputs and one for labels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from .canvas import Canvas
from .canvas.plain import Plain
from .optimizers import Adam, Moments, Params
from .pool import Pool

__all__ = ["Matching", "Outer"]

C = TypeVar("C", bound=Canvas)


@dataclass(frozen=True, eq=False)
class Matching:
    """Everything that the next outer step of a matching method depends on.

    Args:
        canvas: the samples as they now are.
        moments: of the outer optimizer.
        pool: the networks.
        groups: (N,) class for which each sample was made.
        step: outer steps taken.
        seed: of every draw.
    """

    canvas: Plain
    moments: Moments
    pool: Pool
    groups: Tensor
    step: int
    seed: int


@dataclass(frozen=True)
class Outer:
    r"""Adam with a rate for each free tensor, times :math:`\frac12(1 + \cos \pi t/T)`.

    Args:
        rates: by name of the free tensor; 0 keeps it fixed.
        steps: length T of the run.
    """

    rates: Mapping[str, float]
    steps: int

    def init(self, canvas: Canvas) -> Moments:
        """Nothing remembered."""
        return Adam().init(canvas.free)

    def step(self, canvas: C, grads: Params, moments: Moments, step: int) -> tuple[C, Moments]:
        """Move the canvas against the gradients."""
        scale = 0.5 * (1 + math.cos(math.pi * min(step / max(self.steps, 1), 1)))
        moved, moments = Adam(rate=1.0).step(canvas.free, grads, moments)
        free = {
            key: old + scale * self.rates[key] * (moved[key] - old) if self.rates[key] else old
            for key, old in canvas.free.items()
        }
        return canvas.with_free(free), moments
