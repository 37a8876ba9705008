"""The baseline of one eigendecomposition: leading eigenvectors of the label-weighted covariance as a first set."""

from typing import Literal, get_args

import torch

from ..distillation.methods.two_phase import TwoPhase
from ..random import integer
from ..samples.canvas.points import Coefficients, Points
from .laboratory import Bench

__all__ = ["KINDS", "WORDS", "Kind", "eigenvectors"]

Kind = Literal["plain", "mixtures", "weighted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORDS: dict[Kind, str] = {
    "plain": "r eigenvectors as points",
    "mixtures": "seeded mixtures of r eigenvectors",
    "weighted": "seeded mixtures of r eigenvectors, each counted by its eigenvalue",
}


def eigenvectors(bench: Bench, kind: Kind) -> Points:
    r"""The r leading eigenvectors of :math:`\frac1N \sum_n y_n x_n x_n^\top` by magnitude of their eigenvalue.

    Args:
        bench: task and data.
        kind: as points (rows come as :math:`\pm w`, so that one serves two half-spaces); as seeded mixtures, as many of
            each vector as two-phase distillation draws; as mixtures in which each counts by its eigenvalue.

    Returns:
        A canvas that stores r vectors.
    """
    values, vectors = torch.linalg.eigh(bench.covariance)
    kept = values.abs().argsort(descending=True)[: bench.task.r]
    found, size = vectors[:, kept].T * bench.task.d**0.5, values[kept].abs()
    if kind == "plain":
        return Points(found)
    mixed = Coefficients(len(found) * TwoPhase().mixtures, integer(bench.seed, "mixtures", bits=31))
    return Points(found * (size / size.max())[:, None] if kind == "weighted" else found, coefficients=mixed)
