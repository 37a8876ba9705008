"""Architecture search: candidates ranked by what they learn from an engram, in place of all data."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..data.metrics import score
from ..data.problem import Problem
from ..data.rows import Rows
from ..data.split import Split
from ..errors import DataError, DivergenceError, SettingError
from ..evaluation.baselines import Baselines, scores_on
from ..learning.fitting import Fitted, fit
from ..learning.network import Network, model_of
from ..learning.training import Descent, Loss, Phase, Training
from ..memory.engram import Engram
from ..memory.lesson import Lesson
from ..numerics.optimizers import Adam
from ..random import minibatch, stream
from ..samples.synthetic import Synthetic
from ..spec import render
from .space import Space, candidates

__all__ = ["Searched", "search"]

_ROWS, _PASSES, _BATCH, _RATE = 10_000, 5, 128, 1e-3
_LEAST_STEPS = _PASSES * _ROWS // _BATCH
"""Of training on real rows, to which rankings are held; fewer rows are seen more often."""
_SHORT = 100
"""Steps of the same descent on few samples: which candidates learn fast tells more than what all reach in the end."""
_PROBE = 2
"""Steps by which the time of one is told."""
_FULL_SEED = 1000
_TOP = 5


@dataclass(frozen=True)
class Searched:
    """What was found.

    Args:
        networks: the candidates, as the command line writes them.
        scores: by how a candidate was trained, the score of each: by ``engram``, and where rows were given by ``random``, ``k_means``
            (of equal bytes) and ``early`` (on real rows, for as long), all on validation rows; by ``full`` and ``again`` (real rows, two
            seeds), on test rows. NaN where training went astray.
        seconds: that each way took for all candidates.
        metric: its name; higher is better.
    """

    networks: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    seconds: Mapping[str, float]
    metric: str

    @property
    def order(self) -> list[int]:
        """Candidates from the best on, by the engram."""
        return _order(self.scores["engram"])

    def agreement(self, way: str) -> dict[str, float]:
        """How far the ranking of one way is that of full training.

        Args:
            way: another key of `scores`.

        Returns:
            ``spearman`` with the mean of both full trainings (with the other one, for ``again``), ``top``: the share of the best five that
            it has among its own, ``regret``: the best full score less that of its pick.
        """
        full = torch.tensor(self.scores["full"])
        if way != "again":
            full = (full + torch.tensor(self.scores["again"])) / 2
        own = torch.tensor(self.scores[way])
        best, mine = (_order(tuple(values.tolist())) for values in (full, own))
        top = min(_TOP, len(best))
        return {
            "spearman": _spearman(own, full),
            "top": len(set(best[:top]) & set(mine[:top])) / top,
            "regret": float(full[best[0]] - full[mine[0]]),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: candidates from the best on, agreement with full training, times."""
        ranked = [{"network": self.networks[k]} | {way: own[k] for way, own in self.scores.items()} for k in self.order]
        found: dict[str, Any] = {"metric": self.metric, "candidates": ranked, "seconds": dict(self.seconds)}
        if "full" in self.scores:
            found["agreement"] = {way: self.agreement(way) for way in self.scores if way != "full"}
            found["share_of_time"] = self.seconds["engram"] / self.seconds["full"]
        return found


def search(
    engram: Engram,
    space: Space | Sequence[Network] = "convnet",
    *,
    problem: Problem | None = None,
    compare: bool = True,
    seeds: int = 3,
    watch: Callable[[float, str], None] | None = None,
) -> Searched:
    r"""Rank architectures by what fresh networks learn from an engram.

    With all data at hand the ranking is held to that of full training, by Spearman's :math:`\rho`, and so are those of cheaper ways.

    Args:
        engram: that teaches.
        space: a name, or the candidates themselves.
        problem: whose validation rows score; when None one half of the engram's samples scores what the other teaches.
        compare: whether, with a problem, candidates are also trained on real rows (five passes over at most 10,000, two seeds), on random
            rows and k-means centres of equal bytes, and on real rows for as long as the engram takes.
        seeds: networks of each candidate, of all but full training.
        watch: called with the share that is done, and what goes on.

    Returns:
        Scores of every candidate.

    Raises:
        DataError: no problem, and a class of a single sample.
        SettingError: a space that these inputs do not have.

    References:
        Such et al. 2020, generative teaching networks; Zhao & Bilen 2021, section 4.3 (arXiv 2006.05929).

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> from engram.learning.networks.mlp import MLP
        >>> wine = load_problem("wine")
        >>> found = search(distill(wine, budget=PerClass(1), steps=5), [MLP(4), MLP(16)], problem=wine, compare=False, seeds=1)
        >>> len(found.order)
        2
    """
    if seeds < 1:
        raise SettingError(f"seeds is {seeds}: train at least one network of each candidate")
    if not engram.labelled:
        raise SettingError("its points are the theory's own: other networks learn nothing from them")
    networks = candidates(space, engram.task.shape) if isinstance(space, str) else list(space)
    if not networks:
        raise SettingError("there is no candidate: give at least one network")
    for network in networks:
        model_of(network, engram.task)
    if problem is not None:
        problem = problem.under(engram.preprocessing, engram.target, engram.metric, engram.linear)
    ways = _ways(engram, problem, seeds) if problem is not None and compare else {}
    bench = {"engram": _by_engram(engram, problem, range(seeds)), **ways}
    scores: dict[str, list[float]] = {way: [] for way in bench}
    seconds = dict.fromkeys(bench, 0.0)
    for k, network in enumerate(networks):
        taken = 0.0
        for way, trained in bench.items():
            if watch is not None:
                watch(
                    (k + list(bench).index(way) / len(bench)) / len(networks),
                    f"{render(network)}, {way.replace('_', ' ')}",
                )
            begun = time.perf_counter()
            try:
                scores[way].append(trained(network, taken))
            except DivergenceError:
                scores[way].append(float("nan"))
            spent = time.perf_counter() - begun
            seconds[way] += spent
            taken = spent if way == "engram" else taken
    if watch is not None:
        watch(1.0, "")
    metric = engram.metric.value
    return Searched(tuple(map(render, networks)), {way: tuple(own) for way, own in scores.items()}, seconds, metric)


