"""How faithfully the learning process is replayed: two networks from one start, one taught by the engram."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap

from ..data.metrics import score
from ..data.problem import Problem
from ..learning.fitting import Fitted, fit, outputs
from ..learning.gradients import mean_loss
from ..learning.network import Model
from ..learning.readout import refit
from ..learning.training import Descent, Loss, Phase, Ridge, Training
from ..memory.engram import Engram
from ..numerics.optimizers import Params
from ..numerics.subspaces import feature_alignment

__all__ = ["Fidelity", "fidelity"]

_ROWS = 256


@dataclass(frozen=True)
class Fidelity:
    """Curves along training, measured on `select`.

    Args:
        steps: at which they were measured.
        engram: score of the network taught by the engram, its readout refitted on the engram.
        full: score of the network taught by minibatches of all data, at the same steps.
        cosine: of the engram's gradient with the real data's, at the engram's own network.
        agreement: how alike the two networks predict: share of equal classes, or correlation.
        features: how alike their features are, by linear CKA; 1 for the same up to rotation and scale. Empty in files of before.
    """

    steps: tuple[int, ...]
    engram: tuple[float, ...]
    full: tuple[float, ...]
    cosine: tuple[float, ...]
    agreement: tuple[float, ...]
    features: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {key: list(value) for key, value in vars(self).items()}


def fidelity(engram: Engram, problem: Problem, seeds: list[int], points: int = 10) -> Fidelity | None:
    """Train on the engram and on everything from the same start, and compare along the way.

    Args:
        engram: whose first phase is a descent.
        problem: real data; only `train` and `select` are read.
        seeds: starts; curves are means over them.
        points: measurements along training.

    Returns:
        The curves; None when the first phase is no descent, or the readout learns from another set.
    """
    phase = engram.training.phases[0]
    solver = phase.solver
    if not isinstance(solver, Descent) or solver.steps == 0 or engram.training.phases[-1].data != phase.data:
        return None
    marks = sorted({round(solver.steps * k / points) for k in range(points + 1)})
    real = problem.train.sample(_ROWS, 0, 0, "fidelity")
    own = engram.sets[phase.data].batch(slice(None))
    seen = problem.validation.batch(slice(0, _ROWS))[0]
    taught: dict[int, Tensor] = {}
    features: dict[int, Tensor] = {}
    alike: list[float] = []
    cosines: list[float] = []
    ridge = engram.training.phases[-1].solver

    def by_engram(_: int, step: int, fitted: Fitted) -> None:
        if step in marks:
            cosines.append(_cosine(fitted.model, fitted.params, own, real))
            features[step] = fitted.features(seen)
            if isinstance(ridge, Ridge):
                fitted = replace(fitted, params=refit(fitted.model, fitted.params, ridge, engram.sets[phase.data]))
            taught[step] = outputs(fitted, problem.validation)

    fit(Training(engram.training.network, (phase,)), problem.task, engram.sets, seeds, by_engram)
    everything: dict[int, Tensor] = {}

    def by_all(_: int, step: int, fitted: Fitted) -> None:
        if step in marks:
            everything[step] = outputs(fitted, problem.validation)
            pairs = zip(features.pop(step), fitted.features(seen), strict=True)
            alike.append(float(torch.stack([feature_alignment(one, other) for one, other in pairs]).mean()))

    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    learn = Phase(Descent(solver.optimizer, solver.steps, 64, loss), before=phase.before)
    fit(Training(engram.training.network, (learn,)), problem.task, {"main": problem.train}, seeds, by_all)
    targets = problem.validation.targets
    judge = lambda found: float(score(problem.metric, found, targets).mean())  # noqa: E731
    return Fidelity(
        tuple(marks),
        tuple(judge(taught[m]) for m in marks),
        tuple(judge(everything[m]) for m in marks),
        tuple(cosines),
        tuple(_agreement(taught[m], everything[m], problem) for m in marks),
        tuple(alike),
    )


def _cosine(model: Model, params: Params, own: tuple[Any, ...], real: tuple[Any, ...]) -> float:
    def flat(one: Params, x: Tensor, y: Tensor) -> Tensor:
        grads = grad(lambda p: mean_loss(Loss.SQUARED, model.outputs(p, x), y))(one)
        return torch.cat([g.flatten() for g in grads.values()])

    left = vmap(flat, in_dims=(0, None, None))(params, own[0], own[1])
    right = vmap(flat, in_dims=(0, None, None))(params, real[0], real[1])
    return float(torch.cosine_similarity(left, right).mean())


def _agreement(one: Tensor, other: Tensor, problem: Problem) -> float:
    if problem.classes:
        return float((one.argmax(-1) == other.argmax(-1)).float().mean())
    one, other = (v - v.mean(1, keepdim=True) for v in (one, other))
    return float(torch.cosine_similarity(one.flatten(1), other.flatten(1)).mean())
