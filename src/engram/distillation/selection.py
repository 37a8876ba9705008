"""Choosing real rows, or averages of them: what the selection methods share."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from ..data.problem import Problem
from ..learning.training import Training
from ..random import integer, stream
from ..samples.budget import Budget, Precision
from ..samples.canvas import Canvas
from ..samples.canvas.plain import Plain
from ..samples.spending import counts
from .buffers import Prepared, teacher
from .labels import Labels, Samples, labelling, relabelled
from .method import Metrics

__all__ = ["Pick", "Selection", "SelectionState", "SpatialSelection", "at_random", "candidates", "centres", "choose"]

Pick = Callable[[Tensor, int, torch.Generator], Tensor]
"""(rows (N, D), how many, generator) to the rows' indices."""


_CANDIDATES = 10_000
"""Rows considered in all; a random sample of more stands for them, so that memory stays bounded."""


@dataclass(frozen=True, eq=False)
class SelectionState:
    """The state of a selection method: finished from the start."""

    canvas: Samples
    step: int = 0


@dataclass(frozen=True)
class Selection(ABC):
    """A method that does everything in `init` and takes no step.

    Args:
        labels: hard, or those of a teacher trained on all rows, probabilities or logits.
    """

    steps: ClassVar[int] = 0
    real: ClassVar[bool] = True
    """Whether samples are rows, or parts of rows, as they stand in the data."""
    labels: Labels = "hard"

    @abstractmethod
    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """So many samples per class, or in all for regression, with hard labels."""

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train the teacher."""
        return labelling(self.labels, problem, training, seed, watch)

    def init(
        self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
    ) -> SelectionState:
        """Choose."""
        soft = self.labels != "hard"
        plain = self.select(problem, training, counts(problem, budget, precision, soft), seed)
        if soft and problem.classes:
            taught = teacher(problem, training.network, seed)
            return SelectionState(relabelled(plain, taught, self.labels))
        return SelectionState(plain)

    def step(self, state: SelectionState, problem: Problem, training: Training) -> tuple[SelectionState, Metrics]:
        """Nothing is left to do."""
        return state, {}

    def export(self, state: SelectionState) -> Mapping[str, Canvas]:
        """The samples."""
        return {"main": state.canvas}


@dataclass(frozen=True)
class SpatialSelection(Selection):
    """A selection by distances.

    Args:
        space: of normalised inputs, or of the features of a network trained on all rows.
    """

    space: Literal["inputs", "features"] = "inputs"

    @staticmethod
    @abstractmethod
    def pick(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Choose within a class."""

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """Real rows."""
        if self.space == "inputs":
            return choose(problem, counts, self.pick, seed)
        taught = teacher(problem, training.network, seed)
        return choose(problem, counts, self.pick, seed, lambda x: taught.features(x)[0])

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train the network whose features are asked, which labels too."""
        return labelling("teacher" if self.space == "features" else self.labels, problem, training, seed, watch)


def choose(
    problem: Problem,
    counts: tuple[int, ...],
    pick: Pick,
    seed: int,
    seen: Callable[[Tensor], Tensor] = lambda x: x.flatten(1),
) -> Plain:
    """Pick real rows, class by class, with their hard labels.

    Args:
        problem: its training rows.
        counts: rows per class, or one number for regression.
        pick: chooses within a class.
        seed: of the draws.
        seen: of a batch of inputs, between which distances are measured.

    Returns:
        The rows.
    """
    parts = []
    for group, (rows, count) in enumerate(zip(candidates(problem, counts, seed), counts, strict=True)):
        flat = torch.cat([seen(problem.train.batch(part)[0]) for part in rows.split(1024)])
        parts.append(rows[pick(flat, min(count, len(rows)), stream(seed, "pick", group)).to(rows.device)])
    return _plain(problem, torch.cat(parts))


def centres(problem: Problem, counts: tuple[int, ...], seed: int) -> Plain:
    """Average rows: k-means centres within each class, or of all rows for regression.

    Args:
        problem: its training rows.
        counts: centres per class, or one number for regression.
        seed: of the initial centres.

    Returns:
        The centres with hard labels, or with mean targets.
    """
    from sklearn.cluster import KMeans

    inputs, targets = [], []
    for group, (rows, count) in enumerate(zip(candidates(problem, counts, seed), counts, strict=True)):
        x, y, _ = problem.train.batch(rows)
        flat = x.flatten(1).cpu()
        state = integer(seed, "centres", group, bits=32)
        member = KMeans(min(count, len(rows)), n_init=3, random_state=state).fit(flat.numpy()).labels_
        for label in sorted(set(member.tolist())):
            near = torch.from_numpy(member == label)
            inputs.append(x.cpu()[near].mean(0))
            targets.append(torch.tensor(group) if problem.classes else y.cpu()[near].mean(0))
        # Where rows repeat there are fewer centres than asked for: real rows fill up.
        for row in at_random(flat, count - len(set(member.tolist())), stream(seed, "fill", group)).tolist():
            inputs.append(x[row].cpu())
            targets.append(torch.tensor(group) if problem.classes else y[row].cpu())
    device = problem.train.device
    return Plain(torch.stack(inputs).to(device), torch.stack(targets).to(device), problem.classes or 0)


def at_random(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Pick rows at random, without replacement."""
    return torch.randperm(len(rows), generator=generator)[:count]


def candidates(problem: Problem, counts: tuple[int, ...], seed: int) -> list[Tensor]:
    """Training rows by class (one group for regression), at most `_CANDIDATES` in all."""
    every = problem.train.by_class
    most = max(_CANDIDATES // len(every), *counts)
    kept = []
    for group, rows in enumerate(every):
        if len(rows) > most:
            drawn = torch.randperm(len(rows), generator=stream(seed, "candidates", group))[:most]
            rows = rows[drawn.sort().values.to(rows.device)]
        kept.append(rows)
    return kept


def _plain(problem: Problem, rows: Tensor) -> Plain:
    chosen = problem.train.rows(rows)
    inputs, scores, _ = chosen.batch(slice(None))
    return Plain(inputs, chosen.targets if problem.classes else scores, problem.classes or 0)
