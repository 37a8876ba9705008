"""From canvases to the artefact: samples rounded to what is stored."""

from collections.abc import Mapping
from typing import Any, TypeVar

from ..data.problem import Problem
from ..learning.training import Training
from ..memory.engram import Engram
from ..memory.quantisation import restore, store
from ..samples.budget import Precision
from ..samples.canvas import Canvas, is_coarse

__all__ = ["as_engram", "as_stored"]

C = TypeVar("C", bound=Canvas)


def as_stored(canvas: C) -> C:
    """A canvas of four bits with the numbers that its file will hold; any other as it is."""
    if not is_coarse(canvas):
        return canvas
    kept = {key: restore(store(key, value, Precision.UINT8, coarse=True)) for key, value in canvas.free.items()}
    return canvas.with_free({key: value.to(canvas.free[key].device) for key, value in kept.items()})


def as_engram(
    canvases: Mapping[str, Canvas], problem: Problem, training: Training, precision: Precision, **rest: Any
) -> Engram:
    """The engram of some canvases, rounded to their stored precision."""
    return Engram.of(
        canvases,
        precision,
        training=training,
        preprocessing=problem.preprocessing,
        target=problem.target,
        metric=problem.metric,
        linear=problem.linear,
        **rest,
    )
