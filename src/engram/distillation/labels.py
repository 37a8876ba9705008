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
from ..samples.canvas.spectrum import Spectrum
from .buffers import Prepared, experts

__all__ = ["Labels", "Samples", "labelling", "relabelled"]

Labels = Literal["hard", "teacher", "logits"]
"""Class numbers; or of a network trained on all rows the probabilities, or the centred logits."""


Samples = Plain | Formation | Basis | Spectrum
"""Canvases of one set of labelled samples."""


def labelling(
    labels: Labels, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
) -> Prepared:
    """The teacher on disk, where labels are a teacher's; nothing otherwise."""
    if labels == "hard" or not problem.classes:
        return Prepared()
    buffer = experts(problem, training.network, Experts(), seed, watch)
    return Prepared(buffer.digest, buffer.seconds)


def relabelled(canvas: Samples, taught: Fitted, labels: Labels = "teacher") -> Samples:
    """The same inputs with a teacher's scores; tiles of one image share their mean.

    Args:
        canvas: samples of classes.
        taught: one network.
        labels: its probabilities, or its logits: centred, and scaled so that the largest is on average that of a hard label.

    Returns:
        The canvas with soft labels.
    """
    inputs = canvas.decode().inputs
    logits = torch.cat([taught.outputs(part)[0] for part in inputs.detach().split(512)])
    if labels == "logits":
        scores = logits - logits.mean(-1, keepdim=True)
        scores = scores * (1 - 1 / scores.shape[-1]) / scores.max(-1).values.mean().clamp_min(1e-12)
    else:
        scores = logits.softmax(-1) - 1 / logits.shape[-1]
    if isinstance(canvas, Formation | Spectrum):
        scores = scores.reshape(len(canvas.targets), -1, scores.shape[-1]).mean(1)
    return replace(canvas, targets=scores, classes=0)
