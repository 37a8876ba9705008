"""Choosing real rows, or averages of them: what the selection methods share, and where distillation starts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from .budget import Budget, Precision
from .canvas import Canvas
from .canvas.basis import Basis
from .canvas.formation import Formation
from .canvas.plain import Plain
from .errors import BudgetError, DivergenceError, SettingError
from .experts import Experts, Prepared, experts, teacher
from .fitting import Fitted, fit
from .method import Metrics, counts, item_bytes, number_bytes
from .problem import Problem
from .random import integer, stream
from .subspace import dimension, gradient_outer_product, principal_directions
from .training import Training

__all__ = [
    "Chosen",
    "Labels",
    "Pick",
    "Samples",
    "Selection",
    "Start",
    "anyone",
    "centres",
    "choose",
    "initial",
    "relabelled",
]

Pick = Callable[[Tensor, int, torch.Generator], Tensor]
"""(rows (N, D), how many, generator) to the rows' indices."""

Start = Literal["random", "centres", "noise", "covariance", "pairs", "gradients"]

Labels = Literal["hard", "teacher"]
"""Class numbers, or the scores of a network trained on all rows."""

Samples = Plain | Formation | Basis
"""Canvases of one set of labelled samples."""

_NEAR = 16
_CANDIDATES = 10_000
"""Rows considered in all; a random sample of more stands for them, so that memory stays bounded."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The state of a selection method: finished from the start."""

    canvas: Samples
    step: int = 0


@dataclass(frozen=True)
class Selection(ABC):
    """A method that does everything in `init` and takes no step.

    Args:
        labels: hard, or those of a teacher trained on all rows.
    """

    steps: ClassVar[int] = 0
    labels: Labels = "hard"

    @abstractmethod
    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """So many samples per class, or in all for regression, with hard labels."""

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train the teacher."""
        return labelling(self.labels, problem, training, seed, watch)

    def init(self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int) -> Chosen:
        """Choose."""
        soft = self.labels == "teacher"
        plain = self.select(problem, training, counts(problem, budget, precision, soft), seed)
        if soft and problem.classes:
            return Chosen(relabelled(plain, teacher(problem, training.network, seed)))
        return Chosen(plain)

    def step(self, state: Chosen, problem: Problem, training: Training) -> tuple[Chosen, Metrics]:
        """Nothing is left to do."""
        return state, {}

    def export(self, state: Chosen) -> Mapping[str, Canvas]:
        """The samples."""
        return {"main": state.canvas}


def labelling(
    labels: Labels, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
) -> Prepared:
    """The teacher on disk, where labels are a teacher's; nothing otherwise."""
    if labels == "hard" or not problem.classes:
        return Prepared()
    buffer = experts(problem, training.network, Experts(), seed, watch)
    return Prepared(buffer.digest, buffer.seconds)


def choose(problem: Problem, counts: tuple[int, ...], pick: Pick, seed: int) -> Plain:
    """Pick real rows, class by class, with their hard labels.

    Args:
        problem: its training rows.
        counts: rows per class, or one number for regression.
        pick: chooses within a class.
        seed: of the draws.

    Returns:
        The rows.
    """
    parts = []
    for group, (rows, count) in enumerate(zip(_groups(problem, counts, seed), counts, strict=True)):
        flat = problem.train.batch(rows)[0].flatten(1)
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
    for group, (rows, count) in enumerate(zip(_groups(problem, counts, seed), counts, strict=True)):
        x, y, _ = problem.train.batch(rows)
        flat = x.flatten(1).cpu()
        state = integer(seed, "centres", group, bits=32)
        member = KMeans(min(count, len(rows)), n_init=3, random_state=state).fit(flat.numpy()).labels_
        for label in sorted(set(member.tolist())):
            near = torch.from_numpy(member == label)
            inputs.append(x.cpu()[near].mean(0))
            targets.append(torch.tensor(group) if problem.classes else y.cpu()[near].mean(0))
        # Where rows repeat there are fewer centres than asked for: real rows fill up.
        for row in anyone(flat, count - len(set(member.tolist())), stream(seed, "fill", group)).tolist():
            inputs.append(x[row].cpu())
            targets.append(torch.tensor(group) if problem.classes else y[row].cpu())
    device = problem.train.device
    return Plain(torch.stack(inputs).to(device), torch.stack(targets).to(device), problem.classes or 0)


