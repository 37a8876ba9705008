"""From a problem to an engram in one call."""

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .. import __version__
from ..data.problem import Problem
from ..errors import DivergenceError
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from ..samples.budget import Budget, Precision
from ..samples.spending import capped
from ..spec import render
from .artefact import as_engram
from .copies import copies
from .defaults import Teaches
from .loop import Run, run
from .method import Method, Metrics
from .plan import Plan
from .selection import Selection
from .temperature import with_temperature

__all__ = ["distill", "engram_of"]


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
    quick: bool = False,
    teaches: Teaches = "any",
    throw: bool = True,
    watch: Callable[[Run, Metrics], None] | None = None,
    start: Run | None = None,
) -> Engram:
    """Compress learning on a problem into a few synthetic samples.

    Args:
        problem: real data.
        method: a method, or the word that names it on the command line (`published.method_of`); performance matching
            with settings for the kind of data when None.
        budget: one sample per class when None, ten items for regression.
        network: the architecture; when None that of a published setting, or by the kind of data.
        training: network and phases, in place of `network`.
        precision: of stored inputs; by the kind of data when None.
        steps: outer steps, in place of the method's own.
        seed: of every draw.
        quick: a paper's setting at the scale of a CPU; for any other method a third of its steps.
        teaches: whom, where no method is named: any training, or the engram's own replay alone.
        throw: whether divergence raises; otherwise the engram's provenance says so.
        watch: called with the run and its metrics after every step.
        start: a run to continue (`checkpoint.load_checkpoint`).

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
    plan = Plan.of(
        problem,
        method,
        budget=budget,
        network=network,
        training=training,
        precision=precision,
        steps=steps,
        seed=seed,
        quick=quick,
        teaches=teaches,
    )
    final = start
    for final, metrics in run(plan, problem, start):
        if watch is not None:
            watch(final, metrics)
    assert final is not None
    if final.status != "running" and throw:
        raise DivergenceError(
            f"the loss is not finite: {final.status}; lower the method's rate, or pass throw=False for the last good state"
        )
    return engram_of(final, plan, problem)


def _cut(final: Run, plan: Plan) -> list[str]:
    """What is said of a run whose time was over before its steps were."""
    over = final.status == "running" and final.step < plan.method.steps
    return [f"time was over after {final.step:,} of {plan.method.steps:,} outer steps"] * over


def _warnings(final: Run) -> list[str]:
    values = [value for _, _, value in final.history]
    if len(values) < 2 or not max(values[1:]) < values[0] or final.best_score != values[0]:
        return []
    return ["no step did better on validation than the starting samples, which were kept: try other settings"]


def engram_of(final: Run, plan: Plan, problem: Problem) -> Engram:
    """The engram of a run's best samples, with where it comes from.

    Args:
        final: the run.
        plan: what it carried out.
        problem: on which data.

    Returns:
        The engram, its samples rounded to their stored precision.
    """
    provenance: dict[str, Any] = plan.provenance(problem) | {
        "steps": final.step,
        "asked_steps": plan.method.steps,
        "status": "done" if final.status == "running" else final.status,
        "rows": {"train": len(problem.train), "select": len(problem.select), "test": len(problem.test)},
        "data_bytes": problem.bytes,
        "input_names": list(problem.names),
        "rank": problem.rank,
        "notes": [*problem.notes, *capped(problem, plan.budget), *_warnings(final), *_cut(final, plan)],
        "select_score": final.best_score if np.isfinite(final.best_score) else None,
        "history": [
            [step, *(value if np.isfinite(value) else None for value in (loss, v))] for step, loss, v in final.history
        ],
        "versions": {"engram": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    }
    engram = as_engram(final.best, problem, plan.training, plan.precision, provenance=provenance)
    promised = getattr(plan.method, "guarantee", None)
    near = 0 if promised else copies(engram, problem)
    provenance["real_rows"] = isinstance(plan.method, Selection) and plan.method.real
    if provenance["real_rows"]:
        provenance["notes"].append(
            f"its samples are rows of the data ({engram.items}), as {render(plan.method)} chooses them"
        )
    elif promised:
        provenance["guarantee"] = promised
        provenance["notes"].append(promised)
    elif near:
        provenance["notes"].append(
            f"{near} of {engram.items} samples stand less than half as far from a training row as any held-out row, and may give it away"
        )
    return with_temperature(engram, problem)
