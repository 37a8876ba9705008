"""One learner's life: experience after experience, with one kind of memory."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..data.metrics import score
from ..data.rows import Batch
from ..data.split import Split
from ..data.task import Task
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
            begun = time.perf_counter()
            try:
                known = self._joint() if self.memory == "joint" else self._one_by_one(way, [one.buffer for one in kept])
            except DivergenceError:  # A network that is no longer finite says nothing.
                known = _Known(math.nan, math.nan, math.nan, None)
            if self.memory == "joint":
                total = sum(len(one.shared.train) * one.shared.row_bytes() for one in self.lives)
            spent = round(seconds + time.perf_counter() - begun, 1)
            yield Lived(self.memory, way, self.seed, *known, total, spent)

    def _share(self, one: Experience) -> int:
        """Equal bytes for every class."""
        sizes = [len(life.outputs) for life in self.lives]
        return self.size * len(one.outputs) // sum(sizes)

    def _one_by_one(self, way: Way, buffers: Sequence[Buffer]) -> "_Known":
        """A network that goes on beside what is kept, or a fresh one from all that is kept after every experience."""
        task, forward = self._task, way == "beside" and self.by != "class"
        params = self.learner.begin(task, self.seed)
        first = self._scores(params, "test") if forward else []
        gained, after = [], []
        memory: Buffer | None = None
        for k, one in enumerate(self.lives):
            if forward and k:
                gained.append(self._score(params, one, "test") - first[k])
            if way == "alone":
                memory = buffers[k].after(memory)
                # As long as one that learns beside new rows has learnt by then.
                steps, fresh = self.learner.steps * (k + 1), self.learner.begin(task, self.seed)
                params = self.learner.learn(fresh, task, None, memory, self.seed, k, steps)
            else:
                params = self.learner.learn(params, task, one.shared.train, memory, self.seed, k)
                if buffers:
                    memory = (self._with_logits(buffers[k], params) if self.memory == "dark" else buffers[k]).after(
                        memory
                    )
            after.append(self._score(params, one, "test"))
        last = self._scores(params, "test")
        lost = _mean([early - late for early, late in zip(after[:-1], last, strict=False)])
        return _Known(_mean(last), _mean(self._scores(params, "validation")), lost, _mean(gained) if forward else None)

    def _joint(self) -> "_Known":
        """All rows of all experiences at once."""
        union = _Union(tuple(one.shared.train for one in self.lives))
        steps, fresh = self.learner.steps * len(self.lives), self.learner.begin(self._task, self.seed)
        params = self.learner.learn(fresh, self._task, union, None, self.seed, 0, steps)
        return _Known(_mean(self._scores(params, "test")), _mean(self._scores(params, "validation")), 0.0, None)

    @property
    def _task(self) -> Task:
        return self.lives[0].shared.task

    def _with_logits(self, new: Buffer, params: Params) -> Buffer:
        """What the network of now says of the rows that it leaves behind."""
        model = model_of(self.learner.network, self._task)
        with torch.no_grad():
            return replace(new, logits=torch.cat([model.outputs(params, x) for x, _, _ in new.rows.batches()]))

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


class _Known(NamedTuple):
    """What a learner knows at the end: `Lived.score` to `Lived.forward`."""

    score: float
    select: float
    forgetting: float
    forward: float | None


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
