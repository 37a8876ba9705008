"""The evaluation recipe: the same training, the same seeds, equal items and equal bytes, the ceiling beside it."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from ..data.problem import Problem
from ..errors import DataError, SettingError
from ..learning.fitting import fit
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from ..memory.readable import Readable
from ..spec import encode
from .baselines import BASELINES, TAUGHT, Baselines, constant_score, scores_and_recall_on_test
from .ceiling import Full, full_steps, train_full, train_tuned
from .learners import check_panel, learner_names
from .panel import judged_by
from .scores import TEACHERS, Panel, Row, Scores

__all__ = ["Protocol", "evaluate", "row_name", "row_names"]

_BY = " by "
"""Between a learner and its teacher."""


@dataclass(frozen=True)
class Protocol:
    """How an engram is judged.

    Args:
        seeds: networks trained per row; runs of one seed start from the same network in every row.
        network: another architecture than the engram's own.
        baselines: whether real and averaged rows at equal items and equal bytes are trained too.
        full_steps: Adam steps of training on everything; by the data's size when None.
        panel: which foreign learners judge too (`learners.learner_names`): quick at most doubles an evaluation.
        judges: further ones by name.

    Raises:
        SettingError: fewer than one seed, another panel.
        UnknownNameError: a judge that is not known.

    Example:
        >>> Protocol(seeds=2).baselines
        True
    """

    seeds: int = 5
    network: Network | None = None
    baselines: bool = True
    full_steps: int | None = None
    panel: Literal["none", "quick", "full"] = "quick"
    judges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise SettingError(f"seeds is {self.seeds}: evaluate at least one network")
        check_panel(self.panel, self.judges)
        if self.full_steps is not None and self.full_steps < 1:
            raise SettingError(f"full_steps is {self.full_steps}: train on everything for at least one step")

    def steps_on_all(self, problem: Problem) -> int:
        """Of training on everything."""
        return full_steps(problem) if self.full_steps is None else self.full_steps


def evaluate(
    engram: Engram,
    problem: Problem,
    protocol: Protocol | None = None,
    watch: Callable[[str, float], None] | None = None,
    known: Mapping[str, Row] | None = None,
    keep: Callable[[str, Row], None] | None = None,
    train: Callable[..., Full] | None = None,
) -> Scores:
    """Train fresh networks on the engram, on its baselines and on everything, and score them on `test`.

    Args:
        engram: what is judged.
        problem: the data it stands for (or other data of the same shape).
        protocol: the recipe.
        watch: called with a row's name and how much of it is done, 1 when it is known.
        known: rows of an evaluation of this engram by this protocol that was cut short; they are not measured again.
        keep: called with every row that was measured, as soon as it was.
        train: how networks learn everything, in place of `train_full`, with its arguments.

    Returns:
        The scores; `full` is the better, on `select`, of the network and of scikit-learn's best (a tuned linear model; boosted trees where inputs are no images).

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
    for name, row in _rows(engram, problem, protocol, watch, frozenset(rows), train or train_full):
        rows[name] = row
        watch(name, 1.0)
        if keep is not None:
            keep(name, row)
    return _scores(problem, {name: rows[name] for name in row_names(protocol, engram, problem)})


def row_names(protocol: Protocol, engram: Engram, problem: Problem) -> list[str]:
    """The rows of an evaluation, in order: networks by the engram's own training, then ``LEARNER by TEACHER``."""
    baselines = [name + suffix for name in BASELINES for suffix in ("", "_bytes")]
    # The theory's points are read by the engram's own phases alone.
    learners = learner_names(problem, protocol.panel, protocol.judges) if engram.labelled else []
    return [
        "engram",
        "full",
        *(["readable"] if Readable.of(engram) else []),
        *(baselines if protocol.baselines else []),
        *(row_name(learner, teacher) for learner in learners for teacher in TEACHERS),
    ]


def row_name(learner: str, teacher: str) -> str:
    """The name of a row of the panel."""
    return f"{learner}{_BY}{teacher}"


def _scores(problem: Problem, rows: dict[str, Row]) -> Scores:
    own: dict[str, Row] = {}
    learners: dict[str, dict[str, Row]] = {}
    for name, row in rows.items():
        learner, by, teacher = name.partition(_BY)
        if by:
            learners.setdefault(learner, {})[teacher] = row
        else:
            own[name] = row
    panel = Panel(learners) if learners else None
    return Scores(problem.metric.value, own, problem.notes, panel, constant_score(problem))


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
    train: Callable[..., Full],
) -> Iterator[tuple[str, Row]]:
    missing = [name for name in row_names(protocol, engram, problem) if name not in known]
    seeds = list(range(protocol.seeds))
    training = engram.training if protocol.network is None else engram.training.on(protocol.network)
    baselines = Baselines(engram, problem, training, tuple(seeds))
    if "engram" in missing:
        yield "engram", _replayed(engram, problem, training, seeds, engram.canvas_bytes)
    view = Readable.of(engram)
    if "readable" in missing and view is not None:
        note = "texts of the data" if view.real else "words of the vocabulary"
        yield "readable", _replayed(view.engram(engram), problem, training, seeds, view.bytes, note)
    if {"full", *TAUGHT} & set(missing):
        # The ceiling, and at once the rows that its networks label, so that a run cut short seldom trains it again.
        steps = protocol.steps_on_all(problem)
        full = train(problem, training.network, seeds, steps, watch=lambda done: watch("full", done))
        if "full" in missing:
            yield "full", _ceiling(problem, full)
        for name in missing:
            if name in TAUGHT:
                yield name, baselines.row(name, full)
    for name in missing:
        learner, by, teacher = name.partition(_BY)
        if by:
            yield name, judged_by(learner, teacher, engram, problem, baselines)
        elif name not in ("engram", "full", "readable", *TAUGHT):
            yield name, baselines.row(name)


def _replayed(engram: Engram, problem: Problem, training: Training, seeds: list[int], size: int, note: str = "") -> Row:
    """Networks taught by the samples."""
    begun = time.perf_counter()
    fitted = fit(training, problem.task, engram.sets, seeds)
    seconds = (time.perf_counter() - begun) / len(seeds)
    runs, recall = scores_and_recall_on_test(fitted, problem)
    return Row(runs, engram.items, size, seconds, note, recall)


def _ceiling(problem: Problem, full: Full) -> Row:
    tuned, note = train_tuned(problem), "network"
    runs, recall = scores_and_recall_on_test(full.fitted, problem)
    if tuned.select > float(full.select.mean()):
        runs, note, recall = (tuned.test,) * len(runs), tuned.note, tuned.recall
    return Row(runs, len(problem.train), len(problem.train) * problem.row_bytes(), full.seconds, note, recall)
