"""Training on everything: the ceiling, and the teacher of soft labels."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.linalg import LinAlgWarning
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..data.metrics import Metric, recalls, score
from ..data.preprocessing.vectors import Vectors
from ..data.problem import Problem
from ..data.split import Split
from ..distillation.buffers import experts
from ..distillation.labels import relabelled
from ..learning.experts import Experts, Watch
from ..learning.fitting import Fitted, fit, outputs
from ..learning.network import Network, initialise, large_image, model_of
from ..learning.networks.random_convolutions import RandomConvolutions
from ..learning.training import Descent, Loss, Phase, Ridge, Training
from ..numerics.leave_one_out import left_out_error
from ..numerics.optimizers import Adam, Params
from ..random import minibatch
from ..samples.canvas.plain import Plain
from .learners import said_by, score_estimator

__all__ = ["Full", "Tuned", "full_networks", "full_recipe", "full_steps", "train_full", "train_tuned"]

_PASSES, _BATCH = 10, 128
"""Over large images."""

_SMALL_BATCH = 64
_LINEAR_ROWS = 10_000
_TREE_ROWS, _TREE_CELLS = 100_000, 2_000_000
_ROUNDS = 300
"""Of boosting."""

_RATE = 3e-3
_PENALTIES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
_FEW = 100
"""Validation rows below which penalties are chosen by training rows that are left out one by one, if these are no more than"""
_MOST_LEFT_OUT = 3000

_KERNELS = 1000
"""Random convolutions of the ceiling of series."""
_AS_THEY_ARE = Vectors(torch.zeros(0), torch.ones(0))
"""Features that need no preparing."""


@dataclass(frozen=True, eq=False)
class Full:
    """Networks trained on all training rows, and their scores on `select`."""

    fitted: Fitted
    select: Tensor
    seconds: float
    loss: Loss

    def soften(self, problem: Problem, canvas: Plain) -> Plain:
        """The same inputs with the labels of the network that does best on `select`."""
        best = int(self.select.argmax())
        taught = replace(self.fitted, params={key: value[best : best + 1] for key, value in self.fitted.params.items()})
        if self.loss is Loss.CROSS_ENTROPY:
            softened = relabelled(canvas, taught)
            assert isinstance(softened, Plain)
            return softened
        return Plain(canvas.inputs, taught.outputs(canvas.inputs)[0])


@dataclass(frozen=True)
class Tuned:
    """The scores of scikit-learn's best on `select` and `test`, which it was, and its recall of each class on `test`."""

    select: float
    test: float
    note: str
    recall: tuple[float, ...] = ()


