"""Statements, the numbers that decide them, and the rules by which they do."""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..numerics.statistics import Measured

__all__ = ["Claim", "Interval", "Verdict"]


class Verdict(enum.Enum):
    """What a rule says of a measurement."""

    HOLDS = "holds"
    FAILS = "fails"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Interval:
    """A rule: the measurement's 95 % confidence interval, by Student's t, lies inside.

    Args:
        low: lower end.
        high: upper end.

    Example:
        >>> Interval(high=0.2).judge(Measured(0.1, 0.01, 5)).value
        'holds'
        >>> Interval(high=0.2).judge(Measured(0.18, 0.01, 5)).value
        'undecided'
    """

    low: float = -math.inf
    high: float = math.inf

    def judge(self, measured: Measured) -> Verdict:
        """Inside: holds; outside: fails; across an end, or not a number: undecided."""
        margin = measured.margin
        if math.isnan(measured.value) or not math.isfinite(margin):
            return Verdict.UNDECIDED
        low, high = measured.value - margin, measured.value + margin
        if self.low <= low and high <= self.high:
            return Verdict.HOLDS
        return Verdict.FAILS if high < self.low or low > self.high else Verdict.UNDECIDED

    def __str__(self) -> str:
        if math.isinf(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if math.isinf(self.high) else f"between {self.low:g} and {self.high:g}"


@dataclass(frozen=True)
class Claim:
    """A statement with the number that decides it.

    Args:
        statement: one sentence.
        reference: where it comes from.
        measured: what decides it.
        rule: how.
        control: the same measurement on something of which the statement is false; the rule must say `fails`.
        control_of: what the control is.
        details: further numbers, for readers.
    """

    statement: str
    reference: str
    measured: Measured
    rule: Interval
    control: Measured
    control_of: str
    details: Mapping[str, float] = field(default_factory=dict)

    @property
    def control_verdict(self) -> Verdict:
        """What the rule says of the control."""
        return self.rule.judge(self.control)

    @property
    def verdict(self) -> Verdict:
        """What the rule says; a rule that does not call the control false decides nothing."""
        return self.rule.judge(self.measured) if self.control_verdict is Verdict.FAILS else Verdict.UNDECIDED

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "statement": self.statement,
            "reference": self.reference,
            "verdict": self.verdict.value,
            "rule": str(self.rule),
            "measured": self.measured.as_json() | dict(self.details),
            "control": self.control.as_json() | {"of": self.control_of, "verdict": self.control_verdict.value},
        }
