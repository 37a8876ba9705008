"""The outer loop: iterate a method, keep what does best on `select`, checkpoint, resume."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import __version__, defaults
from .artefact import Engram
from .budget import Budget, Items, PerClass, Precision
from .canvas import Canvas
from .container import read_tensors, write_tensors
from .errors import ArtefactError, DivergenceError
from .fitting import Fitted, fit
from .method import Method, Metrics
from .metrics import score
from .network import Network, large_image
from .problem import Problem, Split
from .published import method_of, network_of
from .random import isolated
from .spec import decode, encode, parse, render
from .training import Training

__all__ = ["Run", "bare", "distill", "iterate", "outputs", "resume", "run", "save_checkpoint"]

_VALIDATION_SEEDS = (1_000_001, 1_000_002, 1_000_003)
"""Networks that judge checkpoints; never those of an evaluation."""


@dataclass(frozen=True, eq=False)
class Run:
    """A distillation under way: all that a checkpoint holds.

    Args:
        state: of the method.
        step: outer steps taken.
        best: the canvases that did best on `select` so far, by set name.
        best_score: their score.
        history: (step, loss, validation score) at every validation.
        status: running, done, or diverged at a step.
        seconds: that it took so far, in all processes together.
    """

    state: Any
    step: int
    best: Mapping[str, Canvas]
    best_score: float
    history: tuple[tuple[int, float, float], ...] = ()
    status: str = "running"
    seconds: float = 0.0


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
        >>> from engram.methods.performance_matching import PerformanceMatching
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
    method: Method,
    problem: Problem,
    training: Training,
    budget: Budget,
    seed: int,
    precision: Precision,
    every: int,
    start: Run | None = None,
) -> Iterator[tuple[Run, Metrics]]:
    """Iterate with validation: the best canvases on `select` are kept, and a loss that is not finite stops.

    Args:
        method: what is optimised.
        problem: real data.
        training: the learning process to compress.
        budget: how much synthetic data.
        seed: of every draw.
        precision: of stored inputs.
        every: outer steps between validations.
        start: a run to continue.

    Yields:
        The run after every step (first: before any), and the step's metrics.
    """
    begun = time.perf_counter() - (start.seconds if start else 0.0)
    if start is None:
        state = method.init(problem, training, budget, precision, seed)
        canvases = method.export(state)
        # With nothing to optimise there is nothing to choose.
        value = _validate(canvases, problem, training, precision) if method.steps else float("nan")
        start = Run(state, 0, canvases, value, ((0, float("nan"), value),))
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
        if current.step % every == 0 or current.step == method.steps:
            canvases = method.export(state)
            value = _validate(canvases, problem, training, precision)
            history = (*current.history, (current.step, float(metrics.get("loss", float("nan"))), value))
            better = value >= current.best_score or not np.isfinite(current.best_score)
            current = replace(
                current,
                history=history,
                best=canvases if better else current.best,
                best_score=value if better else current.best_score,
            )
        current = replace(current, seconds=time.perf_counter() - begun)
        yield current, metrics


def distill(
    problem: Problem,
    method: Method | str | None = None,
    *,
    budget: Budget | None = None,
    network: Network | str | None = None,
    training: Training | None = None,
    precision: Precision | None = None,
    steps: int | None = None,
    seed: int = 0,
    throw: bool = True,
    watch: Callable[[Run, Metrics], None] | None = None,
    start: Run | None = None,
) -> Engram:
    """Compress learning on a problem into a few synthetic samples.

    Args:
        problem: real data.
        method: a method, or the word that names it on the command line (`published.method_of`); performance matching with settings for the kind of data when None.
        budget: one sample per class when None, ten items for regression.
        network: the architecture; when None that of a published setting, or by the kind of data.
        training: network and phases, in place of `network`.
        precision: of stored inputs; by the kind of data when None.
        steps: outer steps, in place of the method's own.
        seed: of every draw.
        throw: whether divergence raises; otherwise the engram's provenance says so.
        watch: called with the run and its metrics after every step.
        start: a run to continue (`resume`).

    Returns:
        The engram whose samples did best on the validation split.

    Raises:
        BudgetError: more items than rows, fewer than classes.
        DivergenceError: a loss that is not finite (with ``throw=True``).

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> distill(load_problem("wine"), budget=PerClass(1), steps=5).items
        3
    """
    own = network_of(method) if isinstance(method, str) else None
    method = method_of(method, defaults.method(problem)) if isinstance(method, str) else method
    network = parse("networks", network) if isinstance(network, str) else network or own
    method = configured(method or defaults.method(problem), steps)
    training = training or defaults.training(problem, network, method)
    precision = precision or defaults.precision(problem)
    encode(training)  # what no file could keep is refused before the work, not after it
    budget = budget or (PerClass(1) if problem.classes else Items(10))
    every = validation_interval(method.steps, problem)
    final = start
    for final, metrics in run(method, problem, training, budget, seed, precision, every, start):
        if watch is not None:
            watch(final, metrics)
    assert final is not None
    if final.status != "running" and throw:
        raise DivergenceError(
            f"the loss is not finite: {final.status}; lower the method's rate, or pass throw=False for the last good state"
        )
    return _engram(final, method, problem, training, budget, precision, seed)


def configured(method: Method, steps: int | None) -> Method:
    """The method with another number of steps."""
    if steps is not None and method.steps:
        method = replace(method, steps=steps)  # type: ignore[type-var]
    return method


def validation_interval(steps: int, problem: Problem) -> int:
    """Ten validations in a run; of large images, where one costs as much as many steps, none within a hundred."""
    return max(1, steps // 10, 100 if _slow(problem) else 0)


def _slow(problem: Problem) -> bool:
    return large_image(problem.task.shape) and problem.train.device.type == "cpu"


def outputs(fitted: Fitted, split: Split) -> torch.Tensor:
    """Outputs (networks, N, C) on a split, in batches that shrink with the number of networks.

    Large images are seen at half precision: twice as fast, and one prediction in a thousand is another one.
    """
    size = max(32, 512 // fitted.networks)
    return torch.cat([fitted.outputs(x, half=True) for x, _, _ in split.batches(size)], dim=1)


def save_checkpoint(path: str | Path, current: Run, identity: str) -> None:
    """Write a run so that it can be continued bit for bit.

    Args:
        path: the checkpoint.
        current: the run.
        identity: what the run is of (`identify`); `resume` refuses another.

    Raises:
        OutputError: it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    manifest = {"identity": identity, "engram": __version__, "run": encode(current, tensors)}
    write_tensors(path, tensors, manifest, force=True)


