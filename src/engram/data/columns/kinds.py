"""What a column of a table is: a number, a category, a date, a text, an id, or constant; read off its values."""

import enum
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...errors import DataError, SettingError, UnknownNameError, nearest

__all__ = ["LEAST_ROWS", "Kind", "dates_of", "format_of", "kinds_of"]

LEAST_ROWS = 5
"""A category with fewer rows is kept as "other": few rows may be one person."""

_MOSTLY = 0.9
"""Share of values that make a column one of numbers or of dates, in which the others are mistakes."""

_SENTENCE = 2.5
"""Words, on average, of a text."""

_FEW = 20
"""Different words that are numbers: categories up to here."""

_LOOKED = 10_000
"""Rows that are read to tell a kind."""

_PLAIN, _MONTHS = "%Y-%m-%d", 12

_ID_NAME = re.compile(r"(^|[^a-z])(u?id|uuid|guid|key|number|no|nr|index|ssn|account|unnamed: \d+)$", re.IGNORECASE)


class Kind(enum.Enum):
    """What a column holds; ids and constants teach nothing and are left out."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    TEXT = "text"
    ID = "id"
    CONSTANT = "constant"


def kinds_of(frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> dict[str, Kind]:
    """The kind of every column.

    Args:
        frame: the training rows.
        given: kinds by the names of columns, which are believed.

    Returns:
        By name.

    Raises:
        UnknownNameError: a column that is not there.
        SettingError: a kind that there is not.
        DataError: a column of numbers or dates with a value that is none, or without any value.

    Example:
        >>> kinds_of(pd.DataFrame({"age": [20.0, 41.0, 33.0], "same": ["a", "a", "a"]}))["same"]
        <Kind.CONSTANT: 'constant'>
    """
    given = given or {}
    for name, kind in given.items():
        if name not in frame:
            raise UnknownNameError(f"column {name!r} is not in the table; {nearest(name, frame.columns)}")
        if kind not in [known.value for known in Kind]:
            raise SettingError(f"column {name!r} is to be {kind!r}; it takes {', '.join(k.value for k in Kind)}")
    return {name: Kind(given[name]) if name in given else _kind(frame[name], name) for name in map(str, frame.columns)}


def dates_of(column: pd.Series, name: str, form: str = "") -> pd.Series:
    """A column as dates without a time zone, gaps as they are.

    Args:
        column: datetimes or words.
        name: for messages.
        form: the format of words; read off them when empty.

    Returns:
        Datetimes.

    Raises:
        DataError: a value that is no date.
    """
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(object).where(column.notna(), None)
        form = form or format_of(column)
        found = pd.to_datetime(column, errors="coerce", format=form, utc=True)
        wrong = (found.isna() & column.notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"column {name!r} holds {column.iloc[row]!r} in row {row} where a date ({form}) is expected: mend it, or read "
                f"the column otherwise (--column {name}=category)"
            )
        column = found
    return column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)


def _kind(column: pd.Series, name: str) -> Kind:
    values = column.dropna()
    if len(values) == 0:
        raise DataError(f"column {name!r} has no value at all: drop it")
    if pd.api.types.is_datetime64_any_dtype(column):
        return Kind.DATE
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if column.nunique(dropna=True) <= 1 and len(column) > 1 and np.isfinite(float(values.iloc[0])):
            return Kind.CONSTANT
        return Kind.ID if _counts_rows(values, name) else Kind.NUMBER
    if values.map(str).nunique() + column.isna().any() <= 1 and len(column) > 1:
        return Kind.CONSTANT
    # Words that only a sample of many rows lacks would be told otherwise.
    looked = values.iloc[:: max(1, len(values) // _LOOKED)]
    return _kind_of_words(column, looked.map(str), name)


def _kind_of_words(column: pd.Series, words: pd.Series, name: str) -> Kind:
    if all(isinstance(value, bool | np.bool_) for value in column.dropna().iloc[:_LOOKED]):
        return Kind.CATEGORY
    numbers = pd.to_numeric(words, errors="coerce").notna()
    if _MOSTLY <= numbers.mean() < 1:
        whole = column.map(lambda value: None if pd.isna(value) else str(value))
        wrong = (pd.to_numeric(whole, errors="coerce").isna() & whole.notna()).to_numpy()
        row = int(wrong.argmax())
        raise DataError(
            f"column {name!r} holds {column.iloc[row]!r} in row {row} and numbers elsewhere: mend or empty it, or read the "
            f"column as --column {name}=category"
        )
    if numbers.all() and words.nunique() > _FEW and not words.str.match(r"0\d").any():
        return Kind.NUMBER
    if not numbers.any():
        dates = pd.to_datetime(words, errors="coerce", format=format_of(words), utc=True).notna().mean()
        if dates >= _MOSTLY:
            # A mistake among dates is told by its row.
            dates_of(column, name)
            return Kind.DATE
    counts = column.map(lambda value: None if pd.isna(value) else str(value)).value_counts()
    common = int((counts >= LEAST_ROWS).sum())
    if words.str.split().str.len().mean() >= _SENTENCE and common < max(2, len(counts) // 2):
        return Kind.TEXT
    # Where no value stands in several rows each names its row, or one customer.
    lonely = len(column) >= 4 * LEAST_ROWS and counts[counts >= LEAST_ROWS].sum() < len(column) / 10
    return Kind.ID if lonely else Kind.CATEGORY


def _counts_rows(values: pd.Series, name: str) -> bool:
    """Whether whole numbers, none or few of them twice, are consecutive or called an id."""
    # Gaps beside whole numbers make them floats.
    if len(values) < 4 * LEAST_ROWS or not (values == values.round()).all():
        return False
    different = values.nunique()
    consecutive = different == len(values) and int(values.max()) - int(values.min()) + 1 == different
    return bool(
        consecutive or (different > len(values) // 2 and _ID_NAME.search(re.sub(r"([a-z])([A-Z])", r"\1 \2", name)))
    )


def format_of(words: pd.Series) -> str:
    """The format of a first date, days before months where any first number is no month; empty for datetimes."""
    from pandas.tseries.api import guess_datetime_format

    if pd.api.types.is_datetime64_any_dtype(words):
        return ""
    known = words.dropna().map(str)
    first = next((word for word in known if word.strip()), "").replace("\n", " ")
    # A bare number is no date.
    if not re.search(r"\d", first) or not re.search(r"[-/:. ]", first):
        return _PLAIN
    leading = pd.to_numeric(known.str.extract(r"^(\d{1,2})[-/. ]", expand=False), errors="coerce")
    return guess_datetime_format(first, dayfirst=bool(leading.max() > _MONTHS)) or _PLAIN
