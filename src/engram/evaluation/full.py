"""Training on everything: the ceiling, and the teacher of soft labels."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from ..canvas.plain import Plain
from ..fitting import Fitted, fit
from ..loop import outputs
from ..metrics import Metric, score
from ..network import Network
from ..optimizers import Adam
from ..problem import Problem, Split
from ..random import minibatch
from ..training import Descent, Loss, Phase, Training

__all__ = ["Full", "Linear", "train_full", "train_linear"]

_LINEAR_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Full:
    """Networks trained on all training rows, each at its best step on `select`."""

    fitted: Fitted
    select: Tensor
    seconds: float
    loss: Loss

    def soften(self, problem: Problem, canvas: Plain) -> Plain:
        """The same inputs with the labels of the network that does best on `select`."""
        teacher = self.fitted.one(int(self.select.argmax()))
        with torch.no_grad():
            found = self.fitted.model.outputs(teacher, canvas.inputs)
        if self.loss is Loss.CROSS_ENTROPY:
            found = found.softmax(-1) - 1 / found.shape[-1]
        return Plain(canvas.inputs, found)


@dataclass(frozen=True)
class Linear:
    """The tuned linear model's scores on `select` and `test`."""

    select: float
    test: float
    note: str


def train_full(
    problem: Problem,
    network: Network,
    seeds: list[int],
    steps: int,
    batch: int = 64,
    watch: Callable[[float], None] | None = None,
) -> Full:
    """Train fresh networks on all training rows; each keeps its best step on `select`.

    Args:
        problem: real data.
        network: the architecture.
        seeds: one network each.
        steps: of Adam on minibatches, the rate falling along a cosine.
        batch: rows per step.
        watch: called with the share of steps taken, in [0, 1).

    Returns:
        The networks.
    """
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    learn = Descent(Adam(rate=3e-3), steps, batch, loss, cosine=True)
    best: dict[str, Tensor] = {}
    scores = torch.full((len(seeds),), -torch.inf)
    every = max(1, steps // 20)

    def keep_best(phase: int, step: int, fitted: Fitted) -> None:
        nonlocal scores
        if watch is not None and step < steps:
            watch(step / steps)
        if step % every and step != steps:
            return
        now = score(problem.metric, outputs(fitted, problem.validation), problem.validation.targets).cpu()
        better = now > scores
        scores = torch.where(better, now, scores)
        for key, value in fitted.params.items():
            best[key] = value.clone() if key not in best else best[key]
            best[key][better] = value[better]

    begun = time.perf_counter()
    fitted = fit(Training(network, (Phase(learn),)), problem.task, {"main": problem.train}, seeds, keep_best)
    return Full(replace(fitted, params=best), scores, (time.perf_counter() - begun) / len(seeds), loss)


def train_linear(problem: Problem, seed: int = 0) -> Linear:
    """Tune a ridge regression or a logistic regression on `select`.

    Args:
        problem: real data; at most 10,000 random rows are used.
        seed: of the rows.

    Returns:
        Scores of the penalty that does best on `select`.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    rows = minibatch(len(problem.train), _LINEAR_ROWS, 0, seed, "linear")
    chosen = problem.train.rows(rows.to(problem.train.device))
    x, y = chosen.batch(slice(None))[0].flatten(1).cpu().numpy(), chosen.targets.cpu().numpy()
    models: list[Any] = [Ridge(alpha=penalty) for penalty in 10.0 ** np.arange(-2, 5)]
    if problem.classes:
        uneven = "balanced" if problem.metric is Metric.BALANCED_ACCURACY else None
        models = [
            LogisticRegression(C=strength, class_weight=uneven, max_iter=300, tol=1e-3)
            for strength in 10.0 ** np.arange(-4, 3)
        ]
    with _quiet():
        best = max((model.fit(x, y) for model in models), key=lambda model: _judge(model, problem, problem.validation))
    note = f"linear model on {len(rows)} of {len(problem.train)} rows" if len(rows) < len(problem.train) else ""
    return Linear(_judge(best, problem, problem.validation), _judge(best, problem, problem.test), note)


def _judge(model: Any, problem: Problem, split: Split) -> float:
    """Score a scikit-learn model, a batch at a time."""
    found = [torch.from_numpy(model.predict(x.flatten(1).cpu().numpy())) for x, _, _ in split.batches()]
    outputs, targets = torch.cat(found), split.targets.cpu()
    if problem.classes:
        return float(score(problem.metric, torch.nn.functional.one_hot(outputs, problem.classes).float(), targets))
    return float(score(problem.metric, outputs.float().reshape(targets.shape), targets))


@contextmanager
def _quiet() -> Iterator[None]:
    # A penalty at which the solver needs longer is not a failure of the tuned model: `select` decides.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