def full_steps(problem: Problem) -> int:
    """Ten passes over large images; twenty over all else, of at most 3000 steps."""
    if large_image(problem.task.shape):
        return max(300, -(-_PASSES * len(problem.train) // _BATCH))
    return min(3000, max(300, 20 * len(problem.train) // _SMALL_BATCH))


def full_networks(problem: Problem, seeds: int) -> int:
    """How many networks say what all data teach: two where one takes a CPU minutes."""
    slow = large_image(problem.task.shape) and problem.train.device.type == "cpu"
    return min(2, seeds) if slow else seeds


def train_full(
    problem: Problem,
    network: Network,
    seeds: list[int],
    steps: int,
    watch: Callable[[float], None] | None = None,
) -> Full:
    """Train fresh networks on all training rows; each keeps its best step on `select`, of large images its last.

    Args:
        problem: real data.
        network: the architecture.
        seeds: one network each; of large images as many as `full_networks` says, which are kept in the cache and found there
            again (`distillation.buffers`).
        steps: of Adam on minibatches, the rate falling along a cosine.
        watch: called with the share of steps taken, in [0, 1).

    Returns:
        The networks.
    """
    if getattr(network, "fixed_features", False):
        return _by_readout(problem, network, seeds)
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    if large_image(problem.task.shape):
        return _kept(problem, network, full_networks(problem, len(seeds)), steps, loss, watch)
    begun = time.perf_counter()
    best = _Best(problem, len(seeds), steps, watch)
    learning = Phase(Descent(Adam(rate=_RATE), steps, _SMALL_BATCH, loss, cosine=True))
    fit(
        Training(network, (learning,)),
        problem.task,
        {"main": problem.train},
        seeds,
        lambda _, step, fitted: best.see(step, fitted),
    )
    seconds = (time.perf_counter() - begun) / len(seeds)
    return Full(Fitted(model_of(network, problem.task), best.params), best.scores, seconds, loss)


def full_recipe(networks: int, steps: int) -> Experts:
    """How networks learn all large images: one after another, since each fills a core."""
    return Experts(networks, steps, _BATCH, Adam(_RATE), cosine=True)


def _kept(problem: Problem, network: Network, networks: int, steps: int, loss: Loss, watch: Watch | None) -> Full:
    """Networks of the cache; a run that is taken up again finds those that are ready."""
    trained = experts(problem, network, full_recipe(networks, steps), 0, watch)
    device, split = problem.train.device, problem.validation
    ends = [trained.at(k, trained.points - 1, device) for k in range(networks)]
    fitted = Fitted(model_of(network, problem.task), {key: torch.stack([end[key] for end in ends]) for key in ends[0]})
    scores = score(problem.metric, outputs(fitted, split), split.targets).cpu()
    return Full(fitted, scores, trained.seconds / networks, loss)


def _by_readout(problem: Problem, network: Network, seeds: list[int]) -> Full:
    """Networks whose features stay as drawn: the penalty of the readout is chosen, by `select` where it has rows enough."""
    begun, split = time.perf_counter(), problem.validation
    few = len(split) < _FEW and len(problem.train) <= _MOST_LEFT_OUT
    found = []
    for penalty in _PENALTIES:
        fitted = fit(Training(network, (Phase(Ridge(penalty)),)), problem.task, {"main": problem.train}, seeds)
        scores = score(problem.metric, outputs(fitted, split), split.targets).cpu()
        worth = float(scores.mean())
        if few:
            x, y, _ = problem.train.batch(slice(None))
            worth = -left_out_error(fitted.features(x), y, penalty)
        found.append((worth, scores, fitted))
    _, scores, best = max(found, key=lambda one: one[0])
    return Full(best, scores, (time.perf_counter() - begun) / len(seeds), Loss.SQUARED)


class _Best:
    """The parameters of each network at its best step on `select`."""

    def __init__(self, problem: Problem, networks: int, steps: int, watch: Watch | None) -> None:
        self.problem, self.steps, self.watch = problem, steps, watch
        self.scores = torch.full((networks,), -torch.inf)
        self.params: Params = {}

    def see(self, step: int, fitted: Fitted) -> None:
        if self.watch is not None and step < self.steps:
            self.watch(step / self.steps)
        if step % max(1, self.steps // 20) and step != self.steps:
            return
        split = self.problem.validation
        now = score(self.problem.metric, outputs(fitted, split), split.targets).cpu()
        better = now > self.scores
        self.scores = torch.where(better, now, self.scores)
        for key, value in fitted.params.items():
            self.params.setdefault(key, value.clone())[better] = value[better]


def train_tuned(problem: Problem, seed: int = 0) -> Tuned:
    """Tune a ridge or logistic regression on `select`, boosted trees where inputs are rows, and random convolutions of series.

    Args:
        problem: real data; at most 10,000 random rows are used by linear models, 100,000 by trees (two million numbers).
        seed: of the rows.

    Returns:
        Scores of what does best on `select`.
    """
    from sklearn.linear_model import LogisticRegression, Ridge

    uneven = "balanced" if problem.train.class_weights is not None else None
    models: list[Any] = [Ridge(alpha=penalty) for penalty in 10.0 ** np.arange(4, -3, -1)]
    if problem.classes:
        models = [
            LogisticRegression(C=strength, class_weight=uneven, max_iter=300, tol=1e-3)
            for strength in 10.0 ** np.arange(-4, 3)
        ]
    found = [_best(models, problem, _LINEAR_ROWS, seed, "tuned linear model")]
    if len(problem.task.shape) == 1 and problem.task.outputs == (problem.classes or 1):
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kinds = [{"learning_rate": rate, "max_iter": _ROUNDS, "random_state": seed} for rate in (0.1, 0.03)]
        trees: list[Any] = [HistGradientBoostingRegressor(**kind) for kind in kinds]
        if problem.classes:
            trees = [HistGradientBoostingClassifier(class_weight=uneven, **kind) for kind in kinds]
        most = min(_TREE_ROWS, _TREE_CELLS // problem.task.shape[0])
        found.append(_best(trees, problem, most, seed, "boosted trees"))
    if len(problem.task.shape) == 2:
        found.append(_convolved(problem, seed))
    return max(found, key=lambda tuned: tuned.select)


def _convolved(problem: Problem, seed: int) -> Tuned:
    """A tuned ridge readout of many random convolutions, standardised: what is best known for short series (MiniRocket)."""
    from sklearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV, RidgeCV

    network = RandomConvolutions(width=_KERNELS)
    params = initialise(network, problem.task, seed, "ceiling")
    fitted = Fitted(model_of(network, problem.task), {key: value[None] for key, value in params.items()})

    def seen(split: Split) -> Split:
        parts = [fitted.features(x)[0].cpu() for x, _, _ in split.to("cpu").batches(256)]
        return replace(split.to("cpu"), inputs=(torch.cat(parts) - mean) / std, preprocessing=_AS_THEY_ARE)

    mean, std = torch.zeros(()), torch.ones(())
    rows = minibatch(len(problem.train), _LINEAR_ROWS, 0, seed, "linear")
    train = seen(problem.train.rows(rows.to(problem.train.device)))
    mean, std = train.inputs.mean(0), train.inputs.std(0).clamp_min(1e-6)
    train = replace(train, inputs=(train.inputs - mean) / std)
    made, by_itself = (RidgeClassifier, RidgeClassifierCV) if problem.classes else (Ridge, RidgeCV)
    penalties = 10.0 ** np.arange(4, -1, -1)
    x, y = train.inputs.numpy(), train.targets.numpy()
    weight = {"class_weight": "balanced"} if problem.train.class_weights is not None else {}
    with _quiet():
        # The strongest penalty first, which then wins a tie.
        if len(problem.validation) < _FEW:
            models = [by_itself(alphas=penalties, **weight).fit(x, y)]  # by leave-one-out errors
        else:
            models = [made(alpha=alpha, **weight).fit(x, y) for alpha in penalties]
    select, test = seen(problem.validation), seen(problem.test)
    best = max(models, key=lambda model: score_estimator(model, problem, select))
    note = f"ridge on {_KERNELS} random convolutions"
    return _tuned(best, problem, select, test, note)


def _best(models: list[Any], problem: Problem, most: int, seed: int, name: str) -> Tuned:
    """Fit all on the same rows; the best on `select`."""
    rows = minibatch(len(problem.train), most, 0, seed, "linear")
    chosen = problem.train.rows(rows.to(problem.train.device))
    x, y = chosen.batch(slice(None))[0].flatten(1).cpu().numpy(), chosen.targets.cpu().numpy()
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    # Threads of trees this small wait for one another far longer than they work.
    with _quiet(), threadpool_limits(1, user_api="openmp"):
        best = max(
            (model.fit(x, y) for model in models),
            key=lambda model: score_estimator(model, problem, problem.validation),
        )
    note = f"{name} on {len(rows)} of {len(problem.train)} rows" if len(rows) < len(problem.train) else name
    return _tuned(best, problem, problem.validation, problem.test, note)


def _tuned(model: Any, problem: Problem, select: Split, test: Split, note: str) -> Tuned:
    said, targets = said_by(model, problem, test), test.targets.cpu()
    # Who was chosen by ranks alone need not tell classes apart at the usual threshold.
    judged = problem.classes and problem.metric is not Metric.AUROC
    recall = tuple(recalls(said, targets).tolist()) if judged else ()
    return Tuned(score_estimator(model, problem, select), float(score(problem.metric, said, targets)), note, recall)


@contextmanager
def _quiet() -> Iterator[None]:
    # A penalty at which the solver needs longer is not a failure of the tuned model: `select` decides.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", LinAlgWarning)
        yield
