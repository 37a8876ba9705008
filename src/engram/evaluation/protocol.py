"""The evaluation recipe: the same training, the same seeds, equal items and equal bytes, the ceiling beside it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..data.metrics import score
from ..data.problem import Problem
from ..distillation.methods.herding import Herding
from ..distillation.methods.k_center import KCenter
from ..distillation.methods.k_means import KMeans
from ..distillation.methods.random import Random
from ..errors import DataError, DivergenceError, SettingError
from ..learning.fitting import Fitted, fit, outputs
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from ..samples.budget import Budget, Items, Precision
from ..samples.canvas.plain import Plain
from ..samples.spending import number_bytes
from ..spec import encode
from .ceiling import Full, full_steps, train_full, train_linear
from .scores import Row, Scores

__all__ = ["Protocol", "evaluate", "row_names", "scores_on_test"]

_BASELINES = {
    "random": Random(),
    "random_soft": Random(),
    "k_means": KMeans(),
    "herding": Herding(),
    "k_center": KCenter(),
}
_TAUGHT = ("random_soft", "random_soft_bytes")
"""Baselines that the ceiling's networks label."""


@dataclass(frozen=True)
class Protocol:
    """How an engram is judged.

    Args:
        seeds: networks trained per row; runs of one seed start from the same network in every row.
        network: another architecture than the engram's own.
        baselines: whether real and averaged rows at equal items and equal bytes are trained too.
        full_steps: Adam steps of training on everything; by the data's size when None.

    Raises:
        SettingError: fewer than one seed.

    Example:
        >>> Protocol(seeds=2).baselines
        True
    """

    seeds: int = 5
    network: Network | None = None
    baselines: bool = True
    full_steps: int | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise SettingError(f"seeds is {self.seeds}: evaluate at least one network")
        if self.full_steps is not None and self.full_steps < 1:
            raise SettingError(f"full_steps is {self.full_steps}: train on everything for at least one step")


def evaluate(
    engram: Engram,
    problem: Problem,
    protocol: Protocol | None = None,
    watch: Callable[[str, float], None] | None = None,
    known: Mapping[str, Row] | None = None,
    keep: Callable[[str, Row], None] | None = None,
) -> Scores:
    """Train fresh networks on the engram, on its baselines and on everything, and score them on `test`.

    Args:
        engram: what is judged.
        problem: the data it stands for (or other data of the same shape).
        protocol: the recipe.
        watch: called with a row's name and how much of it is done, 1 when it is known.
        known: rows of an evaluation of this engram by this protocol that was cut short; they are not measured again.
        keep: called with every row that was measured, as soon as it was.

    Returns:
        The scores; `full` is the better, on `select`, of the network and a tuned linear model.

    Raises:
        DataError: the problem's shape or outputs are not the engram's.

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> problem = load_problem("wine")
        >>> memory = distill(problem, budget=PerClass(1), steps=5)
        >>> scores = evaluate(memory, problem, Protocol(seeds=2))
        >>> len(scores.rows["random_bytes"].runs)
        2
    """
    protocol = protocol or Protocol()
    own = (engram.preprocessing, engram.target, engram.linear)
    if not _alike(own, (problem.preprocessing, problem.target, problem.linear)):
        problem = problem.under(engram.preprocessing, engram.target, engram.metric, engram.linear)
    if engram.task != problem.task:
        raise DataError(
            f"the engram is for {engram.task} and the data are {problem.task}: give the data it was made from"
        )
    rows = dict(known or {})
    watch = watch or (lambda name, done: None)
    for name in rows:
        watch(name, 1.0)
    for name, row in _rows(engram, problem, protocol, watch, frozenset(rows)):
        rows[name] = row
        watch(name, 1.0)
        if keep is not None:
            keep(name, row)
    return Scores(problem.metric.value, {name: rows[name] for name in row_names(protocol)}, problem.notes)


def row_names(protocol: Protocol) -> list[str]:
    """The rows of an evaluation, in order."""
    baselines = [name + suffix for name in _BASELINES for suffix in ("", "_bytes")]
    return ["engram", "full", *(baselines if protocol.baselines else [])]


def _alike(one: Any, other: Any) -> bool:
    a: dict[str, torch.Tensor] = {}
    b: dict[str, torch.Tensor] = {}
    return bool(encode(one, a) == encode(other, b)) and all(torch.equal(a[key].cpu(), b[key].cpu()) for key in a)


