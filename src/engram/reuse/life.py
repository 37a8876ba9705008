"""One learner's life: experience after experience, with one kind of memory."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from ..data.metrics import score
from ..data.rows import Batch
from ..data.split import Split
from ..distillation.method import Method
from ..errors import DivergenceError
from ..learning.fitting import Fitted, outputs
from ..learning.network import model_of
from ..numerics.optimizers import Params
from .experiences import Experience
from .keeping import keep
from .learner import Buffer, Learner

__all__ = ["Life", "Lived", "Way", "ways_of"]

Way = Literal["beside", "alone"]
"""New rows and memories in every step (experience replay); or a fresh network from the memory alone, what came last included (GDumb)."""


def ways_of(memory: str) -> tuple[Way, ...]:
    """How a memory is used; logits are those of the network that goes on, and there is nothing to learn from alone where nothing is kept."""
    return ("beside",) if memory in ("nothing", "joint", "dark") else ("beside", "alone")


@dataclass(frozen=True)
class Lived:
    """One learner's life.

    Args:
        memory: of `MEMORIES`.
        way: how it learns from it.
        seed: of order, draws and network.
        score: mean score over the test rows of all experiences, at the end; NaN where learning went astray.
        select: the same on validation rows, by which ways are chosen.
        forgetting: mean over all experiences but the last of the score right after it was learnt, less that at the end.
        forward: mean over all experiences but the first of the score right before it is learnt, less that of a fresh network; None
            where classes are new, or all is learnt from the memory alone.
        bytes: of the memory at the end.
        seconds: of keeping and learning.
    """

    memory: str
    way: str
    seed: int
    score: float
    select: float
    forgetting: float
    forward: float | None
    bytes: int
    seconds: float


@dataclass(frozen=True)
class Life:
    """The experiences of one seed with one memory.

    Args:
        lives: what is learnt, in order.
        memory: what is kept of the past.
        size: bytes of all of it.
        by: how the experiences were cut.
        learner: network and descent.
        method: distils; by the kind of data when None.
        seed: of draws and network.
    """

    lives: list[Experience]
    memory: str
    size: int
    by: str
    learner: Learner
    method: Method | str | None
    seed: int

    def lived(self) -> Iterator[Lived]:
        """In every way that the memory is used."""
        begun = time.perf_counter()
        stored = () if self.memory in ("nothing", "joint") else self.lives
        kept = [
            keep(self.memory, one, self._share(one), self.learner.network, self.seed, self.method)  # type: ignore[arg-type]
            for one in stored
        ]
        seconds, total = time.perf_counter() - begun, sum(one.bytes for one in kept)
        for way in ways_of(self.memory):
            living = self._joint if self.memory == "joint" else self._beside if way == "beside" else self._alone
            try:
                yield living([one.buffer for one in kept], total, seconds)
            except DivergenceError:
                yield self._astray(way, total, seconds)

    def _astray(self, way: str, total: int, seconds: float) -> Lived:
        """A life whose network was no longer finite: it says nothing."""
        return Lived(self.memory, way, self.seed, math.nan, math.nan, math.nan, None, total, round(seconds, 1))

    def _share(self, one: Experience) -> int:
        """Equal bytes for every class."""
        sizes = [len(life.outputs) for life in self.lives]
        return self.size * len(one.outputs) // sum(sizes)

    def _beside(self, buffers: Sequence[Buffer], total: int, seconds: float) -> Lived:
        begun, task = time.perf_counter(), self.lives[0].shared.task
        params, forward = self.learner.begin(task, self.seed), self.by != "class"
        first = self._scores(params, "test") if forward else []
        gained, after = [], []
        memory: Buffer | None = None
        for k, one in enumerate(self.lives):
            if forward and k:
                gained.append(self._score(params, one, "test") - first[k])
            params = self.learner.learn(params, task, one.shared.train, memory, self.seed, k)
            if one is self.lives[-1]:
                break
            after.append(self._score(params, one, "test"))
            if buffers:
                new = self._with_logits(buffers[k], params) if self.memory == "dark" else buffers[k]
                memory = new if memory is None else memory.beside(new)
        spent = seconds + time.perf_counter() - begun
        return self._end(params, "beside", after, _mean(gained) if forward else None, total, spent)

    def _alone(self, buffers: Sequence[Buffer], total: int, seconds: float) -> Lived:
        begun, task = time.perf_counter(), self.lives[0].shared.task
        after: list[float] = []
        memory, params = buffers[0], Params()
        for k, one in enumerate(self.lives):
            memory = memory.beside(buffers[k]) if k else memory
            # As long as one that learns beside new rows has learnt by then.
            steps = self.learner.steps * (k + 1)
            params = self.learner.learn(self.learner.begin(task, self.seed), task, None, memory, self.seed, k, steps)
            if one is not self.lives[-1]:
                after.append(self._score(params, one, "test"))
        return self._end(params, "alone", after, None, total, seconds + time.perf_counter() - begun)

    def _joint(self, *_: object) -> Lived:
        begun, task = time.perf_counter(), self.lives[0].shared.task
        union = _Union(tuple(one.shared.train for one in self.lives))
        steps = self.learner.steps * len(self.lives)
        params = self.learner.learn(self.learner.begin(task, self.seed), task, union, None, self.seed, 0, steps)
        total = sum(len(one.shared.train) * one.shared.row_bytes() for one in self.lives)
        return self._end(params, "beside", None, None, total, time.perf_counter() - begun)

    def _with_logits(self, new: Buffer, params: Params) -> Buffer:
        """What the network of now says of the rows that it leaves behind."""
        model = model_of(self.learner.network, self.lives[0].shared.task)
        with torch.no_grad():
            return replace(new, logits=torch.cat([model.outputs(params, x) for x, _, _ in new.rows.batches()]))

    def _end(
        self,
        params: Params,
        way: Way,
        after: Sequence[float] | None,
        forward: float | None,
        total: int,
        seconds: float,
    ) -> Lived:
        """What is known at the end, beside what was right after each experience but the last; None where all were learnt at once."""
        last, select = self._scores(params, "test"), self._scores(params, "validation")
        lost = 0.0 if after is None else _mean([early - late for early, late in zip(after, last, strict=False)])
        return Lived(self.memory, way, self.seed, _mean(last), _mean(select), lost, forward, total, round(seconds, 1))

    def _scores(self, params: Params, part: str) -> list[float]:
        return [self._score(params, one, part) for one in self.lives]

    def _score(self, params: Params, one: Experience, part: str) -> float:
        problem = one.shared
        split: Split = getattr(problem, part)
        model = model_of(self.learner.network, problem.task)
        said = outputs(Fitted(model, {key: value[None] for key, value in params.items()}), split)[0]
        if self.by == "task":
            said = _among(said, one.outputs)
        return float(score(problem.metric, said, split.targets))


@dataclass(frozen=True, eq=False)
class _Union:
    """Rows of all experiences, an equal part of each in every batch."""

    parts: tuple[Split, ...]

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        each = -(-size // len(self.parts))
        drawn = [part.sample(each, step, seed, *names, k) for k, part in enumerate(self.parts)]
        return torch.cat([x for x, _, _ in drawn]), torch.cat([y for _, y, _ in drawn]), None


def _among(said: Tensor, classes: tuple[int, ...]) -> Tensor:
    """Scores of the classes that a task is known to have."""
    kept = torch.full_like(said, -torch.inf)
    kept[:, list(classes)] = said[:, list(classes)]
    return kept


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
