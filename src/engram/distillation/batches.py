"""Batches by class: real rows drawn, synthetic samples grouped, features averaged."""

import math

import torch
from torch import Tensor

from ..data.rows import Batch
from ..data.split import Split
from ..random import minibatch

__all__ = ["class_means", "drawn_by_class", "few", "grouped", "of_groups"]

_NUMBERS = 20_000_000
"""Of inputs that are held at once where rows are looked at together."""


def few(split: Split, most: int) -> Split:
    """At most so many rows of a split, fewer where inputs are large, drawn once."""
    most = min(most, max(1, _NUMBERS // math.prod(split.preprocessing.shape)))
    if len(split) <= most:
        return split
    return split.rows(minibatch(len(split), most, 0, 0, "few").to(split.device))


def drawn_by_class(
    split: Split, groups: tuple[Tensor, ...], size: int, generator: torch.Generator, own: slice = slice(None)
) -> Batch:
    """Real rows of every group, (groups, size, ...), with replacement; those of some are read, and the same whichever these are."""
    rows = torch.stack([g[torch.randint(len(g), (size,), generator=generator).to(g.device)] for g in groups])[own]
    x, y, w = split.batch(rows.flatten().to(split.device))
    shape = rows.shape
    # A class of its own needs no weights: the cosine does not see them.
    weights = None if w is None or len(groups) > 1 else w.reshape(shape)
    return x.reshape(*shape, *x.shape[1:]), y.reshape(*shape, -1), weights


def class_means(features: Tensor, labels: Tensor, groups: int) -> Tensor:
    """Mean features of each class: (networks, N, F) to (networks, groups, F)."""
    member = torch.nn.functional.one_hot(labels, groups).to(features)
    return (member / member.sum(0)).mT @ features


def of_groups(labels: Tensor, own: slice, groups: int) -> tuple[Tensor, Tensor | slice]:
    """Labels of the samples of some groups, counted from the first of these, and which samples those are."""
    if own == slice(0, groups):
        return labels, slice(None)
    chosen = (labels >= own.start) & (labels < own.stop)
    return labels[chosen] - own.start, chosen


def grouped(inputs: Tensor, targets: Tensor, labels: Tensor, groups: int) -> Batch:
    """Samples by group, padded to the largest with weightless copies."""
    members = [torch.nonzero(labels == group).flatten() for group in range(groups)]
    most = max(len(m) for m in members)
    rows = torch.stack([torch.cat([m, m[:1].expand(most - len(m))]) for m in members])
    weights = torch.stack([(torch.arange(most) < len(m)) * (most / len(m)) for m in members]).to(inputs)
    return inputs[rows], targets[rows], weights
