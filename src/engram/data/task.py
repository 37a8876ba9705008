"""What a network must fit."""

from dataclasses import dataclass

from .metrics import Metric

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What a network must fit: shape of an input, number of outputs, and the metric.

    Example:
        >>> Task((64,), 10, Metric.ACCURACY).outputs
        10
    """

    shape: tuple[int, ...]
    outputs: int
    metric: Metric
