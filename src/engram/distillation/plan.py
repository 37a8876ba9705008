"""What a distillation will do, every default spelt out before anything runs."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self, get_args

from ..data.problem import Problem
from ..errors import BudgetError, SettingError
from ..learning.network import Network
from ..learning.training import Training
from ..memory.engram import Engram
from ..samples.budget import Budget, Items, PerClass, Precision
from ..samples.spending import counts
from ..spec import encode, parse, render
from . import defaults
from .asked import as_budget, as_precision, require_room, whole
from .choice import choose
from .method import Method
from .published import method_of, network_of

__all__ = ["Plan", "most_items", "with_steps"]

_QUICK = 3
"""A quick run of a method without a setting of its own takes one step in so many."""


@dataclass(frozen=True)
class Plan:
    """A distillation, settled.

    Args:
        method: what is optimised.
        training: the learning process that is compressed.
        budget: how much synthetic data.
        precision: of stored inputs.
        seed: of every draw.
        reason: why this method, where it was chosen on validation rows; empty otherwise.
        tried: (what, score on validation) of all that was compared.
    """

    method: Method
    training: Training
    budget: Budget
    precision: Precision = Precision.FLOAT32
    seed: int = 0
    reason: str = ""
    tried: tuple[tuple[str, float], ...] = ()

    @classmethod
    def of(
        cls,
        problem: Problem,
        method: Method | str | None = None,
        *,
        budget: Budget | None = None,
        network: Network | str | None = None,
        training: Training | None = None,
        precision: Precision | None = None,
        steps: int | None = None,
        seed: int = 0,
        quick: bool = False,
        teaches: defaults.Teaches = "any",
        watch: Callable[[float], None] | None = None,
    ) -> Self:
        """Settle what was asked for; what was not comes from the defaults for the kind of data.

        Args:
            problem: real data.
            method: a method, or the word that names one or a paper's setting (`published.method_of`).
            budget: one sample per class when None, ten items for regression.
            network: the architecture; when None that of a paper's setting, or by the kind of data.
            training: network and phases, in place of `network`.
            precision: of stored inputs.
            steps: outer steps, in place of the method's own.
            seed: of every draw.
            quick: a paper's setting at the scale of a CPU; for any other method a third of its steps.
            teaches: whom, where no method is named: any training, or the engram's own replay alone.
            watch: called with the share of the comparison that is done, where methods are compared.

        Returns:
            The plan. Tables for which neither method, network, training nor steps are given get what does best on validation
            rows (`choice.choose`).

        Raises:
            EngramError: a word that names nothing, a setting out of range.

        Example:
            >>> from engram import load_problem
            >>> Plan.of(load_problem("wine"), steps=5).method.steps
            5
        """
        for given, what, has in (
            (method, "method", "steps"),
            (network, "network", "build"),
            (training, "training", "phases"),
        ):
            if given is not None and not isinstance(given, str) and not hasattr(given, has):
                raise SettingError(f"{what} is {given!r}: give a {what}, or its word (engram list shows all)")
        if teaches not in get_args(defaults.Teaches):
            raise SettingError(f"teaches is {teaches!r}; it takes {' or '.join(get_args(defaults.Teaches))}")
        seed, precision = whole(seed, "seed", -(2**63)), as_precision(precision)
        steps = None if steps is None else whole(steps, "steps")
        own = network_of(method) if isinstance(method, str) else None
        budget = as_budget(budget) or (PerClass(1) if problem.classes else Items(10))
        precision = precision or defaults.precision(problem)
        usual = defaults.method(problem, teaches, most_items(problem, budget, precision), precision)
        chosen = method_of(method, usual, quick) if isinstance(method, str) else method or usual
        if quick and own is None and steps is None:
            steps = -(-chosen.steps // _QUICK)
        if isinstance(method, str) and len(problem.task.shape) != 3:
            # Papers' settings are for images: of all else there is nothing to rotate, and a convolution of images reads none.
            chosen, own = _unaugmented(chosen, method), None
        chosen = with_steps(chosen, steps)
        network = parse("networks", network) if isinstance(network, str) else network or (None if quick else own)
        free = method is None and network is None and training is None and steps is None
        training = training or defaults.training(problem, network, chosen)
        require_room(training.network, problem.task)
        picked = choose(problem, chosen, training, budget, precision, seed, watch) if free else None
        if picked is not None:
            return cls(picked.method, picked.training, budget, precision, seed, picked.reason, picked.tried)
        encode(training)  # what no file could keep is refused before the work, not after it
        return cls(chosen, training, budget, precision, seed)

    def identity(self, problem: Problem) -> str:
        """All that a run is of: the data's fingerprint and every setting."""
        value = (self.method, self.training, self.budget, self.precision, self.seed)
        return json.dumps([problem.fingerprint, problem.metric.value, encode(value)])

    def made(self, engram: Engram, problem: Problem) -> bool:
        """Whether this plan, on these data, is what an engram says it comes from."""
        own, other = ((x.training, x.precision) for x in (self, engram))
        return (
            encode(own) == encode(other)
            and engram.metric is problem.metric
            and all(engram.provenance.get(key) == value for key, value in self.provenance(problem).items())
        )

    def provenance(self, problem: Problem) -> dict[str, Any]:
        """What an engram keeps of it, as plain JSON."""
        return {
            "problem": problem.name,
            "method": render(self.method),
            "budget": encode(self.budget),
            "seed": self.seed,
            "fingerprint": problem.fingerprint,
        } | ({"chosen": {"reason": self.reason, "tried": [list(one) for one in self.tried]}} if self.reason else {})


def _unaugmented(method: Method, word: str) -> Method:
    """The method without the augmentation that its word does not ask for."""
    given = {part.partition("=")[0] for part in word.partition(":")[2].split(",")}
    fields = [name for name in ("augment", "expert_augment") if hasattr(method, name) and name not in given]
    return replace(method, **dict.fromkeys(fields, ""))  # type: ignore[type-var]


def most_items(problem: Problem, budget: Budget, precision: Precision) -> int:
    """Items of the largest class; 1 where the budget does not fit, which is refused later and better."""
    try:
        return max(counts(problem, budget, precision, soft=True))
    except BudgetError:
        return 1


def with_steps(method: Method, steps: int | None) -> Method:
    """The method with another number of outer steps; a selection keeps its none."""
    if steps is not None and method.steps:
        method = replace(method, steps=steps)  # type: ignore[type-var]
    return method
