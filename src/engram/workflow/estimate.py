"""How long a distillation and its judging will take, from a few timed steps of each."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data.problem import Problem
from ..distillation.loop import Run, as_engram
from ..distillation.plan import Plan
from ..evaluation.ceiling import full_steps
from ..evaluation.protocol import Protocol, row_names
from ..learning.experts import Experts, learn
from ..learning.fitting import fit, outputs
from ..learning.network import Network, initialise, large_image, model_of
from ..learning.training import Descent, Loss, Phase, Training
from ..memory.engram import Engram
from ..random import isolated

__all__ = ["Estimate", "estimate", "in_words"]

_STEPS = 3
_ROWS = 256


@dataclass(frozen=True)
class Estimate:
    """Seconds, within a factor of about two.

    Args:
        distilling: of all outer steps.
        judging: of all rows of the evaluation; 0 without one.
    """

    distilling: float
    judging: float

    def __str__(self) -> str:
        judging = f", about {in_words(self.judging)} of judging" if self.judging else ""
        return f"about {in_words(self.distilling)} of distilling{judging}"


def estimate(plan: Plan, problem: Problem, current: Run, protocol: Protocol | None) -> Estimate:
    """Time a few steps; none of them counts, since states are frozen.

    Args:
        plan: what will be done.
        problem: on which data.
        current: the run before its next step.
        protocol: how it will be judged; None for not at all.

    Returns:
        The estimate.
    """
    left = plan.method.steps - current.step

    def step() -> None:
        with isolated(plan.seed, "outer", current.step):
            plan.method.step(current.state, problem, plan.training)

    distilling = left * _fastest(step, min(_STEPS, left))
    if protocol is None:
        return Estimate(distilling, 0.0)
    start = as_engram(plan.method.export(current.state), problem, plan.training, plan.precision)
    return Estimate(distilling, _judging(problem, start, protocol))


def in_words(seconds: float) -> str:
    """A time that a reader grasps.

    Example:
        >>> in_words(45), in_words(600), in_words(64_800)
        ('45 s', '10 min', '18 h')
    """
    if seconds < 90:
        return f"{max(1, math.ceil(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _judging(problem: Problem, start: Engram, protocol: Protocol) -> float:
    """Every row trains `seeds` networks and scores them; the ceiling trains them on everything."""
    training = start.training if protocol.network is None else start.training.on(protocol.network)
    short = Training(training.network, tuple(_shortened(phase) for phase in training.phases))
    rows = problem.select.rows(torch.arange(min(_ROWS, len(problem.select)), device=problem.select.device))
    fitted = fit(short, problem.task, start.sets, [0])
    longest = max((phase.solver.steps for phase in training.phases if isinstance(phase.solver, Descent)), default=1)
    learning = _fastest(lambda: fit(short, problem.task, start.sets, [0]), 2) * max(1.0, longest / _STEPS)
    scoring = _fastest(lambda: outputs(fitted, rows), 2) * len(problem.test) / len(rows)
    steps = full_steps(problem) if protocol.full_steps is None else protocol.full_steps
    # Small networks learn side by side, which costs them little.
    together = protocol.seeds if large_image(problem.task.shape) else 1
    ceiling = steps * together * _full_step(problem, training.network)
    return protocol.seeds * (learning + scoring) * len(row_names(protocol)) + ceiling


def _full_step(problem: Problem, network: Network) -> float:
    """Seconds of one step of training on everything."""
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    if large_image(problem.task.shape):
        model = model_of(network, problem.task)
        params = {k: v.to(problem.train.device) for k, v in initialise(network, problem.task, 0).items()}
        recipe = Experts(1, _STEPS, 64)
        return _fastest(lambda: list(learn(model, params, problem.train, recipe, loss, 0, "timed")), 2) / _STEPS
    training = Training(network, (Phase(Descent(steps=_STEPS, batch=64, loss=loss)),))
    return _fastest(lambda: fit(training, problem.task, {"main": problem.train}, [0]), 2) / _STEPS


def _shortened(phase: Phase) -> Phase:
    solver = phase.solver
    return (
        replace(phase, solver=replace(solver, steps=min(_STEPS, solver.steps)))
        if isinstance(solver, Descent)
        else phase
    )


def _fastest(call: Callable[[], Any], times: int) -> float:
    """Seconds of the fastest of a few calls: the first one warms up."""
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return min(taken, default=0.0)
