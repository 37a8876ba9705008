"""The outer loop: iterate a method, keep what does best on `select`, stop at what is not finite."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..data.metrics import score
from ..data.problem import Problem
from ..errors import DivergenceError
from ..learning.fitting import fit, outputs
from ..learning.network import large_image
from ..learning.training import Training
from ..random import isolated
from ..samples.budget import Budget, Precision
from ..samples.canvas import Canvas
from .artefact import as_engram
from .method import Method, Metrics
from .plan import Plan
from .ranks import agreed, rank, same, size, together
from .selection import Selection

__all__ = ["Run", "iterate", "run", "validation_interval"]

_VALIDATION_SEEDS = (1_000_001, 1_000_002, 1_000_003)
"""Networks that judge checkpoints; never those of an evaluation."""


@dataclass(frozen=True, eq=False)
class Run:
    """A distillation under way: all that a checkpoint holds.

    Args:
        state: of the method.
        step: outer steps taken.
        best: the canvases that did best on `select` so far, by set name.
        best_score: their score, of networks taught by replay.
        history: (step, loss, validation score) at every validation.
        status: running, or diverged at a step.
        seconds: that it took so far, in all processes together.
        best_choice: by what they were chosen: that score, or its mean with others' where the method teaches others too.
    """

    state: Any
    step: int
    best: Mapping[str, Canvas]
    best_score: float
    history: tuple[tuple[int, float, float], ...] = ()
    status: str = "running"
    seconds: float = 0.0
    best_choice: float = float("-inf")


def iterate(
    method: Method,
    problem: Problem,
    training: Training,
    budget: Budget,
    *,
    seed: int = 0,
    precision: Precision = Precision.FLOAT32,
    state: Any = None,
) -> Iterator[tuple[Any, Metrics]]:
    """Own the loop: yield (state, metrics) after every outer step.

    Args:
        method: what is optimised.
        problem: real data.
        training: the learning process to compress.
        budget: how much synthetic data.
        seed: of every draw.
        precision: at which samples will be stored, which a budget in bytes depends on.
        state: continue from this one.

    Yields:
        The state and the metrics of the step; `method.export(state)` gives the canvases.

    Example:
        >>> from engram import PerClass, load_problem
        >>> from engram.distillation import PerformanceMatching, defaults
        >>> problem = load_problem("wine")
        >>> loop = iterate(PerformanceMatching(steps=3), problem, defaults.training(problem), PerClass(1))
        >>> [state.step for state, metrics in loop]
        [1, 2, 3]
    """
    state = method.init(problem, training, budget, precision, seed) if state is None else state
    for _ in range(getattr(state, "step", 0), method.steps):
        with isolated(seed, "outer", getattr(state, "step", 0)):
            state, metrics = method.step(state, problem, training)
        yield state, metrics


def run(
    plan: Plan, problem: Problem, start: Run | None = None, seconds: float | None = None
) -> Iterator[tuple[Run, Metrics]]:
    """Iterate with validation: the best canvases on `select` are kept, and a loss that is not finite stops.

    Args:
        plan: what is distilled, and how.
        problem: real data.
        start: a run to continue.
        seconds: after which no further step is begun, those of `start` included; the last is validated. None: no limit.

    Yields:
        The run after every step (first: before any), and the step's metrics.
    """
    method, training, precision, seed = plan.method, plan.training, plan.precision, plan.seed
    every = validation_interval(method.steps, problem)
    # What the first process continues, or what it starts from.
    start = same(start, problem.train.device)
    begun = time.perf_counter() - (start.seconds if start else 0.0)
    if start is None:
        state = method.init(problem, training, plan.budget, precision, seed)
        canvases = method.export(state)
        # Of real rows as they are there is nothing to choose.
        value = float("nan") if isinstance(method, Selection) else _validate(canvases, problem, training, precision)
        choice = _choice(method, value, canvases, problem) if method.steps else value
        start = Run(state, 0, canvases, value, ((0, float("nan"), value),), best_choice=choice)
        start = same(start, problem.train.device)
    current = start
    yield current, {}
    while current.step < method.steps and current.status == "running":
        # Dropout draws from the global generator.
        with isolated(seed, "outer", current.step):
            state, metrics = method.step(current.state, problem, training)
        if not (all(np.isfinite(value) for value in metrics.values()) and _finite(method.export(state))):
            # The state before the step is the last good one.
            yield replace(current, status=f"diverged at step {current.step}"), metrics
            return
        current = replace(current, state=state, step=current.step + 1)
        late = seconds is not None and agreed(time.perf_counter() - begun > seconds)
        if current.step % every == 0 or current.step == method.steps or late:
            canvases = method.export(state)
            value = _validate(canvases, problem, training, precision)
            history = (*current.history, (current.step, float(metrics.get("loss", float("nan"))), value))
            choice = _choice(method, value, canvases, problem)
            # What was promised of the last samples would not hold of the best.
            if hasattr(method, "guarantee") or choice >= current.best_choice or not np.isfinite(current.best_choice):
                current = replace(current, best=canvases, best_score=value, best_choice=choice)
            current = replace(current, history=history)
        current = replace(current, seconds=time.perf_counter() - begun)
        yield current, metrics
        if late:
            return


def validation_interval(steps: int, problem: Problem) -> int:
    """Ten validations in a run; of large images, where one costs as much as many steps, none within a hundred."""
    return max(1, steps // 10, 100 if _slow(problem) else 0)


def _slow(problem: Problem) -> bool:
    return large_image(problem.task.shape) and problem.train.device.type == "cpu"


def _finite(canvases: Mapping[str, Canvas]) -> bool:
    return all(bool(torch.isfinite(value).all()) for canvas in canvases.values() for value in canvas.free.values())


def _validate(canvases: Mapping[str, Canvas], problem: Problem, training: Training, precision: Precision) -> float:
    engram = as_engram(canvases, problem, training, precision)
    # Each process judges by some of the networks.
    seeds = _VALIDATION_SEEDS[: 2 if _slow(problem) else 3][rank() :: size()]
    found = torch.zeros(0)
    try:
        if seeds:
            fitted = fit(training, problem.task, engram.sets, seeds)
            found = score(problem.metric, outputs(fitted, problem.validation), problem.validation.targets)
    except DivergenceError:
        found = torch.tensor([float("-inf")])
    return float(torch.cat(together(found.cpu())).mean())


def _choice(method: Method, own: float, canvases: Mapping[str, Canvas], problem: Problem) -> float:
    """By what a checkpoint is chosen."""
    others = getattr(method, "others", None)
    found = None if others is None else others(canvases, problem)
    if found is None:
        return own
    weight, value = found
    return (own + weight * value) / (1 + weight)