_Trained = Callable[[Network, float], float]
"""A network, and the seconds that the engram took with it, to its score."""


def _by_engram(engram: Engram, problem: Problem | None, seeds: Sequence[int]) -> _Trained:
    lesson = Lesson.of(engram)
    samples = lesson.soft() if lesson.probabilities is not None else Synthetic(lesson.inputs, lesson.targets)
    loss = Loss.CROSS_ENTROPY if engram.metric.of_classes else Loss.SQUARED

    def taught(network: Network, data: Synthetic) -> Fitted:
        return fit(_descent(network, _SHORT, len(data), loss), engram.task, {"main": data}, list(seeds))

    if problem is not None:
        return lambda network, _: _scored(taught(network, samples), problem, problem.validation)
    halves = _halves(samples)

    def crossed(network: Network, _: float) -> float:
        found = []
        for one, other in (halves, halves[::-1]):
            targets = other.targets.argmax(1) if engram.metric.of_classes else other.targets
            found.append(float(score(engram.metric, taught(network, one).outputs(other.inputs), targets).mean()))
        return sum(found) / 2

    return crossed


def _descent(network: Network, steps: int, rows: int, loss: Loss) -> Training:
    """How every candidate learns, whatever from."""
    return Training(network, (Phase(Descent(Adam(_RATE), steps, min(_BATCH, rows), loss, cosine=True)),))


def _halves(samples: Synthetic) -> tuple[Synthetic, Synthetic]:
    """Every second sample of each class."""
    classes = (
        samples.targets.argmax(1) if samples.targets.shape[1] > 1 else torch.zeros(len(samples), dtype=torch.int64)
    )
    first = torch.zeros(len(samples), dtype=torch.bool)
    for c in classes.unique():
        own = torch.nonzero(classes == c).flatten()
        if len(own) < 2:
            raise DataError(
                "a class has a single sample, which cannot both teach and score: give real rows (--on SOURCE)"
            )
        first[own[torch.randperm(len(own), generator=stream(0, "halves", int(c)))][::2]] = True
    return tuple(Synthetic(samples.inputs[kept], samples.targets[kept]) for kept in (first, ~first))  # type: ignore[return-value]


def _ways(engram: Engram, problem: Problem, seeds: int) -> dict[str, _Trained]:
    """Other rankings, and the one that they are held to."""
    every = tuple(range(seeds))
    rows = problem.train.rows(minibatch(len(problem.train), _ROWS, 0, 0, "search").to(problem.train.device))
    steps = max(_LEAST_STEPS, _PASSES * len(rows) // _BATCH)
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    baselines = Baselines(engram, problem, engram.training, every)

    def trained(network: Network, data: Rows, steps: int, seed: int, split: Split) -> float:
        fitted = fit(_descent(network, steps, len(data), loss), problem.task, {"main": data}, [seed])
        return _scored(fitted, problem, split)

    def by_rows(name: str) -> _Trained:
        sets = [canvas.decode() for canvas in baselines.canvases(name)]

        def mean(network: Network, _: float) -> float:
            found = [trained(network, own, _SHORT, k, problem.validation) for k, own in zip(every, sets, strict=True)]
            return sum(found) / len(found)

        return mean

    def early(network: Network, taken: float) -> float:
        begun = time.perf_counter()
        fit(_descent(network, _PROBE, len(rows), loss), problem.task, {"main": rows}, [0])
        each = (time.perf_counter() - begun) / _PROBE
        return trained(network, rows, max(1, min(steps, round(taken / each))), 0, problem.validation)

    return {
        "random": by_rows("random_bytes"),
        "k_means": by_rows("k_means_bytes"),
        "early": early,
        "full": lambda network, _: trained(network, rows, steps, _FULL_SEED, problem.test),
        "again": lambda network, _: trained(network, rows, steps, _FULL_SEED + 1, problem.test),
    }


def _scored(fitted: Fitted, problem: Problem, split: Split) -> float:
    found = scores_on(fitted, problem, split)
    return sum(found) / len(found)


def _order(scores: Sequence[float]) -> list[int]:
    """From the best on; what went astray last."""
    return sorted(
        range(len(scores)), key=lambda k: (scores[k] != scores[k], -scores[k] if scores[k] == scores[k] else 0.0)
    )


def _spearman(one: torch.Tensor, other: torch.Tensor) -> float:
    from scipy.stats import spearmanr

    low = -torch.inf
    found = spearmanr(one.nan_to_num(low, low, low).numpy(), other.nan_to_num(low, low, low).numpy()).statistic
    return float(found)
