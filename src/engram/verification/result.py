"""What a study found: claims, tables, figures as data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..numerics.statistics import Measured, finite
from .claims import Claim, Verdict

__all__ = ["Curve", "Figure", "Result", "Table"]


@dataclass(frozen=True)
class Curve:
    """Points with standard errors; `line` for a prediction, which has none."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    sem: Sequence[float] | None = None
    line: bool = False

    @classmethod
    def of(cls, label: str, x: Iterable[float], measured: Iterable[Measured]) -> "Curve":
        """Measurements over x, with their standard errors."""
        measured = list(measured)
        return cls(label, list(x), [m.value for m in measured], [m.sem for m in measured])


@dataclass(frozen=True)
class Figure:
    """What a figure shows; drawn by the report."""

    name: str
    caption: str
    x: str
    y: str
    curves: Sequence[Curve]
    log_x: bool = False
    log_y: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        curves = [vars(curve) | {key: _row(getattr(curve, key)) for key in ("x", "y", "sem")} for curve in self.curves]
        return vars(self) | {"curves": curves}


@dataclass(frozen=True)
class Table:
    """Rows of words and measurements under headings."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float | Measured]]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; measurements as words with their standard error."""
        shown = [[_shown(cell) for cell in row] for row in self.rows]
        return {"title": self.title, "columns": list(self.columns), "rows": shown}


@dataclass(frozen=True)
class Result:
    """What a study found.

    Args:
        claims: at least one.
        tables: in order.
        figures: in order.
        remarks: sentences for readers, each drawn from the numbers.
    """

    claims: Sequence[Claim]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    remarks: Sequence[str] = ()

    @property
    def verdict(self) -> Verdict:
        """Holds when every claim holds; fails when one fails."""
        verdicts = {claim.verdict for claim in self.claims}
        if Verdict.FAILS in verdicts:
            return Verdict.FAILS
        return Verdict.UNDECIDED if Verdict.UNDECIDED in verdicts else Verdict.HOLDS

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, which the report reads."""
        return {
            "verdict": self.verdict.value,
            "claims": [claim.as_json() for claim in self.claims],
            "tables": [table.as_json() for table in self.tables],
            "figures": [figure.as_json() for figure in self.figures],
            "remarks": list(self.remarks),
        }


def _row(values: Sequence[float] | None) -> list[float | None] | None:
    return None if values is None else [finite(value) for value in values]


def _shown(cell: str | float | Measured) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}"
    return str(cell)
