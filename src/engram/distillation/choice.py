"""Which way to distil a table, decided in seconds on its validation rows: samples, or directions and labels of drawn rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from ..data.metrics import Metric, row_losses, score
from ..data.problem import Problem
from ..errors import BudgetError, DivergenceError
from ..learning.fitting import fit, outputs
from ..learning.training import Training
from ..random import isolated
from ..samples.budget import Budget, Precision
from .artefact import as_engram
from .method import Method
from .methods.principal_subspace import PrincipalSubspace
from .teachers import teachers

__all__ = ["MOST_DIRECTIONS", "Choice", "choose", "drawable", "sampling_error", "validated"]

_SEEDS = [2_000_001, 2_000_002, 2_000_003]
"""Networks that choose, by the worst of them; none judges."""

_FREEDOM, _SOLVED = 20.0, 3000
"""Of solved labels, and most of them."""

_MANY = 1000
"""Labels from which a larger network is tried."""

_WIDE, _TIMES = 8192, 8
"""Features that stay as they are drawn: so many times the labels, at most the former."""

_SHARES = (0.95, 0.99)
"""Of the teachers' response, which candidate numbers of directions hold."""

MOST_DIRECTIONS = 8
"""That are stored."""

_PILOT = 5
"""Samples take one step in so many before they are compared."""

_MARGIN = 0.01
"""By which drawn rows must at least be better than samples, which are not yet done; and by a standard error of the gain."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, and why.

    Args:
        method: what is optimised.
        training: the learning process that is compressed.
        reason: in a sentence.
        tried: (what, score on validation of the worst network) of every candidate.
    """

    method: Method
    training: Training
    reason: str
    tried: tuple[tuple[str, float], ...] = ()


def choose(
    problem: Problem,
    samples: Method,
    training: Training,
    budget: Budget,
    precision: Precision,
    seed: int,
    watch: Callable[[float], None] | None = None,
) -> Choice | None:
    """Compare a short run of samples with directions and labels of drawn rows, by their replays on validation rows.

    Whether features must be learnt shows in the comparison: drawn rows with the first phase against those without it, and
    both against samples that teach features fixed at the start.

    Args:
        problem: rows of numbers, or columns.
        samples: the method that moves samples.
        training: its training.
        budget: how much synthetic data.
        precision: of stored inputs.
        seed: of every draw.
        watch: called with the share of the work that is done.

    Returns:
        The choice; None where there is nothing to choose: images, or bytes that hold no distribution.

    Example:
        >>> from engram import PerClass, load_problem
        >>> from engram.distillation import defaults
        >>> wine = load_problem("wine")
        >>> choose(wine, defaults.method(wine), defaults.training(wine), PerClass(1), Precision.FLOAT16, 0) is None
        True
    """
    watch = watch or (lambda done: None)
    if not drawable(problem, budget, precision):
        return None
    taught = teachers(problem, seed, lambda done: watch(0.5 * done))
    said: dict[PrincipalSubspace, Tensor | None] = {}
    found: dict[PrincipalSubspace, float] = {}

    def better(*candidates: PrincipalSubspace) -> PrincipalSubspace:
        """The best of these, each tried once."""
        for candidate in candidates:
            if candidate in found:
                continue
            said[candidate] = _answers(candidate, candidate.training(None), problem, budget, precision, seed)
            found[candidate] = min(_scores(said[candidate], problem))
            watch(min(0.8, 0.5 + 0.03 * len(found)))
        return max(candidates, key=lambda one: found[one])

    ranks = {min(MOST_DIRECTIONS, taught.dimension(share)) for share in _SHARES}
    best = better(*(PrincipalSubspace(directions=r) for r in (0, *sorted(ranks))))
    # One change at a time of what did best.
    best = better(best, replace(best, rate=1e-3), replace(best, decay=0.3), replace(best, knots=17))
    labels = PrincipalSubspace(directions=1).labels(problem, budget, precision)
    if labels >= _MANY:
        larger = better(replace(best, width=256, length=1800, decay=0.1))
        # Each of its replays takes six times as long, and pays in score or is not taken.
        best = larger if found[larger] > found[best] + _MARGIN else best
    # Labels that are solved for: beside what did best, and for features that nothing moves, which wide networks have.
    free = replace(best, freedom=_FREEDOM, most=_SOLVED)
    usual = PrincipalSubspace()
    still = replace(free, width=min(_WIDE, _TIMES * labels), length=0, rate=usual.rate, decay=usual.decay)
    best = better(best, free, still, replace(still, directions=0))
    answers = _answers(
        _shorter(samples), training, problem, budget, precision, seed, lambda done: watch(0.8 + 0.2 * done)
    )
    own = min(_scores(answers, problem))
    watch(1.0)
    fixed = max((value for one, value in found.items() if not one.directions), default=float("-inf"))
    tried = (*((_word(one), value) for one, value in found.items()), ("samples, a fifth of the steps", own))
    if not found[best] > own + max(_MARGIN, _gain_error(said[best], answers, problem)):
        return Choice(samples, training, f"samples: {own:.3f} on validation, {_word(best)} {found[best]:.3f}", tried)
    learnt = f", {fixed:.3f} without directions" if best.directions else ""
    reason = f"{_word(best)}: {found[best]:.3f} on validation{learnt}, samples {own:.3f}"
    return Choice(best, best.training(None), reason, tried)


