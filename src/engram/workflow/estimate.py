"""How long a distillation and its judging will take, from a few timed steps of each."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data.problem import Problem
from ..distillation.plan import Plan
from ..evaluation.ceiling import ceiling_seconds, full_steps
from ..evaluation.protocol import Protocol, row_names
from ..learning.fitting import fit, outputs
from ..learning.training import Descent, Phase, Training
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


def estimate(plan: Plan, problem: Problem, state: Any, start: Engram, protocol: Protocol | None) -> Estimate:
    """Time a few steps; none of them counts, since states are frozen.

    Args:
        plan: what will be done.
        problem: on which data.
        state: of the method, before its next step.
        start: the engram of the samples as they now are.
        protocol: how it will be judged; None for not at all.

    Returns:
        The estimate.
    """
    left = plan.method.steps - getattr(state, "step", 0)

    def step() -> None:
        with isolated(plan.seed, "outer", getattr(state, "step", 0)):
            plan.method.step(state, problem, plan.training)

    distilling = left * _fastest(step, min(_STEPS, left))
    return Estimate(distilling, 0.0 if protocol is None else _judging(problem, start, protocol))


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
    least = min((len(p) for p in (problem.test,)), default=0)
    rows = problem.test.rows(torch.arange(min(_ROWS, least), device=problem.test.device))
    fitted = fit(short, problem.task, start.sets, [0])
    longest = max((phase.solver.steps for phase in training.phases if isinstance(phase.solver, Descent)), default=1)
    learning = _fastest(lambda: fit(short, problem.task, start.sets, [0]), 2) * max(1.0, longest / _STEPS)
    scoring = _fastest(lambda: outputs(fitted, rows), 2) * len(problem.test) / max(1, len(rows))
    steps = protocol.full_steps or full_steps(problem)
    ceiling = steps * ceiling_seconds(problem, training.network, protocol.seeds)
    return protocol.seeds * (learning + scoring) * len(row_names(protocol)) + ceiling


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
