"""Training on everything: the ceiling, and the teacher of soft labels."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

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
from ..random import integer, stream
from ..training import Descent, Loss, Phase, Training

__all__ = ["Full", "Linear", "train_full", "train_linear"]

_LINEAR_ROWS = 20_000


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
        problem: real data; at most 20,000 random rows are used.
        seed: of the rows.

    Returns:
        Scores of the penalty that does best on `select`.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    rows = torch.arange(len(problem.train))
    if len(rows) > _LINEAR_ROWS:
        rows = torch.randperm(len(rows), generator=stream(seed, "linear"))[:_LINEAR_ROWS]
    x, y = _plain(problem.train.rows(rows.to(problem.train.inputs.device)))
    select, test = _plain(problem.select), _plain(problem.test)
    found: list[tuple[float, float]] = []
    if problem.metric is Metric.R2:
        for penalty in 10.0 ** np.arange(-2, 5):
            model = Ridge(alpha=penalty).fit(x, y)
            found.append(tuple(_r2(model.predict(a).reshape(b.shape), b, problem) for a, b in (select, test)))  # type: ignore[arg-type]
    else:
        uneven = "balanced" if problem.metric is Metric.BALANCED_ACCURACY else None
        for strength in 10.0 ** np.arange(-4, 3):
            model = LogisticRegression(
                C=strength, class_weight=uneven, max_iter=300, tol=1e-3, random_state=integer(seed, "linear", bits=32)
            )
            with _quiet():
                model.fit(x, y)
            found.append(tuple(_hits(model.predict(a), b, problem) for a, b in (select, test)))  # type: ignore[arg-type]
    best = max(found, key=lambda pair: pair[0])
    note = f"linear model on {len(rows)} of {len(problem.train)} rows" if len(rows) < len(problem.train) else ""
    return Linear(*best, note)


def _plain(split: Split) -> tuple[np.ndarray, np.ndarray]:
    x = torch.cat([batch[0].flatten(1).cpu() for batch in split.batches()])
    return x.numpy(), split.targets.cpu().numpy()


def _r2(found: np.ndarray, expected: np.ndarray, problem: Problem) -> float:
    return float(score(problem.metric, torch.from_numpy(found).float(), torch.from_numpy(expected).float()))


def _hits(found: np.ndarray, expected: np.ndarray, problem: Problem) -> float:
    votes = torch.nn.functional.one_hot(torch.from_numpy(found), problem.task.outputs).float()
    return float(score(problem.metric, votes, torch.from_numpy(expected)))


@contextmanager
def _quiet() -> Iterator[None]:
    # A penalty at which the solver needs longer is not a failure of the tuned model: `select` decides.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