def _rows(
    engram: Engram,
    problem: Problem,
    protocol: Protocol,
    watch: Callable[[str, float], None],
    known: frozenset[str],
) -> Iterator[tuple[str, Row]]:
    missing = [name for name in row_names(protocol) if name not in known]
    seeds = list(range(protocol.seeds))
    training = engram.training if protocol.network is None else engram.training.on(protocol.network)
    if "engram" in missing:
        begun = time.perf_counter()
        fitted = fit(training, problem.task, engram.sets, seeds)
        seconds = (time.perf_counter() - begun) / len(seeds)
        yield "engram", Row(scores_on_test(fitted, problem), engram.items, engram.canvas_bytes, seconds)
    if {"full", *_TAUGHT} & set(missing):
        yield from _with_full(engram, problem, protocol, training, seeds, watch, missing)
    for name in _BASELINES:
        if name + "_bytes" not in _TAUGHT:
            for suffix, budget in _budgets(engram, problem, soft=False):
                if name + suffix in missing:
                    yield name + suffix, _baseline(name, budget, engram, problem, training, seeds)


def _with_full(
    engram: Engram,
    problem: Problem,
    protocol: Protocol,
    training: Training,
    seeds: list[int],
    watch: Callable[[str, float], None],
    missing: list[str],
) -> Iterator[tuple[str, Row]]:
    """The ceiling, and at once the rows that its networks label, so that a run cut short seldom trains it again."""
    full = train_full(
        problem,
        training.network,
        seeds,
        full_steps(problem) if protocol.full_steps is None else protocol.full_steps,
        watch=lambda done: watch("full", done),
    )
    if "full" in missing:
        yield "full", _ceiling(problem, full)
    for suffix, budget in _budgets(engram, problem, soft=True):
        if "random_soft" + suffix in missing:
            yield "random_soft" + suffix, _baseline("random_soft", budget, engram, problem, training, seeds, full)


def _ceiling(problem: Problem, full: Full) -> Row:
    linear = train_linear(problem)
    runs, note = scores_on_test(full.fitted, problem), "network"
    if linear.select > float(full.select.mean()):
        runs, note = (linear.test,) * len(runs), linear.note or "tuned linear model"
    return Row(runs, len(problem.train), len(problem.train) * problem.row_bytes(), full.seconds, note)


def _budgets(engram: Engram, problem: Problem, soft: bool) -> Iterator[tuple[str, Budget]]:
    """The engram's own number of items; then as many real rows as its bytes hold."""
    items = min(engram.items, len(problem.train))
    yield "", Items(items)
    row = _item_bytes(problem, engram.precision, soft)
    fit_in = min(len(problem.train), max(engram.canvas_bytes // row, problem.classes or 2))
    yield "_bytes", Items(fit_in)


def _baseline(
    name: str,
    budget: Budget,
    engram: Engram,
    problem: Problem,
    training: Training,
    seeds: list[int],
    teacher: Full | None = None,
) -> Row:
    method = _BASELINES[name]
    canvases: list[Plain] = []
    for seed in seeds:
        if canvases and name in ("herding", "k_center"):
            canvases.append(canvases[0])  # no draw in them: the seeds differ in the network alone
            continue
        plain = method.init(problem, training, budget, Precision.FLOAT32, seed).canvas
        assert isinstance(plain, Plain)
        canvases.append(plain if teacher is None else teacher.soften(problem, plain))
    fewest = min(len(canvas.inputs) for canvas in canvases)
    begun = time.perf_counter()
    names = {phase.data for phase in training.phases}
    sets = [dict.fromkeys(names, canvas.decode()) for canvas in canvases]
    groups = [(sets, seeds)]
    if len({len(canvas.inputs) for canvas in canvases}) > 1:
        groups = [([own], [seed]) for own, seed in zip(sets, seeds, strict=True)]
    try:
        runs = tuple(
            run for own, some in groups for run in scores_on_test(fit(training, problem.task, own, some), problem)
        )
    except DivergenceError:
        runs = (float("nan"),) * len(seeds)
    seconds = (time.perf_counter() - begun) / len(seeds)
    return Row(runs, fewest, fewest * _item_bytes(problem, engram.precision, teacher is not None), seconds)


def _item_bytes(problem: Problem, precision: Precision, soft: bool) -> int:
    """Cost of a real row with its label, at the engram's precision."""
    number = problem.task.outputs * number_bytes(precision)
    label = number if soft or problem.classes is None else problem.target.label_bytes
    return problem.preprocessing.item_bytes(precision.bytes) + label


def scores_on_test(fitted: Fitted, problem: Problem) -> tuple[float, ...]:
    """Scores of networks on the test split, one each."""
    return tuple(score(problem.metric, outputs(fitted, problem.test), problem.test.targets).tolist())
