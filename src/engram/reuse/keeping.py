"""How an experience is kept: distilled, or as real rows of equal bytes."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.problem import Problem
from ..distillation import defaults
from ..distillation.distiller import distill
from ..distillation.method import Method
from ..distillation.methods.distribution_matching import DistributionMatching
from ..distillation.methods.herding import Herding
from ..distillation.methods.k_means import KMeans
from ..distillation.methods.random import Random
from ..distillation.published import method_of
from ..errors import BudgetError
from ..evaluation.baselines import row_bytes
from ..learning.network import Network, large_image
from ..learning.training import Training
from ..memory.lesson import Lesson
from ..random import minibatch
from ..samples.budget import Bytes, Items, Precision
from ..samples.canvas.spectrum import low_share
from ..samples.synthetic import Synthetic
from .experiences import Experience
from .learner import Buffer
from .replay_memory import in_label_space

__all__ = ["KINDS", "Kept", "Kind", "keep", "kept_bytes"]

Kind = Literal["engram", "random", "herding", "k_means", "dark", "packed"]
"""Distilled samples; rows of equal bytes: random (experience replay), by herding, k-means centres, random with a network's logits; and
random rows stored as the engram's samples are, which tells what distilling adds to the way of storing."""

KINDS: tuple[Kind, ...] = get_args(Kind)
_SELECTIONS = {"random": Random(), "herding": Herding(), "k_means": KMeans(), "dark": Random()}
_LOGIT = 2
"""Bytes."""

_SMOOTH, _LEAST = 0.8, 12
"""Share of the energy of series that a half or a quarter of their frequencies holds where they stand for all, and how many those are at
least (validation rows of three sets, `benchmarks/README.md`)."""


@dataclass(frozen=True, eq=False)
class Kept:
    """An experience as a memory holds it.

    Args:
        buffer: samples in the label space of all experiences.
        bytes: their cost.
    """

    buffer: Buffer
    bytes: int


def keep(
    kind: Kind, experience: Experience, size: int, network: Network, seed: int, method: Method | str | None = None
) -> Kept:
    """Keep an experience in so many bytes.

    Args:
        kind: how.
        experience: what.
        size: bytes, labels included.
        network: of the learner, in whose random features samples are matched.
        seed: of every draw.
        method: distils; by the kind of data when None (`memory_method`).

    Returns:
        What is replayed. The logits of ``dark`` are still to be asked of the learner.

    Raises:
        BudgetError: not one row of every class fits.
    """
    problem = experience.problem
    if kind in ("engram", "packed"):
        training = Training.default(network, steps=0)
        chosen = method_of(method) if isinstance(method, str) else method or memory_method(problem, size)
        if kind == "packed":
            chosen = replace(chosen, start="random") if hasattr(chosen, "start") else chosen  # type: ignore[type-var]
        engram = distill(
            problem, chosen, budget=Bytes(size), training=training, seed=seed, steps=0 if kind == "packed" else None
        )
        return Kept(Buffer(_shared(experience, Lesson.of(engram))), engram.canvas_bytes)
    each = kept_bytes(kind, problem, experience.shared.task.outputs)
    count = size // each
    if count < (problem.classes or 1):
        raise BudgetError(
            f"{size} bytes hold {count} rows of {each} bytes, fewer than one for each class: allow at least {each * (problem.classes or 1)}"
        )
    items = Items(min(count, len(problem.train)))
    canvas = _SELECTIONS[kind].init(problem, Training.default(network), items, Precision.FLOAT32, seed).canvas
    samples = canvas.decode()
    shift = 1 / problem.classes if problem.classes else 0.0
    lesson = Lesson(samples.inputs, samples.targets, samples.targets + shift if problem.classes else None)
    return Kept(Buffer(_shared(experience, lesson)), len(samples) * each)


def kept_bytes(kind: Kind, problem: Problem, outputs: int) -> int:
    """Cost of a kept row with its label, and logits where it has them, at the precision that an engram of these data has."""
    return row_bytes(kind, problem, defaults.precision(problem)) + (_LOGIT * outputs if kind == "dark" else 0)


def _shared(experience: Experience, lesson: Lesson) -> Synthetic:
    own, space = experience.problem.target, experience.shared.target
    if lesson.probabilities is None:
        return Synthetic(lesson.inputs, lesson.targets)
    wide = in_label_space(lesson.probabilities, own, space)  # type: ignore[arg-type]
    return Synthetic(lesson.inputs, wide - 1 / space.outputs)


def memory_method(problem: Problem, size: int) -> Method:
    """How an experience is distilled for whoever replays it, beside classes that are not there yet.

    Args:
        problem: the experience.
        size: bytes of its samples.

    Returns:
        Samples with the mean features of their class, which know no other class: of images real rows in four bits (large ones in
        quarters), of all else k-means centres, smooth series as their lower frequencies. As far as every class has the rows to start from.
    """
    fewest = min(map(len, problem.train.by_class))
    items = max(1, size // (kept_bytes("random", problem, problem.task.outputs) * (problem.classes or 1)))
    images = len(problem.task.shape) == 3
    for parts, coarse in _packings(problem):
        fold = parts**2 if images else parts
        four = 2 * defaults.precision(problem).bytes if coarse else 1
        if items * fold * four <= fewest:
            break
    if images:
        return DistributionMatching(steps=200, rate=0.05, batch=64, start="random", formation=parts, coarse=coarse)
    return DistributionMatching(steps=150, rate=0.1, batch=32, formation=parts)


def _packings(problem: Problem) -> list[tuple[int, bool]]:
    """Parts of an item and whether it is of four bits, the smallest first."""
    kind = problem.preprocessing
    if isinstance(kind, Pixels):
        parts = [2, 1] if large_image(problem.task.shape) else [1]
        return [*((part, True) for part in parts if kind.native), *((part, False) for part in parts)]
    if isinstance(kind, Series) and not kind.ragged:
        (x, *_) = problem.train.rows(minibatch(len(problem.train), 1000, 0, 0, "smooth")).batch(slice(None))
        fits = [part for part in (4, 2) if kind.length >= _LEAST * part and low_share(x, part) >= _SMOOTH]
        return [*((part, False) for part in fits), (1, False)]
    return [(1, False)]
