"""How many samples a task takes: short distillations at a few budgets, and a law through what they reach."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..data.intrinsic_dimension import dimension
from ..data.problem import Problem
from ..errors import DataError, SettingError
from ..learning.network import large_image
from ..samples.budget import Budget, Items, PerClass, Precision
from ..samples.spending import counts, item_bytes
from . import defaults
from .choice import MOST_DIRECTIONS, drawable, sampling_error, validated
from .law import Curve, Measured
from .methods.principal_subspace import PrincipalSubspace
from .plan import with_steps
from .teachers import teachers

__all__ = ["Forecast", "Point", "forecast"]

_CLASSES = (1, 2, 5, 10, 20, 50)
_NUMBERS = (5, 10, 20, 50, 100, 200)
"""Budgets that are compared: per class, or items."""

_SHARE = 4
"""No budget takes more than one row in so many."""

_SHORTER, _SHORTEST = 10, 30
"""A short distillation takes one step in so many; of large images, whose steps are slow, fewer still."""

_EIGHTY = 1.2816
"""Standard deviations of an interval that covers four cases in five."""

_FLOOR = 0.015
"""Standard error of any forecast: networks, draws and what the default chooses besides differ by as much."""

_BEST = 1.0
"""Of every metric."""

_UNSEEN = 0.5
"""Of the gain in the second half of a short distillation that its rest is expected to bring, and as much to doubt."""


@dataclass(frozen=True)
class Point:
    """A budget and the score that is expected on held-out rows.

    Args:
        items: per class, or in all for numbers.
        score: expected.
        low: end of the 80 % interval.
        high: its other end.
        measured: what a short distillation reached on validation; None where the law alone speaks.
    """

    items: int
    score: float
    low: float
    high: float
    measured: float | None = None


@dataclass(frozen=True)
class Forecast:
    r"""Score against budget, :math:`s(k) = p - c\,k^{-\alpha}`.

    Args:
        points: the curve.
        per_class: whether items are counted per class.
        recommended: items of the smallest budget within `within` of the plateau.
        within: that distance.
        plateau: the score that more samples would not exceed.
        exponent: :math:`\alpha`.
        dimension: directions on which the target depends, by first and second moments; None where there are too few rows.
        seconds: that a distillation at the recommended budget is expected to take.
        bytes: of its samples.
        metric: of the scores.
        spent: seconds that the forecast took.
    """

    points: tuple[Point, ...]
    per_class: bool
    recommended: int
    within: float
    plateau: float
    exponent: float
    dimension: int | None
    seconds: float
    bytes: int
    metric: str
    spent: float

    @property
    def budget(self) -> Budget:
        """The recommended one."""
        return PerClass(self.recommended) if self.per_class else Items(self.recommended)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        own = next(point for point in self.points if point.items == self.recommended)
        return {
            "recommended": asdict(own) | {"per_class": self.per_class},
            "curve": [asdict(point) for point in self.points],
            "plateau": self.plateau,
            "within": self.within,
            "exponent": self.exponent,
            "dimension": self.dimension,
            "seconds": self.seconds,
            "bytes": self.bytes,
            "metric": self.metric,
            "spent": self.spent,
        }


def forecast(
    problem: Problem,
    *,
    within: float = 0.01,
    teaches: defaults.Teaches = "any",
    precision: Precision | None = None,
    seed: int = 0,
    watch: Callable[[float], None] | None = None,
) -> Forecast:
    r"""Predict what each budget would reach, and recommend the smallest within a distance of the plateau.

    Three budgets are distilled for a tenth of the steps (tables also as directions and labels of drawn rows, which is
    soon done), judged on validation, and joined by :math:`p - c\,k^{-\alpha}`. The test split is not read.

    Args:
        problem: real data.
        within: distance from the plateau, in units of the score, positive.
        teaches: as in `distill`.
        precision: of stored inputs; by the kind of data when None.
        seed: of every draw.
        watch: called with the share of the work that is done.

    Returns:
        The forecast; equal seeds give equal curves and recommendations.

    Raises:
        SettingError: a distance that is not positive.
        DataError: too few rows for two budgets.

    References:
        Luo & Xu 2026 (arXiv 2512.05817) for :math:`k^{-1/2}` to a floor; other exponents compete with it here.

    Example:
        >>> from engram import load_problem
        >>> forecast(load_problem("wine")).per_class
        True
    """
    if not within > 0:
        raise SettingError(f"within is {within}: give a positive distance from the plateau")
    begun, watch = time.perf_counter(), watch or (lambda done: None)
    precision = precision or defaults.precision(problem)
    ladder = _ladder(problem)
    stages = [("samples", k) for k in _three(ladder)]
    stages += [
        ("drawn rows", k) for k in _three([k for k in ladder if drawable(problem, _budget(problem, k), precision)])
    ]
    kinds = {"samples": _samples, "drawn rows": _drawn_rows}
    found: dict[str, dict[int, Measured]] = {}
    for place, (kind, items) in enumerate(stages):
        found.setdefault(kind, {})[items] = kinds[kind](
            problem,
            _budget(problem, items),
            precision,
            teaches,
            seed,
            lambda done, p=place: watch((p + done) / len(stages)),  # type: ignore[misc]
        )
    # Each kind has a law of its own: where bytes begin to hold a distribution, the score leaps.
    curves = {kind: Curve(measured) for kind, measured in found.items()}
    best_score = max(one.score for measured in found.values() for one in measured.values())
    # Held-out rows are drawn as validation rows are, and as many count.
    sampled = math.hypot(sampling_error(problem, best_score), sampling_error(problem, best_score, len(problem.test)))
    points, best = [], {}
    for items in ladder:
        able = [kind for kind, measured in found.items() if items >= min(measured) or kind == "samples"]
        best[items] = max(able, key=lambda kind: curves[kind].at(items)[0])
        score, doubt = curves[best[items]].at(items)
        half = _EIGHTY * math.hypot(sampled, _FLOOR, doubt)
        seen = found[best[items]].get(items)
        low, high = min(_BEST, score) - half, min(_BEST, score + half)
        points.append(Point(items, min(_BEST, score), low, high, seen.score if seen else None))
    points = _rising(points)
    top = points[-1].score
    chosen = next(point.items for point in points if point.score >= top - within)
    per_input, label = item_bytes(problem, precision, soft=True)
    whole = found[best[chosen]]
    near = min(whole, key=lambda items: abs(math.log(items / chosen)))
    last = curves[best[ladder[-1]]]
    return Forecast(
        tuple(points),
        bool(problem.classes),
        chosen,
        within,
        max(top, min(last.plateau, _BEST)),
        last.exponent,
        _dimension(problem, seed),
        whole[near].seconds,
        sum(counts(problem, _budget(problem, chosen), precision, soft=True)) * (per_input + label),
        problem.metric.value,
        time.perf_counter() - begun,
    )


def _ladder(problem: Problem) -> list[int]:
    groups = problem.train.by_class
    least = min(map(len, groups))
    steps = [k for k in (_CLASSES if problem.classes else _NUMBERS) if k <= max(1, least // _SHARE)]
    if not steps:
        raise DataError(f"{problem.name} has {least} training rows: too few to compare budgets")
    return steps


def _budget(problem: Problem, items: int) -> Budget:
    return PerClass(items) if problem.classes else Items(items)


def _three(ladder: Sequence[int]) -> list[int]:
    """The first, the middle and the last."""
    return sorted({ladder[0], ladder[len(ladder) // 2], ladder[-1]}) if ladder else []


def _samples(
    problem: Problem,
    budget: Budget,
    precision: Precision,
    teaches: defaults.Teaches,
    seed: int,
    watch: Callable[[float], None],
) -> Measured:
    """A tenth of the steps, and half of what their second half brought on top."""
    most = max(counts(problem, budget, precision, soft=True))
    samples = defaults.method(problem, teaches, most)
    training = defaults.training(problem, method=samples)
    share = _SHORTEST if large_image(problem.task.shape) else _SHORTER
    steps = max(2, samples.steps // share)
    begun = time.perf_counter()
    halves = [
        _mean(validated(with_steps(samples, count), training, problem, budget, precision, seed, part))
        for count, part in ((steps // 2, lambda done: watch(0.3 * done)), (steps, lambda done: watch(0.3 + 0.7 * done)))
    ]
    seconds = (time.perf_counter() - begun) / (1.5 * steps) * samples.steps
    gain = _UNSEEN * max(0.0, halves[1] - halves[0])
    watch(1.0)
    return Measured(halves[1] + gain, gain, seconds)


def _drawn_rows(
    problem: Problem,
    budget: Budget,
    precision: Precision,
    teaches: defaults.Teaches,
    seed: int,
    watch: Callable[[float], None],
) -> Measured:
    """Whole runs, which are soon done: with the directions that hold most of the response, and without."""
    begun, taught = time.perf_counter(), teachers(problem, seed)
    scores = []
    for rank in sorted({0, min(MOST_DIRECTIONS, taught.dimension())}):
        method = PrincipalSubspace(directions=rank)
        scores.append(_mean(validated(method, method.training(None), problem, budget, precision, seed)))
        watch(0.5 * len(scores))
    watch(1.0)
    return Measured(max(scores), 0.0, time.perf_counter() - begun)


def _mean(scores: tuple[float, ...]) -> float:
    return sum(scores) / len(scores)


def _rising(points: list[Point]) -> list[Point]:
    """The same scores, none below those of smaller budgets."""
    best, found = -math.inf, []
    for point in points:
        lift = max(0.0, best - point.score)
        found.append(replace(point, score=point.score + lift, low=point.low + lift, high=min(_BEST, point.high + lift)))
        best = max(best, point.score)
    return found


def _dimension(problem: Problem, seed: int) -> int | None:
    try:
        return dimension(problem.train, seed).estimate
    except DataError:
        return None
