"""Whoever learns a table best from all its rows: networks, boosted trees and a linear model, in the blend that validation asks."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits
from torch import Tensor

from ..data.metrics import score
from ..data.problem import Problem
from ..errors import DivergenceError
from ..learning.fitting import Fitted, fit, outputs
from ..learning.networks.mlp import MLP
from ..learning.responses import gradient_outer_product
from ..learning.training import Descent, Loss, Phase, Training
from ..numerics.optimizers import Adam, Params
from ..random import integer

__all__ = ["Teachers", "teachers"]

_NETWORK = MLP(width=256, depth=2)
_DECAYS = (0.01, 0.3)
"""Weight decay for many rows, and for few."""

_BATCH = 512
_SHORTEST, _LONGEST = 600, 3000
"""Steps of a network: about thirty for a hundred rows."""

_LOOKS = 12
"""How often a network is scored on validation; its best step counts."""

_ROWS = 20_000
"""That trees and linear models learn from."""


@dataclass(frozen=True, eq=False)
class Teachers:
    """Models of all rows, blended.

    Args:
        networks: one network each.
        others: fitted estimators of scikit-learn.
        weights: of networks, then of others; nonnegative, of sum one.
        score: of the blend, on validation.
        classes: None for numbers.
        spectrum: (d,) eigenvalues of the gradient outer product of the best network, falling.
        directions: (d, d), their eigenvectors, as columns.
    """

    networks: tuple[Fitted, ...]
    others: tuple[Any, ...]
    weights: tuple[float, ...]
    score: float
    classes: int | None
    spectrum: Tensor
    directions: Tensor

    def labels(self, inputs: Tensor) -> Tensor:
        """Scores (N, C) of encoded rows: centred probabilities for classes."""
        kinds = zip((*self.networks, *self.others), self.weights, strict=True)
        return sum(
            (weight * _said(model, inputs, self.classes) for model, weight in kinds if weight),
            start=torch.zeros((), device=inputs.device),
        )

    def dimension(self, share: float = 0.95) -> int:
        """Fewest directions that hold such a share of the response."""
        held = self.spectrum.cumsum(0) / self.spectrum.sum().clamp_min(1e-30)
        return min(len(held), int((held < share).sum()) + 1)


def teachers(problem: Problem, seed: int, watch: Callable[[float], None] | None = None) -> Teachers:
    r"""Train and blend: weights :math:`w \ge 0, \sum_k w_k = 1` minimise :math:`|\sum_k w_k f_k - y|^2` on validation rows.

    Args:
        problem: rows of numbers; `train` is learnt, `select` chooses steps and weights.
        seed: of networks, batches and trees.
        watch: called with the share of the work that is done.

    Returns:
        The teachers; the same once more for the last problem that was asked for.

    References:
        Breiman 1996, Stacked regressions.
    """
    found = _known(_Key(problem, seed, watch))
    if watch is not None:
        watch(1.0)
    return found


@dataclass(frozen=True, eq=False)
class _Key:
    """A problem and a seed, known by the rows that they stand for."""

    problem: Problem
    seed: int
    watch: Callable[[float], None] | None

    def __hash__(self) -> int:
        return hash(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._all == other._all

    @property
    def _all(self) -> tuple[Any, ...]:
        return self.problem.fingerprint, self.seed, torch.get_num_threads(), self.problem.train.device.type


@lru_cache(maxsize=1)
def _known(key: _Key) -> Teachers:
    problem, seed, watch = key.problem, key.seed, key.watch or (lambda done: None)
    parts = len(_DECAYS) + 2
    networks: list[tuple[Fitted, float]] = []
    for place, decay in enumerate(_DECAYS):
        try:
            networks.append(_network(problem, decay, seed, lambda done, p=place: watch((p + done) / parts)))  # type: ignore[misc]
        except DivergenceError:
            continue
    others = _estimators(problem, seed, lambda done: watch((len(_DECAYS) + done) / parts))
    x, y, _ = problem.validation.batch(slice(None))
    models = [*(fitted for fitted, _ in networks), *others]
    said = [_said(model, x, problem.classes) for model in models]
    weights = _convex(torch.stack([one.flatten() for one in said], 1), y.flatten())
    blend = sum(float(w) * one for w, one in zip(weights, said, strict=True))
    assert isinstance(blend, Tensor)
    value = float(score(problem.metric, blend[None], problem.validation.targets)[0])
    d = x.shape[1]
    spectrum, directions = torch.zeros(d), torch.eye(d)
    if networks:
        best = max(networks, key=lambda one: one[1])[0]
        sizes, vectors = torch.linalg.eigh(gradient_outer_product(best, problem.train))
        spectrum, directions = sizes.clamp_min(0).flip(0), vectors.flip(1)
    return Teachers(
        tuple(fitted for fitted, _ in networks),
        tuple(others),
        tuple(map(float, weights)),
        value,
        problem.classes,
        spectrum.to(x),
        directions.to(x),
    )


def _convex(said: Tensor, wanted: Tensor) -> np.ndarray:
    """Weights of the columns of (N, K), nonnegative and of sum one, by least squares."""
    columns, right = said.double().numpy(force=True), wanted.double().numpy(force=True)
    # A row that outweighs all others holds the sum.
    heavy = 1e3 * max(1.0, float(np.linalg.norm(columns)))
    weights: np.ndarray = nnls(np.vstack([columns, np.full(columns.shape[1], heavy)]), np.append(right, heavy))[0]
    return weights / weights.sum()


def _network(problem: Problem, decay: float, seed: int, watch: Callable[[float], None]) -> tuple[Fitted, float]:
    """One network at its best step on validation, and its score there."""
    steps = min(_LONGEST, max(_SHORTEST, 3 * len(problem.train) // 10))
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    learn = Phase(Descent(Adam(5e-3, decay=decay), steps, _BATCH, loss, cosine=True))
    best: tuple[float, Params | None] = (-np.inf, None)

    def look(phase: int, step: int, fitted: Fitted) -> None:
        nonlocal best
        if step % max(1, steps // _LOOKS) and step != steps:
            return
        watch(step / steps)
        rows = problem.validation
        found = float(score(problem.metric, outputs(fitted, rows), rows.targets)[0])
        if found > best[0]:
            best = found, {key: value.clone() for key, value in fitted.params.items()}

    seeds = [integer(seed, "teacher", bits=31)]
    fitted = fit(Training(_NETWORK, (learn,)), problem.task, {"main": problem.train}, seeds, look)
    return (replace(fitted, params=best[1]) if best[1] is not None else fitted), best[0]


def _estimators(problem: Problem, seed: int, watch: Callable[[float], None]) -> list[Any]:
    """Boosted trees and a linear model, where they know such targets."""
    if problem.task.outputs != (problem.classes or 1):
        return []
    x, y, w = problem.train.sample(min(_ROWS, len(problem.train)), 0, seed, "teachers")
    rows, given = x.numpy(force=True), None if w is None else w.numpy(force=True)
    told = y.argmax(1).numpy(force=True) if problem.classes else y[:, 0].numpy(force=True)
    kind = {"max_iter": 200, "random_state": seed % 2**32}
    models = [Ridge(1.0), HistGradientBoostingRegressor(**kind)]
    if problem.classes:
        models = [LogisticRegression(C=0.1, max_iter=200), HistGradientBoostingClassifier(**kind)]
    # Threads of trees this small wait for one another far longer than they work.
    with warnings.catch_warnings(), threadpool_limits(1, user_api="openmp"):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for place, model in enumerate(models):
            model.fit(rows, told, sample_weight=given)
            watch((place + 1) / len(models) * 2)
    return models


def _said(model: Any, inputs: Tensor, classes: int | None) -> Tensor:
    """Scores (N, C) of one model: centred probabilities for classes."""
    if isinstance(model, Fitted):
        found = torch.cat([model.outputs(part)[0] for part in inputs.split(4096)])
        return found.softmax(-1) - 1 / classes if classes else found
    rows = inputs.numpy(force=True)
    with threadpool_limits(1, user_api="openmp"):
        if not classes:
            return torch.from_numpy(np.asarray(model.predict(rows))).float().to(inputs.device)[:, None]
        known = torch.zeros(len(rows), classes)
        known[:, torch.as_tensor(model.classes_)] = torch.from_numpy(np.asarray(model.predict_proba(rows))).float()
    return (known - 1 / classes).to(inputs.device)
