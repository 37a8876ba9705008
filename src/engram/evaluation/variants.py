"""The same engram judged otherwise: without augmentation, with hard labels."""

from dataclasses import replace

from ..learning.training import Descent, Training
from ..samples.canvas import Canvas

__all__ = ["hardened", "plain"]


def plain(training: Training) -> Training:
    """The same training without augmentation."""
    return replace(
        training,
        phases=tuple(
            replace(phase, solver=replace(phase.solver, augment="")) if isinstance(phase.solver, Descent) else phase
            for phase in training.phases
        ),
    )


def hardened(canvas: Canvas) -> Canvas:
    """The same samples with the label of their largest score."""
    targets = getattr(canvas, "targets", None)
    if targets is None or targets.ndim != 2 or targets.shape[1] < 2:
        return canvas
    return replace(canvas, targets=targets.argmax(1), classes=targets.shape[1])  # type: ignore[type-var]
