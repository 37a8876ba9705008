"""What a journey ended with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.problem import Problem
from ..evaluation.scores import Scores
from ..evaluation.verdict import Verdict, verdict
from ..memory.engram import Engram

__all__ = ["Outcome"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a journey ended with.

    Args:
        engram: the artefact, with its scores.
        file: where it lies.
        problem: the data.
        scores: of the evaluation; None without one.
        seconds: of distilling and judging, and of training one network on the engram and on everything.
        status: done, or diverged at a step.
    """

    engram: Engram
    file: Path
    problem: Problem
    scores: Scores | None
    seconds: Mapping[str, float | None]
    status: str

    @property
    def verdict(self) -> Verdict | None:
        """What the scores say; None without scores."""
        return verdict(self.scores, self.engram.provenance) if self.scores else None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "file": str(self.file),
            "metric": self.problem.metric.value,
            "status": self.status,
            "scores": self.scores.as_json() if self.scores else {},
            "verdict": self.verdict.as_json() if self.verdict else None,
            "panel": self.scores.panel.as_json() if self.scores and self.scores.panel else None,
            "items": self.engram.items,
            "bytes": {"engram": self.engram.bytes, "data": self.problem.bytes},
            "ratio": self.problem.bytes / self.engram.bytes,
            "seconds": dict(self.seconds),
            "notes": [
                *self.engram.provenance["notes"],
                *([str(self.verdict)] if self.verdict and self.verdict.failed else []),
            ],
            "chosen": self.engram.provenance.get("chosen"),
        }
