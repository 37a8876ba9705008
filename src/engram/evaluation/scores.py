"""Scores with their spread, and the table they stand in."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Row", "Scores", "summarise"]


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
    """

    runs: tuple[float, ...]
    items: int
    bytes: int
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Scores:
    """Every score of an evaluation.

    Args:
        metric: its name; higher is better.
        rows: by name: `full`, `engram`, then baselines; `_bytes` marks equal bytes.
        notes: warnings about the data.
    """

    metric: str
    rows: Mapping[str, Row]
    notes: tuple[str, ...] = ()

    def difference(self, name: str) -> dict[str, Any]:
        """Engram minus another row, seed by seed: the runs share their initial networks."""
        pairs = zip(self.rows["engram"].runs, self.rows[name].runs, strict=True)
        return summarise(tuple(a - b for a, b in pairs))

    def summary(self) -> dict[str, Any]:
        """What an engram keeps of its scores: no times, so that equal runs give equal files."""
        keep = ("mean", "sem", "n", "items", "bytes")
        return {name: {key: row[key] for key in keep} for name, row in self.as_json().items()}

    def as_json(self) -> dict[str, Any]:
        """Rows as plain JSON, each with its paired difference to the engram."""
        return {
            name: summarise(row.runs)
            | {"items": row.items, "bytes": row.bytes, "seconds": row.seconds, "note": row.note}
            | ({} if name == "engram" else {"difference": self.difference(name)})
            for name, row in self.rows.items()
        }
