"""Dates as numbers: days, and the place in the year, the week and the day as points on circles."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ...errors import DataError
from .kinds import dates_of, format_of

__all__ = ["Date"]

Part = Literal["days", "year", "week", "day"]


@dataclass(frozen=True)
class Date:
    r"""A column of dates: days since 1970, and :math:`(\sin, \cos)` of what share of a year, a week, a day is past; standardised.

    Args:
        name: of the column.
        parts: those that vary.
        fill: days since 1970, for missing values.
        mean: one for each number.
        std: one for each number, positive.
        form: the format of dates that are words, so that few new rows are read as the many were; empty for datetimes.

    Example:
        >>> column = Date.fit(pd.Series(pd.to_datetime(["2020-01-01", "2020-01-03"]), name="when"))
        >>> column.names[0], column.std[0]
        ('when: days', 1.0)
    """

    name: str
    parts: tuple[Part, ...]
    fill: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    form: str = ""

    @classmethod
    def fit(cls, column: pd.Series) -> "Date":
        """Choose the parts that vary, and measure them."""
        name = str(column.name)
        form = format_of(column)
        days = _days(dates_of(column, name, form))
        if np.isnan(days).all():
            raise DataError(f"column {name!r} has no value at all: drop it")
        fill = float(np.nanmedian(days))
        days = np.where(np.isnan(days), fill, days)
        circles: tuple[Part, ...] = ("year", "week", "day")
        parts: tuple[Part, ...] = ("days", *(part for part in circles if _numbers(days, part).std(0).max() > 1e-6))
        values = np.concatenate([_numbers(days, part) for part in parts], 1)
        std = np.where(values.std(0) > 1e-9, values.std(0), 1.0)
        return cls(name, parts, fill, tuple(values.mean(0).tolist()), tuple(std.tolist()), form)

    @property
    def names(self) -> tuple[str, ...]:
        """One for each number."""
        circles = (f"{self.name}: {part} {side}" for part in self.parts[1:] for side in ("sin", "cos"))
        return (f"{self.name}: days", *circles)

    @property
    def bytes(self) -> int:
        """Two numbers for each that is made, and one for gaps."""
        return 4 + 8 * len(self.mean)

    def encode(self, column: pd.Series) -> np.ndarray:
        """Dates (N,) to standardised numbers (N, width)."""
        days = _days(dates_of(column, self.name, self.form))
        days = np.where(np.isnan(days), self.fill, days)
        values = np.concatenate([_numbers(days, part) for part in self.parts], 1)
        return (values - np.array(self.mean)) / np.array(self.std)


def _days(dates: pd.Series) -> np.ndarray:
    # In seconds, since nanoseconds hold but three centuries.
    seconds = dates.astype("datetime64[s]")
    whole = seconds.astype("int64").to_numpy() / 86_400
    days: np.ndarray = np.where(seconds.isna().to_numpy(), np.nan, whole)
    return days


def _numbers(days: np.ndarray, part: Part) -> np.ndarray:
    """The numbers (N, 1 or 2) of a part."""
    if part == "days":
        return days[:, None]
    past = {"year": days / 365.2425, "week": days / 7, "day": days}[part]
    return np.stack([np.sin(2 * np.pi * past), np.cos(2 * np.pi * past)], 1)
