"""At which temperature the scores of samples become probabilities that teach by cross-entropy."""

from dataclasses import replace

from ..data.metrics import score
from ..data.problem import Problem
from ..data.targets import Classes
from ..errors import DivergenceError
from ..learning.fitting import fit, outputs
from ..learning.networks.mlp import MLP
from ..learning.training import Descent, Loss, Phase, Training
from ..memory.engram import Engram
from ..memory.lesson import Lesson, probabilities
from ..numerics.optimizers import Adam

__all__ = ["with_temperature"]

_CANDIDATES = (0.0, 0.05, 0.1, 0.2, 0.4)
_CHOOSING = Training(MLP(width=64), (Phase(Descent(Adam(3e-3), 200, loss=Loss.CROSS_ENTROPY)),))
"""A small network of another kind than those that judge."""

_SEEDS = [1_000_001, 1_000_002, 1_000_003]


def with_temperature(engram: Engram, problem: Problem) -> Engram:
    r"""The engram whose probabilities :math:`\mathrm{softmax}(y/\tau)` teach a small network best, on validation rows.

    Args:
        engram: of soft labels of classes; any other is given back as it is.
        problem: its `select` split alone is read.

    Returns:
        The engram with its temperature.
    """
    hard = all(getattr(canvas, "classes", 0) for canvas in engram.canvases.values())
    if not isinstance(engram.target, Classes) or not engram.labelled or hard:
        return engram

    written, scores = Lesson.of(engram), engram.samples.targets

    def taught(temperature: float) -> float:
        lesson = replace(written, probabilities=probabilities(scores, temperature))
        try:
            fitted = fit(_CHOOSING, problem.task, {"main": lesson.soft()}, _SEEDS)
        except DivergenceError:
            return float("-inf")
        return float(score(problem.metric, outputs(fitted, problem.validation), problem.validation.targets).mean())

    return replace(engram, temperature=max(_CANDIDATES, key=taught))
