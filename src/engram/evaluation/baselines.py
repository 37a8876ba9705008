"""What an engram must beat: real and averaged rows of equal items and of equal bytes, trained in exactly the same way."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..data.metrics import recalls, score
from ..data.preprocessing.encoded import Encoded
from ..data.problem import Problem
from ..data.split import Split
from ..distillation.methods.herding import Herding
from ..distillation.methods.k_center import KCenter
from ..distillation.methods.k_means import KMeans
from ..distillation.methods.random import Random
from ..errors import DivergenceError
from ..learning.fitting import Fitted, fit, outputs
from ..learning.training import Training
from ..memory.engram import Engram
from ..samples.budget import Items, Precision
from ..samples.canvas.plain import Plain
from ..samples.spending import number_bytes
from .ceiling import Full
from .scores import Row

__all__ = [
    "BASELINES",
    "TAUGHT",
    "Baselines",
    "constant_score",
    "row_bytes",
    "scores_and_recall_on_test",
    "scores_on",
    "scores_on_test",
]

BASELINES = {
    "random": Random(),
    "random_soft": Random(),
    "k_means": KMeans(),
    "herding": Herding(),
    "k_center": KCenter(),
}
TAUGHT = ("random_soft", "random_soft_bytes")
"""Baselines that the ceiling's networks label."""

_CERTAIN = ("herding", "k_center")
"""No draw in them: the seeds differ in the network alone."""


@dataclass(frozen=True)
class Baselines:
    """Baselines of one engram; what several rows need is computed once.

    Args:
        engram: whose items and bytes they have.
        problem: from whose training rows.
        training: by which they are trained.
        seeds: one draw and one network each.
    """

    engram: Engram
    problem: Problem
    training: Training
    seeds: tuple[int, ...]
    _chosen: dict[tuple[str, int], list[Plain]] = field(default_factory=dict, repr=False, compare=False)
    _rows: dict[tuple[str, int], Row] = field(default_factory=dict, repr=False, compare=False)

    def items(self, name: str) -> int:
        """How many rows: as many as the engram has, or (``NAME_bytes``) as its bytes hold."""
        if not name.endswith("_bytes"):
            return min(self.engram.items, len(self.problem.train))
        fit_in = self.engram.canvas_bytes // self.item_bytes(name)
        return min(len(self.problem.train), max(fit_in, self.problem.classes or 2))

    def item_bytes(self, name: str) -> int:
        """Cost of one row of a baseline with its label, at the engram's precision; a mean of encoded rows is a vector."""
        return row_bytes(name, self.problem, self.engram.precision)

    def canvases(self, name: str) -> list[Plain]:
        """The rows of a baseline, one canvas per seed, with their own labels."""
        plain, items = name.removesuffix("_bytes"), self.items(name)
        key = (plain.removesuffix("_soft"), items)
        if key not in self._chosen:
            draws = self.seeds[:1] if plain in _CERTAIN else self.seeds
            found = [self._draw(plain, items, seed) for seed in draws]
            self._chosen[key] = found * len(self.seeds) if plain in _CERTAIN else found
        return self._chosen[key]

    def row(self, name: str, teacher: Full | None = None) -> Row:
        """Train on a baseline and score it on `test`; equal rows of equal budgets are trained once.

        Args:
            name: of `BASELINES`, ``NAME_bytes`` at equal bytes.
            teacher: labels the rows of `TAUGHT`.

        Returns:
            The row.
        """
        key = (name.removesuffix("_bytes"), self.items(name))
        if key not in self._rows:
            self._rows[key] = self._trained(name, teacher)
        return self._rows[key]

    @property
    def _training(self) -> Training:
        """The engram's, without phases that read what real rows do not have: directions for the first layer."""
        own = tuple(phase for phase in self.training.phases if phase.data == "main")
        return replace(self.training, phases=own) if self.engram.labelled else self.training

    def _draw(self, name: str, items: int, seed: int) -> Plain:
        canvas = BASELINES[name].init(self.problem, self.training, Items(items), Precision.FLOAT32, seed).canvas
        assert isinstance(canvas, Plain)
        return canvas

    def _trained(self, name: str, teacher: Full | None) -> Row:
        canvases = self.canvases(name)
        if teacher is not None:
            canvases = [teacher.soften(self.problem, canvas) for canvas in canvases]
        begun = time.perf_counter()
        names = {phase.data for phase in self._training.phases}
        sets = [dict.fromkeys(names, canvas.decode()) for canvas in canvases]
        try:
            runs = tuple(self._runs([len(canvas.inputs) for canvas in canvases], sets))
        except DivergenceError:
            runs = (float("nan"),) * len(self.seeds)
        seconds = (time.perf_counter() - begun) / len(self.seeds)
        fewest = min(len(canvas.inputs) for canvas in canvases)
        return Row(runs, fewest, fewest * self.item_bytes(name), seconds)

    def _runs(self, sizes: list[int], sets: list[dict]) -> Iterator[float]:
        """All networks at once where all have as many rows."""
        groups = [(sets, list(self.seeds))]
        if len(set(sizes)) > 1:
            groups = [([own], [seed]) for own, seed in zip(sets, self.seeds, strict=True)]
        for own, some in groups:
            yield from scores_on_test(fit(self._training, self.problem.task, own, some), self.problem)


def row_bytes(name: str, problem: Problem, precision: Precision) -> int:
    """Cost of one row of a baseline with its label; a mean of encoded rows is a vector."""
    number = problem.task.outputs * number_bytes(precision)
    label = number if name in TAUGHT or problem.classes is None else problem.target.label_bytes
    if isinstance(problem.preprocessing, Encoded) and name.startswith("k_means"):
        return math.prod(problem.task.shape) * precision.bytes + label
    return problem.preprocessing.item_bytes(precision.bytes) + label


def scores_on(fitted: Fitted, problem: Problem, split: Split) -> tuple[float, ...]:
    """Scores of networks on the rows of a split, one each."""
    return tuple(score(problem.metric, outputs(fitted, split), split.targets).tolist())


def scores_on_test(fitted: Fitted, problem: Problem) -> tuple[float, ...]:
    """Scores of networks on the test split, one each."""
    return scores_on(fitted, problem, problem.test)


def scores_and_recall_on_test(fitted: Fitted, problem: Problem) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scores of networks on the test split, and their mean recall of each class; none for numbers."""
    said, targets = outputs(fitted, problem.test), problem.test.targets
    recall = tuple(recalls(said, targets).mean(0).tolist()) if problem.classes else ()
    return tuple(score(problem.metric, said, targets).tolist()), recall


def constant_score(problem: Problem) -> float:
    """Score on the test split of the training rows' mean target, or commonest class."""
    total = sum(float(len(y)) * y.mean(0) for _, y, _ in problem.train.batches())
    outputs = (total / len(problem.train)).expand(len(problem.test), -1)  # type: ignore[union-attr]
    return float(score(problem.metric, outputs, problem.test.targets))