def drawable(problem: Problem, budget: Budget, precision: Precision) -> bool:
    """Whether inputs are rows and a budget's bytes hold a distribution and labels beside it."""
    if not hasattr(problem.preprocessing, "widths"):
        return False
    try:
        PrincipalSubspace(directions=1).labels(problem, budget, precision)
    except BudgetError:
        return False
    return True


def validated(
    method: Method,
    training: Training,
    problem: Problem,
    budget: Budget,
    precision: Precision,
    seed: int,
    watch: Callable[[float], None] | None = None,
) -> tuple[float, ...]:
    """Scores on validation of networks taught by a method's samples; minus infinity for what cannot be."""
    return _scores(_answers(method, training, problem, budget, precision, seed, watch), problem)


def sampling_error(problem: Problem, value: float, rows: int | None = None) -> float:
    """Standard error of a score on the validation rows that are looked at, or on so many like them."""
    seen = problem.validation
    n = len(seen) if rows is None else rows
    if not problem.metric.of_classes:
        return abs(1 - value) * math.sqrt(2 / n) + 0.5 / n
    if problem.metric is Metric.ACCURACY:
        return math.sqrt(max(value * (1 - value), 1 / n) / n)
    # Of a mean over classes each counts by its own rows, however few.
    counts = [len(own) * n / len(seen) for own in seen.by_class if len(own)]
    return math.sqrt(sum(max(value * (1 - value), 1 / count) / count for count in counts)) / len(counts)


def _answers(
    method: Method,
    training: Training,
    problem: Problem,
    budget: Budget,
    precision: Precision,
    seed: int,
    watch: Callable[[float], None] | None = None,
) -> Tensor | None:
    """Outputs (networks, N, C) on validation of networks taught by a method's samples; None for what cannot be."""
    try:
        state = method.init(problem, training, budget, precision, seed)
        for step in range(method.steps):
            with isolated(seed, "outer", step):
                state, _ = method.step(state, problem, training)
            if watch is not None:
                watch(step / method.steps)
        engram = as_engram(method.export(state), problem, training, precision)
        return outputs(fit(training, problem.task, engram.sets, _SEEDS), problem.validation)
    except (BudgetError, DivergenceError):
        return None


def _scores(answers: Tensor | None, problem: Problem) -> tuple[float, ...]:
    if answers is None:
        return (float("-inf"),)
    found = score(problem.metric, answers, problem.validation.targets).tolist()
    return tuple(one if math.isfinite(one) else float("-inf") for one in found)


def _gain_error(one: Tensor | None, other: Tensor | None, problem: Problem) -> float:
    """Standard error of the difference of two scores, of the same validation rows."""
    if one is None or other is None:
        return 0.0
    first, second = (
        row_losses(problem.metric, answers, problem.validation.targets).mean(0) for answers in (one, other)
    )
    return float((first - second).std()) / math.sqrt(len(first))


def _shorter(method: Method) -> Method:
    return replace(method, steps=-(-method.steps // _PILOT))  # type: ignore[type-var]


def _word(method: PrincipalSubspace) -> str:
    """In words."""
    changed = [f"rate {method.rate:g}"] * (method.rate != PrincipalSubspace.rate)
    changed += [f"{method.knots} knots"] * (method.knots != PrincipalSubspace.knots)
    changed += [f"decay {method.decay:g}"] * (method.decay != PrincipalSubspace.decay)
    if not method.length:
        changed += [f"{method.width} features that stay as they are"]
    elif method.length != PrincipalSubspace.length:
        changed += [f"width {method.width}, {method.length} steps"]
    changed += ["solved labels"] * (method.freedom > 0)
    several = f"{method.directions} direction{'s' * (method.directions > 1)}"
    name = f"{several} and drawn rows" if method.directions else "drawn rows"
    return ", ".join([name, *changed])
