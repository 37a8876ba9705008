"""How long a distillation and its judging will take, from a few timed steps of each."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data.problem import Problem
from ..data.split import Split
from ..distillation.artefact import as_engram
from ..distillation.buffers import missing
from ..distillation.loop import Run
from ..distillation.plan import Plan
from ..evaluation.ceiling import full_networks, full_recipe
from ..evaluation.learners import LEARNERS, Recipe, learner_names
from ..evaluation.protocol import Protocol, row_names
from ..evaluation.scores import TEACHERS
from ..learning.experts import learn
from ..learning.fitting import fit, outputs
from ..learning.network import Network, initialise, large_image, model_of
from ..learning.training import Descent, Loss, Phase, Training
from ..memory.engram import Engram
from ..memory.lesson import Lesson
from ..random import isolated
from ..samples.synthetic import Synthetic
from .progress import LOGGER, never_fatal

__all__ = ["Estimate", "estimate", "in_words", "tell_time"]

_LONG = 3600
"""Seconds beyond which a run says how to shorten it."""

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


def tell_time(plan: Plan, problem: Problem, current: Run, protocol: Protocol | None) -> None:
    """Say how long a run takes (`estimate`), and how it could take less."""
    with never_fatal("the time that this takes could not be estimated"):
        found = estimate(plan, problem, current, protocol)
        LOGGER.info("this takes %s", found)
        if found.distilling > _LONG:
            said = in_words(found.distilling)
            LOGGER.warning("%s is long: --quick, --steps N or --time 10m shorten it, a smaller --network too", said)


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
    """Every row trains `seeds` networks and scores them; the ceiling trains them on everything; learners learn thrice."""
    training = start.training if protocol.network is None else start.training.on(protocol.network)
    baselines = len(row_names(replace(protocol, panel="none", judges=()), start, problem))
    own = baselines * _network(problem, start.sets, training)
    learners = learner_names(problem, protocol.panel, protocol.judges) if start.labelled else []
    others = len(TEACHERS) * sum(_learner(name, problem, start) for name in learners)
    steps = protocol.steps_on_all(problem)
    # Small networks learn side by side, which costs them little; of large images some may lie in the cache.
    together = 1
    if large_image(problem.task.shape):
        recipe = full_recipe(full_networks(problem, protocol.seeds), steps)
        together = missing(problem, training.network, recipe, 0)
    ceiling = steps * together * _full_step(problem, training.network) if together else 0.0
    return protocol.seeds * (own + others) + ceiling


def _network(problem: Problem, sets: dict[str, Synthetic], training: Training) -> float:
    """Seconds of training one network on a few samples and scoring it on `test`."""
    short = Training(training.network, tuple(_shortened(phase) for phase in training.phases))
    rows = _some(problem, _ROWS)
    fitted = fit(short, problem.task, sets, [0])
    longest = max((phase.solver.steps for phase in training.phases if isinstance(phase.solver, Descent)), default=1)
    learning = _fastest(lambda: fit(short, problem.task, sets, [0]), 2) * max(1.0, longest / _STEPS)
    return learning + _fastest(lambda: outputs(fitted, rows), 2) * len(problem.test) / len(rows)


def _learner(name: str, problem: Problem, start: Engram) -> float:
    """Seconds of one foreign learner."""
    learner, lesson = LEARNERS[name], Lesson.of(start)
    if isinstance(learner, Recipe):
        return _network(problem, {"main": lesson.hard(problem.classes)}, learner.training)
    few, many = (_some(problem, count) for count in (_ROWS // 4, _ROWS))
    short, long = (_fastest(lambda: learner.judge([lesson], problem, [0], rows), 2) for rows in (few, many))  # noqa: B023
    more = (len(problem.test) - len(few)) / max(1, len(many) - len(few))
    return short + max(0.0, long - short) * more


def _some(problem: Problem, count: int) -> Split:
    """The first rows of `select`."""
    return problem.select.rows(torch.arange(min(count, len(problem.select)), device=problem.select.device))


def _full_step(problem: Problem, network: Network) -> float:
    """Seconds of one step of training on everything."""
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    if large_image(problem.task.shape):
        model = model_of(network, problem.task)
        params = {k: v.to(problem.train.device) for k, v in initialise(network, problem.task, 0).items()}
        recipe = full_recipe(1, _STEPS)
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
