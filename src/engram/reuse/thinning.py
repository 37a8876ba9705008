"""Fewer samples of an engram, for fewer bytes: those whose mean stays that of their class."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from ..distillation.methods.herding import Herding
from ..errors import BudgetError
from ..memory.engram import Engram
from ..samples.canvas import Canvas, is_coarse
from ..samples.canvas.formation import Formation
from ..samples.canvas.plain import Plain
from ..samples.canvas.spectrum import Spectrum

__all__ = ["least_bytes", "thinned"]

_NOBODY = torch.Generator()
"""Herding draws nothing."""


def thinned(engram: Engram, size: int) -> Engram:
    r"""Keep as many stored items of every class as a size allows, those that herding picks.

    Within a class the k kept items are chosen one by one, so that their mean stays near the mean of all (`methods.herding`).

    Args:
        engram: of items that stand alone: plain samples, tiles or spectra.
        size: bytes that its samples may cost.

    Returns:
        The engram itself where it costs no more.

    Raises:
        BudgetError: not one item of every class fits, or samples that are mixtures of what all share.

    Example:
        >>> import engram
        >>> memory = engram.distill(engram.load_problem("wine"), "random", budget=engram.PerClass(4))
        >>> thinned(memory, memory.canvas_bytes // 2).items
        6
    """
    if engram.canvas_bytes <= size:
        return engram
    canvas = _alone(engram)
    groups = _groups(canvas)
    # Two items of four bits share their bytes.
    pair = 1 + is_coarse(canvas)
    most = max(map(len, groups))
    for count in range(most, pair - 1, -1):
        counts = [min(count, len(own)) // pair * pair for own in groups]
        smaller = replace(engram, canvases={"main": _kept(canvas, groups, counts)})
        if smaller.canvas_bytes <= size:
            return smaller
    raise BudgetError(
        f"{size} bytes hold no item for each of the {len(groups)} classes of an engram of {engram.canvas_bytes} bytes: allow at least "
        f"{least_bytes(engram)}"
    )


def least_bytes(engram: Engram) -> int:
    """What one stored item of every class costs, at which an engram cannot be thinned further."""
    canvas = _alone(engram)
    groups = _groups(canvas)
    counts = [min(1 + is_coarse(canvas), len(own)) for own in groups]
    return replace(engram, canvases={"main": _kept(canvas, groups, counts)}).canvas_bytes


def _alone(engram: Engram) -> Plain | Formation | Spectrum:
    (first, *others) = engram.canvases.values()
    if others or not isinstance(first, Plain | Formation | Spectrum):
        raise BudgetError(
            f"an engram of {engram.canvas_bytes} bytes whose samples are mixtures, or stand in several sets, cannot be thinned: allow "
            "more bytes, or distil with fewer items"
        )
    return first


def _items(canvas: Plain | Formation | Spectrum) -> int:
    """Stored items: rows of the inputs' tensor; of spectra those that stand together."""
    return len(canvas.inputs) // (canvas.factor if isinstance(canvas, Spectrum) else 1)


def _groups(canvas: Plain | Formation | Spectrum) -> list[Tensor]:
    """The stored items of each class that has any, in herding's order."""
    count = _items(canvas)
    samples = canvas.decode()
    means = samples.inputs.reshape(count, -1, *samples.inputs.shape[1:]).mean(1).flatten(1)
    scores = samples.targets.reshape(count, -1, samples.targets.shape[1]).mean(1)
    made_for = scores.argmax(1) if scores.shape[1] > 1 else torch.zeros(count, dtype=torch.int64)
    groups = [torch.nonzero(made_for == c).flatten() for c in made_for.unique().tolist()]
    return [own[Herding.pick(means[own], len(own), _NOBODY)] for own in groups]


def _kept(canvas: Any, groups: list[Tensor], counts: list[int]) -> Canvas:
    """The first so many of every group."""
    stored = _items(canvas)
    kept = torch.cat([own[:count] for own, count in zip(groups, counts, strict=True)]).sort().values

    def some(values: Tensor) -> Tensor:
        each = len(values) // stored
        return values.reshape(stored, each, *values.shape[1:])[kept].flatten(0, 1)

    smaller: Canvas = replace(canvas, inputs=some(canvas.inputs), targets=some(canvas.targets))
    return smaller