def initial(
    problem: Problem,
    budget: Budget,
    precision: Precision,
    start: Start,
    soft: bool,
    seed: int,
    training: Training,
    formation: int = 1,
    mixtures: int = 1,
) -> tuple[Samples, Tensor]:
    """Where the synthetic samples start.

    Args:
        problem: its training rows.
        budget: how much synthetic data.
        precision: at which inputs will be stored.
        start: random real rows, k-means centres, noise with balanced labels; or real rows whose deviation from their
            class's mean is kept in the principal subspace alone, that of the data (``"covariance"``), the same in
            mirrored pairs (``"pairs"``), or that of networks trained on all rows (``"gradients"``).
        soft: whether labels are free scores.
        seed: of the draws.
        training: of the networks whose gradients are asked.
        formation: tiles along a side of a stored image, each a sample.
        mixtures: samples for each item of the budget, mixed from as many bases as its bytes then leave.

    Returns:
        The canvas, and the class for which each sample was made.

    Raises:
        BudgetError: see `Problem.counts`; or classes with fewer rows than samples.
    """
    stored = counts(problem, budget, precision, soft)
    fold = formation**2 * mixtures
    wanted = tuple(count * fold for count in stored)
    if fold > 1:
        if len(problem.task.shape) != 3 and formation > 1:
            raise SettingError(f"formation is for images; these inputs have shape {problem.task.shape}")
        for rows, count in zip(problem.train.by_class, wanted, strict=True):
            if len(rows) < count:
                raise BudgetError(f"{count} samples of a class were asked for and it has {len(rows)} training rows")
    plain, groups = _started(problem, wanted, start, seed, training)
    if not torch.isfinite(plain.inputs).all():
        raise DivergenceError("the starting samples are not finite")
    classes = 0 if soft else plain.classes
    targets = plain.decode().targets if soft else plain.targets
    if formation > 1:
        return Formation.of(plain.inputs, targets[:: formation**2], formation, classes), groups
    if mixtures > 1:
        bases = _bases(problem, precision, soft, sum(stored), sum(wanted))
        return Basis.of(plain.inputs, targets, bases, classes), groups
    return Plain(plain.inputs, targets, classes), groups


def _started(
    problem: Problem, counts: tuple[int, ...], start: Start, seed: int, training: Training
) -> tuple[Plain, Tensor]:
    if start in ("covariance", "pairs", "gradients"):
        plain = _in_subspace(problem, counts, start, seed, training)
    else:
        plain = centres(problem, counts, seed) if start == "centres" else choose(problem, counts, anyone, seed)
    if start == "noise":
        noise = torch.randn(plain.inputs.shape, generator=stream(seed, "noise"))
        plain = plain.with_free({"inputs": noise.to(plain.inputs)})
    return plain, plain.targets if plain.classes else torch.zeros_like(plain.targets[:, 0], dtype=torch.int64)


def _bases(problem: Problem, precision: Precision, soft: bool, items: int, samples: int) -> int:
    """How many bases the bytes of so many plain items leave when samples are their mixtures."""
    per_input, label = item_bytes(problem, precision, soft)
    left = items * (per_input + label) - samples * label
    bases = left // (per_input + samples * number_bytes(precision))
    if bases < 1:
        raise BudgetError(f"the bytes of {items} items hold no basis for {samples} mixtures: use fewer mixtures")
    return min(bases, samples)


def relabelled(canvas: Samples, taught: Fitted) -> Samples:
    """The same inputs with a teacher's scores; tiles of one image share their mean.

    Args:
        canvas: samples of classes.
        taught: one network.

    Returns:
        The canvas with soft labels.
    """
    inputs = canvas.decode().inputs
    scores = torch.cat([taught.outputs(part)[0] for part in inputs.detach().split(512)]).softmax(-1)
    scores = scores - 1 / scores.shape[-1]
    if isinstance(canvas, Formation):
        scores = scores.reshape(len(canvas.inputs), -1, scores.shape[-1]).mean(1)
    return replace(canvas, targets=scores, classes=0)


def _in_subspace(problem: Problem, counts: tuple[int, ...], start: str, seed: int, training: Training) -> Plain:
    """Real rows, projected on the principal subspace about their class's mean."""
    basis = dimension(problem.train, seed).directions
    if start == "gradients":
        fitted = fit(training, problem.task, {"main": problem.train}, [integer(seed, "responding", bits=31)])
        basis = principal_directions(gradient_outer_product(fitted, problem.train, 500), basis.shape[1])
    drawn = choose(problem, counts, anyone, seed)
    inputs, targets = drawn.inputs.clone(), drawn.targets.clone()
    groups = drawn.targets if problem.classes else torch.zeros(len(inputs), device=inputs.device)
    for group, rows in enumerate(_groups(problem, counts, seed)):
        x, y, _ = problem.train.batch(rows)
        own = torch.nonzero(groups == group).flatten()
        mean = x.mean(0)
        kept = (inputs[own] - mean).flatten(1) @ basis
        if start == "pairs":
            half = len(own) // 2
            # Where they are odd, the last stands at the mean.
            kept = torch.cat([kept[:half], -kept[:half], torch.zeros_like(kept[: len(own) - 2 * half])])
        inputs[own] = mean + (kept @ basis.mT).reshape(-1, *mean.shape)
        if problem.classes is None:
            # A moved row takes the mean target of the real rows nearest to it in the subspace.
            near = torch.cdist(kept, (x - mean).flatten(1) @ basis).topk(min(_NEAR, len(x)), largest=False).indices
            targets[own] = y[near].mean(1)
    return Plain(inputs, targets, drawn.classes)


def anyone(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Pick rows at random, without replacement."""
    return torch.randperm(len(rows), generator=generator)[:count]


def _groups(problem: Problem, counts: tuple[int, ...], seed: int) -> list[Tensor]:
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
    inputs, scores, _ = problem.train.batch(rows)
    return Plain(inputs, problem.train.targets[rows] if problem.classes else scores, problem.classes or 0)
