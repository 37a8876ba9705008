"""Samples that are nearly somebody's row."""

from ..data.problem import Problem
from ..memory.engram import Engram
from ..numerics.distances import nearest_distances
from .batches import few

__all__ = ["copies"]

_TRAIN, _HELD_OUT = 10_000, 1000


def copies(engram: Engram, problem: Problem) -> int:
    r"""How many samples stand less than half as far from a training row as any held-out row does.

    Such a sample may give away the row. An average of rows stands about :math:`1/\sqrt2` as far as another row: that is
    no copy. At most 10,000 training rows and 1,000 of `select` are looked at.

    Args:
        engram: whose samples, of its first set.
        problem: the data.

    Returns:
        The number.

    Example:
        >>> import engram
        >>> problem = engram.load_problem("wine")
        >>> copies(engram.distill(problem, "random"), problem)
        3
    """
    parts = few(problem.train, _TRAIN), few(problem.select, _HELD_OUT)
    train, held_out = (part.batch(slice(None))[0].flatten(1) for part in parts)
    usual = nearest_distances(held_out, train).min() / 2
    return int((nearest_distances(engram.samples.inputs.flatten(1).to(train), train) < usual).sum())