def resume(path: str | Path, identity: str, device: str = "cpu") -> Run:
    """Read a run back.

    Args:
        path: a checkpoint.
        identity: what the run must be of.
        device: where its tensors go.

    Returns:
        The run.

    Raises:
        ArtefactError: damaged, or of other data or settings.
    """
    tensors, manifest = read_tensors(path)
    if manifest.get("identity") != identity:
        raise ArtefactError(
            f"{path} is a checkpoint of other data or settings: repeat the command it was made with, or start anew "
            "with --force"
        )
    try:
        result: Run = decode(manifest["run"], {key: value.to(device) for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe a run ({error})") from error
    return result


def identify(
    method: Method, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
) -> str:
    """Spell out what a run is of: data fingerprint and every setting."""
    import json

    return json.dumps([problem.fingerprint, encode((method, training, budget, precision, seed))])


def _finite(canvases: Mapping[str, Canvas]) -> bool:
    return all(bool(torch.isfinite(value).all()) for canvas in canvases.values() for value in canvas.free.values())


def _validate(canvases: Mapping[str, Canvas], problem: Problem, training: Training, precision: Precision) -> float:
    engram = bare(canvases, problem, training, precision)
    try:
        seeds = _VALIDATION_SEEDS[: 2 if _slow(problem) else 3]
        fitted = fit(training, problem.task, engram.sets, seeds)
    except DivergenceError:
        return float("-inf")
    return float(score(problem.metric, outputs(fitted, problem.validation), problem.validation.targets).mean())


def bare(
    canvases: Mapping[str, Canvas], problem: Problem, training: Training, precision: Precision, **rest: Any
) -> Engram:
    """The engram of some canvases, rounded to their stored precision."""
    return Engram.of(
        canvases,
        precision,
        training=training,
        preprocessing=problem.preprocessing,
        target=problem.target,
        metric=problem.metric,
        linear=problem.linear,
        **rest,
    )


def _warnings(final: Run) -> list[str]:
    values = [value for _, _, value in final.history]
    if len(values) < 2 or not max(values[1:]) < values[0]:
        return []
    return ["no step did better on validation than the starting samples, which were kept: try other settings"]


def _engram(
    final: Run, method: Method, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
) -> Engram:
    provenance = {
        "problem": problem.name,
        "method": render(method),
        "budget": encode(budget),
        "seed": seed,
        "steps": final.step,
        "status": "done" if final.status == "running" else final.status,
        "fingerprint": problem.fingerprint,
        "rows": {"train": len(problem.train), "select": len(problem.select), "test": len(problem.test)},
        "data_bytes": problem.bytes,
        "input_names": list(problem.names),
        "rank": problem.rank,
        "notes": [*problem.notes, *_warnings(final)],
        "select_score": final.best_score if np.isfinite(final.best_score) else None,
        "history": [
            [step, *(value if np.isfinite(value) else None for value in (loss, v))] for step, loss, v in final.history
        ],
        "versions": {"engram": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }
    return bare(final.best, problem, training, precision, provenance=provenance)
