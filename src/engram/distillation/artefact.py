"""From canvases to the artefact: samples rounded to what is stored."""

from collections.abc import Mapping
from typing import Any

from ..data.problem import Problem
from ..learning.training import Training
from ..memory.engram import Engram
from ..samples.budget import Precision
from ..samples.canvas import Canvas

__all__ = ["as_engram"]


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
