"""One cell of the grid: distilled and judged, as plain JSON."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..data.problem import Problem
from ..data.source import load_problem
from ..distillation import defaults
from ..distillation.artefact import as_engram
from ..distillation.buffers import Prepared
from ..distillation.checkpoint import load_checkpoint, save_checkpoint
from ..distillation.loop import Run, run
from ..distillation.matcher import Matcher
from ..distillation.method import Method
from ..distillation.methods.performance_matching import PerformanceMatching
from ..distillation.plan import Plan, most_items
from ..errors import ArtefactError, DivergenceError
from ..evaluation.baselines import scores_on_test
from ..evaluation.ceiling import full_steps, train_full
from ..evaluation.learners import LEARNERS, learner_names
from ..evaluation.variants import hardened, plain
from ..learning.fitting import fit
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from ..memory.lesson import Lesson
from ..spec import parse, render
from .grid import FULL, Cell, Recipe

__all__ = ["measure"]

_CHECKPOINT_SECONDS = 60

_SHARES = 4
"""Draws over which the indirect share is averaged."""


def measure(cell: Cell, recipe: Recipe, device: str, checkpoint: Path) -> dict[str, Any]:
    """Run one cell: distil, then judge on `test`.

    Args:
        cell: what is run.
        recipe: how.
        device: where.
        checkpoint: kept while it runs, continued from when it is there.

    Returns:
        Scores, cost and settings, as plain JSON.

    Raises:
        EngramError: what cannot be run.
    """
    problem = load_problem(cell.data, seed=cell.seed).to(device)
    network = parse("networks", cell.network) if cell.network else defaults.network(problem)
    seeds = list(range(recipe.networks))
    if cell.method == FULL:
        return _ceiling(problem, network, seeds)
    precision = defaults.precision(problem)
    method = recipe.method(cell.method, problem, most_items(problem, cell.budget, precision))
    training = defaults.training(problem, network, method)
    prepare = getattr(method, "prepare", None)
    prepared = prepare(problem, training, cell.seed) if prepare is not None else Prepared()
    plan = Plan(method, training, cell.budget, precision, cell.seed)
    identity = plan.identity(problem)
    start = _continued(checkpoint, identity, device, prepared.digest)
    # Interrupted runs count what they took before.
    begun = time.monotonic() - (start.seconds if start else 0.0)
    saved, current = time.monotonic(), start
    for current, _ in run(plan, problem, start):
        if time.monotonic() - saved > _CHECKPOINT_SECONDS:
            checkpoint.parent.mkdir(exist_ok=True)
            save_checkpoint(checkpoint, current, identity)
            saved = time.monotonic()
    assert current is not None
    distilled = time.monotonic()
    memory = as_engram(current.best, problem, training, precision)
    scores, diverged = _judged(memory, problem, recipe, seeds)
    checkpoint.unlink(missing_ok=True)
    status = "done" if current.status == "running" else current.status
    return {
        "status": "diverged" if "own" in diverged else status,
        "message": f"networks taught by the samples diverged: {', '.join(diverged)}" if diverged else "",
        "fingerprint": problem.fingerprint,
        "settings": render(method),
        "metric": problem.metric.value,
        "scores": scores,
        "indirect": _indirect(method, current.state, problem, training),
        "select": current.best_score if math.isfinite(current.best_score) else None,
        "soft": problem.classes is None or _soft(memory),
        "items": memory.items,
        "bytes": memory.canvas_bytes,
        "steps": current.step,
        "seconds": {
            # What training the experts took, by whichever run that was.
            "prepare": round(prepared.seconds, 2),
            "distill": round(distilled - begun, 2),
            "judge": round(time.monotonic() - distilled, 2),
        },
    }


def _indirect(method: Method, state: Any, problem: Problem, training: Training) -> float | None:
    """Mean share of the gradient that comes through what networks learn from the samples, over the last steps' draws."""
    terms = [term for term in (method, *getattr(method, "terms", ())) if isinstance(term, PerformanceMatching)]
    if not terms or not isinstance(method, Matcher) or state.step < _SHARES:
        return None
    (term,) = terms
    last = [replace(state, step=state.step - k) for k in range(_SHARES)]
    return sum(term.indirect_share(method.context(own, problem, training)) for own in last) / _SHARES


def _continued(checkpoint: Path, identity: str, device: str, prepared: str) -> Run | None:
    """The run that was interrupted; one of other data or settings, or of other experts, is not continued."""
    if not checkpoint.is_file():
        return None
    try:
        found = load_checkpoint(checkpoint, identity, device)
    except ArtefactError:
        return None
    return found if getattr(found.state, "prepared", "") == prepared else None


def _ceiling(problem: Problem, network: Network, seeds: list[int]) -> dict[str, Any]:
    begun = time.monotonic()
    # The ceiling has no outer steps: fewer of them do not lower it.
    steps = full_steps(problem)
    full = train_full(problem, network, seeds, steps)
    scores = {"own": list(scores_on_test(full.fitted, problem))}
    judged = time.monotonic() - begun - full.seconds * len(seeds)
    return {
        "status": "done",
        "message": "",
        "fingerprint": problem.fingerprint,
        "settings": FULL,
        "metric": problem.metric.value,
        "scores": scores,
        "select": float(full.select.mean()),
        "soft": False,
        "items": len(problem.train),
        "bytes": problem.bytes,
        "steps": steps,
        # A network's training is what all data cost.
        "seconds": {"prepare": 0.0, "distill": round(full.seconds, 2), "judge": round(judged, 2)},
    }


def _soft(memory: Engram) -> bool:
    """Whether labels are not classes."""
    return any(not getattr(canvas, "classes", 0) for canvas in memory.canvases.values())


def _judged(
    memory: Engram, problem: Problem, recipe: Recipe, seeds: list[int]
) -> tuple[dict[str, list[float]], list[str]]:
    """Scores under the training's own recipe, without augmentation, with hard labels, on other networks, by foreign learners.

    And the names of those that diverged.
    """
    own = memory.training
    asked = {"own": (memory, own), "plain": (memory, plain(own))}
    if problem.classes:
        hard = replace(memory, canvases={name: hardened(canvas) for name, canvas in memory.canvases.items()})
        asked["hard"] = (hard if _soft(memory) else memory, own)
    asked |= {f"on {word}": (memory, own.on(parse("networks", word))) for word in recipe.judges}
    scores: dict[str, list[float]] = {}
    diverged = []
    for name, (taught, training) in asked.items():
        if taught is memory and training == own and "own" in scores:
            scores[name] = scores["own"]
            continue
        try:
            scores[name] = list(scores_on_test(fit(training, problem.task, taught.sets, seeds), problem))
        except DivergenceError:
            diverged.append(name)
    learners = learner_names(problem, recipe.panel) if memory.labelled else []
    lessons = [Lesson.of(memory)] * len(seeds) if learners else []
    for learner in learners:
        scores[f"by {learner}"] = LEARNERS[learner].judge(lessons, problem, seeds, problem.test)
    return scores, diverged
