"""Scores with their spread: of networks taught by replay, and of foreign learners."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TEACHERS", "Panel", "Row", "Scores", "gain", "portability", "sign", "summarise"]


def summarise(runs: tuple[float, ...]) -> dict[str, Any]:
    r"""Mean, standard error :math:`s/\sqrt n`, n, and the runs themselves.

    Args:
        runs: one score per seed.

    Returns:
        A JSON object; the standard error of a single run is null.

    Example:
        >>> summarise((1.0, 3.0))
        {'mean': 2.0, 'sem': 1.0, 'n': 2, 'runs': [1.0, 3.0]}
    """
    n = len(runs)
    mean = sum(runs) / n
    sem = math.sqrt(sum((r - mean) ** 2 for r in runs) / (n - 1) / n) if n > 1 else None
    return {"mean": mean, "sem": sem, "n": n, "runs": list(runs)}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        runs: test scores, one per seed.
        items: samples trained on.
        bytes: their cost, preprocessing apart.
        seconds: of training, per network.
        note: what a reader should know.
        recall: of each class, its mean over networks; empty where it was not measured. NaN stands for a class without rows.
    """

    runs: tuple[float, ...]
    items: int
    bytes: int
    seconds: float
    note: str = ""
    recall: tuple[float, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        told = summarise(self.runs) | {
            "items": self.items,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "note": self.note,
        }
        known = [None if value != value else value for value in self.recall]
        return told | ({"recall": known} if known else {})


TEACHERS = ("engram", "random_bytes", "k_means_bytes")
"""Who teaches each learner: the engram; as many rows, with hard labels, as its bytes hold."""


@dataclass(frozen=True)
class Panel:
    """Scores of foreign learners.

    Args:
        rows: by learner, then by teacher.

    Example:
        >>> row = lambda *runs: Row(runs, 1, 1, 0.0)
        >>> panel = Panel({"1-nn": {"engram": row(0.9, 0.9), "random_bytes": row(0.5, 0.6), "k_means_bytes": row(0.7, 0.8)}})
        >>> panel.portability, round(panel.gain("1-nn")["mean"], 2)
        (1.0, 0.15)
    """

    rows: Mapping[str, Mapping[str, Row]]

    def gain(self, learner: str) -> dict[str, Any]:
        """The engram minus the better of its baselines, seed by seed."""
        rows = self.rows[learner]
        return gain(rows["engram"].runs, [rows[name].runs for name in TEACHERS[1:]])

    @property
    def gains(self) -> dict[str, dict[str, Any]]:
        """`gain` of every learner."""
        return {name: self.gain(name) for name in self.rows}

    @property
    def portability(self) -> float:
        """`portability` over all learners."""
        return portability(list(self.gains.values()))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: every learner's scores and gain."""
        rows = {
            name: {teacher: row.as_json() for teacher, row in own.items()} | {"gain": self.gain(name)}
            for name, own in self.rows.items()
        }
        gains = [row["gain"]["mean"] for row in rows.values()]
        return {"portability": self.portability, "gain": sum(gains) / len(gains), "learners": rows}

    def summary(self) -> dict[str, Any]:
        """What an engram keeps of it."""
        return {
            "portability": self.portability,
            "learners": {
                name: {teacher: {key: value[key] for key in ("mean", "sem", "n")} for teacher, value in row.items()}
                for name, row in self.as_json()["learners"].items()
            },
        }


def gain(own: Sequence[float], others: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Paired differences to the better of others, by their means; what a learner could not learn from counts as 0.

    Args:
        own: runs.
        others: runs of each baseline.

    Returns:
        Mean, standard error, n and runs (`scores.summarise`).
    """
    mine, *theirs = ([0.0 if run != run else run for run in runs] for runs in (own, *others))
    best = max(theirs, key=sum)
    return summarise(tuple(round(a - b, 12) for a, b in zip(mine, best, strict=True)))


def sign(found: Mapping[str, Any]) -> int:
    """1 where a mean gain exceeds two standard errors, -1 where a loss does, 0 for a tie; one run alone proves nothing.

    Example:
        >>> sign({"mean": 0.1, "sem": 0.04}), sign({"mean": 0.1, "sem": 0.06}), sign({"mean": 0.1, "sem": None})
        (1, 0, 0)
    """
    if found["sem"] is None or abs(found["mean"]) <= 2 * found["sem"]:
        return 0
    return 1 if found["mean"] > 0 else -1


def portability(gains: Sequence[Mapping[str, Any]]) -> float:
    """The share of learners (and data sets) that an engram teaches better than the better baseline; a tie counts half.

    Args:
        gains: at least one, from `gain`.

    Returns:
        Between 0 and 1; 0.5 for what teaches as baselines do.
    """
    return sum((sign(found) + 1) / 2 for found in gains) / len(gains)


@dataclass(frozen=True)
class Scores:
    """Every score of an evaluation.

    Args:
        metric: its name; higher is better.
        rows: by name: `full`, `engram`, then baselines; `_bytes` marks equal bytes.
        notes: warnings about the data.
        panel: what foreign learners say; None where none was asked.
        constant: score of predicting the mean, or the commonest class; None where it was not measured.
    """

    metric: str
    rows: Mapping[str, Row]
    notes: tuple[str, ...] = ()
    panel: Panel | None = None
    constant: float | None = None

    @property
    def seconds(self) -> dict[str, float]:
        """How long each part of the judging took: the ceiling, own replay, baselines, other learners."""
        parts = {"all data": ["full"], "own replay": [n for n in ("engram", "readable") if n in self.rows]}
        parts["baselines"] = [name for name in self.rows if name not in ("full", "engram", "readable")]
        spent = {
            part: sum(self.rows[n].seconds * len(self.rows[n].runs) for n in names) for part, names in parts.items()
        }
        learners = [] if self.panel is None else [row for own in self.panel.rows.values() for row in own.values()]
        return spent | {"other learners": sum(row.seconds * len(row.runs) for row in learners)}

    def difference(self, name: str) -> dict[str, Any]:
        """Engram minus another row, seed by seed: the runs share their initial networks. All data may have fewer."""
        pairs = zip(self.rows["engram"].runs, self.rows[name].runs, strict=name != "full")
        return summarise(tuple(a - b for a, b in pairs))

    def summary(self) -> dict[str, Any]:
        """What an engram keeps of its scores: no times, so that equal runs give equal files."""
        keep = ("mean", "sem", "n", "items", "bytes")
        return {name: {key: row[key] for key in keep} for name, row in self.as_json().items()}

    def as_json(self) -> dict[str, Any]:
        """Rows as plain JSON, each with its paired difference to the engram."""
        return {
            name: row.as_json() | ({} if name == "engram" else {"difference": self.difference(name)})
            for name, row in self.rows.items()
        }
