"""The labels of synthetic samples: hard, or those of a teacher trained on all rows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import torch

from ..data.problem import Problem
from ..learning.experts import Experts
from ..learning.fitting import Fitted
from ..learning.training import Training
from ..samples.canvas.basis import Basis
from ..samples.canvas.formation import Formation
from ..samples.canvas.plain import Plain
from .buffers import Prepared, experts

__all__ = ["Labels", "Samples", "labelling", "relabelled"]

Labels = Literal["hard", "teacher"]
"""Class numbers, or the scores of a network trained on all rows."""


Samples = Plain | Formation | Basis
"""Canvases of one set of labelled samples."""


def labelling(
    labels: Labels, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
) -> Prepared:
    """The teacher on disk, where labels are a teacher's; nothing otherwise."""
    if labels == "hard" or not problem.classes:
        return Prepared()
    buffer = experts(problem, training.network, Experts(), seed, watch)
    return Prepared(buffer.digest, buffer.seconds)


def relabelled(canvas: Samples, taught: Fitted) -> Samples:
    """The same inputs with a teacher's scores; tiles of one image share their mean.

    Args:
        canvas: samples of classes.
        taught: one network.

    Returns:
        The canvas with soft labels.
    """
    inputs = canvas.decode().inputs
    scores = torch.cat([taught.outputs(part)[0] for part in inputs.detach().split(512)]).softmax(-1)
    scores = scores - 1 / scores.shape[-1]
    if isinstance(canvas, Formation):
        scores = scores.reshape(len(canvas.inputs), -1, scores.shape[-1]).mean(1)
    return replace(canvas, targets=scores, classes=0)
