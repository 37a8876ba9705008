"""What the scores say in one sentence, and what to try next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..data.metrics import Metric
from .scores import Scores, sign, summarise

__all__ = ["Verdict", "verdict"]

Outcome = Literal["undecided", "constant", "baseline", "ceiling", "better"]

_FAILED = ("constant", "baseline")
_NUMBERS = tuple(metric.value for metric in Metric if not metric.of_classes)


@dataclass(frozen=True)
class Verdict:
    """How a distillation ended.

    Args:
        outcome: no better than a constant, no better than a baseline of equal bytes, as good as all data, better than every
            baseline; undecided where one run alone was made.
        sentence: the same, with names and numbers.
        advice: what to try, from validation alone; may be empty.
    """

    outcome: Outcome
    sentence: str
    advice: str = ""

    @property
    def failed(self) -> bool:
        """Whether the samples are not worth their bytes."""
        return self.outcome in _FAILED

    def __str__(self) -> str:
        return f"{self.sentence}{'; ' if self.advice else ''}{self.advice}"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"outcome": self.outcome, "failed": self.failed, "sentence": self.sentence, "advice": self.advice}


def verdict(scores: Scores, provenance: Mapping[str, Any] | None = None) -> Verdict:
    """The first that holds: no better than a constant, than a baseline of equal bytes, as good as all data, better than all.

    A difference counts where its mean exceeds two standard errors of the paired runs.

    Args:
        scores: of the evaluation.
        provenance: of the engram, whose validation scores the advice reads.

    Returns:
        The verdict.

    Example:
        >>> from .scores import Row
        >>> rows = {name: Row(runs, 3, 30, 0.0) for name, runs in (("engram", (0.5, 0.4)), ("full", (0.9, 0.9)))}
        >>> verdict(Scores("accuracy", rows, constant=0.6)).outcome
        'constant'
    """
    own, advice = scores.rows["engram"], _advice(provenance or {})
    if len(own.runs) < 2:
        return Verdict("undecided", "one network alone proves nothing", "judge with --seeds 5")
    if scores.constant is not None:
        found = summarise(tuple(run - scores.constant for run in own.runs))
        if sign(found) <= 0:
            what = "predicting the mean" if scores.metric in _NUMBERS else "predicting the commonest class"
            return Verdict("constant", f"no better than {what} ({scores.metric} {scores.constant:.3f})", advice)
    equal = [name for name in scores.rows if name.endswith("_bytes")]
    gaps = {name: scores.difference(name) for name in equal if all(run == run for run in scores.rows[name].runs)}
    if gaps:
        # The strongest by its mean, and whichever of the others is not beaten either.
        unbeaten = [name for name in sorted(gaps, key=lambda name: gaps[name]["mean"]) if sign(gaps[name]) <= 0]
        if unbeaten:
            gap = gaps[unbeaten[0]]
            return Verdict(
                "baseline",
                f"no better than {_called(unbeaten[0])} at equal bytes ({gap['mean']:+.3f} ± {gap['sem']:.3f})",
                advice,
            )
    if "full" in scores.rows and sign(scores.difference("full")) >= 0:
        return Verdict("ceiling", "as good as all data, within the error")
    return Verdict("better", "better than every baseline at equal bytes" if gaps else "better than a constant", advice)


def _called(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ").replace("k means", "k-means centres")


def _advice(provenance: Mapping[str, Any]) -> str:
    history = [(step, value) for step, _, value in provenance.get("history", []) if value is not None]
    if len(history) > 1 and max(history, key=lambda one: one[1])[0] == history[-1][0]:
        if history[-1][0] < provenance.get("asked_steps", 0):
            return "validation still rose when time was over: give more --time, or more samples (engram plan)"
        return (
            f"validation still rose at the last step: try --steps {2 * history[-1][0]}, or more samples (engram plan)"
        )
    return "more samples may help: engram plan SOURCE says how many"
