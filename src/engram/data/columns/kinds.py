"""What a column of a table is: a number, a category, a date, a text, an id, or constant; read off its values."""

import datetime
import enum
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from ...errors import DataError, SettingError, UnknownNameError, nearest
from .amounts import is_amounts

__all__ = ["LEAST_ROWS", "Kind", "dates_of", "format_of", "kinds_of"]

LEAST_ROWS = 5
"""A category with fewer rows is kept as "other": few rows may be one person."""

_MOSTLY = 0.5
"""Share of values that make a column one of numbers or of dates, in which the others are mistakes."""

_SENTENCE = 2.5
"""Words, on average, of a text."""

_FEW = 20
"""Different words that are numbers: categories up to here."""

_LOOKED = 10_000
"""Rows that are read to tell a kind."""

_PLAIN, _MONTHS = "%Y-%m-%d", 12

_ID_NAME = re.compile(
    r"(^|[^a-z])(u?id|uuid|guid|key|number|no|nr|index|ssn|account|phone|mobile|unnamed: \d+)$|"
    r"(customer|user|patient|client|member|order|account|session)_?(id|no|nr|number)", re.IGNORECASE
)  # fmt: skip

_DIGITS = 8
"""Of whole numbers that are all different and equally long: numbers of customers, or telephones."""

_TOLD = 0.3
"""Share of the words of a text that stand in several rows; names and addresses have fewer."""

_FORMS = (_PLAIN, "ISO8601", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%H:%M", "%H:%M:%S")
"""Formats of dates that are tried where the first value's own fits few."""


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
        DataError: a column of numbers or dates with a value that is none.

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
    column = _from_arrow(column)
    if not pd.api.types.is_datetime64_any_dtype(column):
        words = column.astype(object).where(column.notna(), None).map(_stripped)
        form = form or format_of(words)
        found = pd.to_datetime(words, errors="coerce", format=form, utc=True)
        wrong = (found.isna() & words.notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"column {name!r} holds {column.iloc[row]!r} in row {column.index[row]} where a date ({form}) is expected: mend or empty it, "
                f"or read the column otherwise (--column {name}=category)"
            )
        column = found
    return column if column.dt.tz is None else column.dt.tz_convert("UTC").dt.tz_localize(None)


def _from_arrow(column: pd.Series) -> pd.Series:
    """A column of Arrow's dates as one of pandas' own."""
    if isinstance(column.dtype, pd.ArrowDtype) and pd.api.types.is_object_dtype(column.dtype.numpy_dtype):
        return column.astype(object).infer_objects() if "date" in str(column.dtype) else column
    return column


def _stripped(value: object) -> object:
    """Words, a gap where one is empty."""
    return None if value is None else str(value).strip() or None


def _kind(column: pd.Series, name: str) -> Kind:
    values = column.dropna()
    if len(values) == 0:
        return Kind.CONSTANT
    odd = next(
        (v for v in values.iloc[:_LOOKED] if isinstance(v, list | dict | set | tuple | bytes | np.ndarray | complex)),
        None,
    )
    if odd is not None:
        raise DataError(
            f"column {name!r} holds a {type(odd).__name__}: spread it over plain columns, or drop it (--drop {name})"
        )
    if pd.api.types.is_datetime64_any_dtype(column):
        return Kind.DATE
    if pd.api.types.is_timedelta64_dtype(column):
        return Kind.NUMBER
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        if column.nunique(dropna=True) <= 1 and len(column) > 1 and np.isfinite(float(values.iloc[0])):
            return Kind.CONSTANT
        return Kind.ID if _names_rows(values, name) else Kind.NUMBER
    if all(isinstance(value, datetime.date) for value in values):
        return Kind.DATE
    if values.map(str).nunique() + column.isna().any() <= 1 and len(column) > 1:
        return Kind.CONSTANT
    # Words that only a sample of many rows lacks would be told otherwise.
    looked = values.iloc[:: max(1, len(values) // _LOOKED)]
    return _kind_of_words(column, looked.map(str), name)


def _kind_of_words(column: pd.Series, words: pd.Series, name: str) -> Kind:
    if all(isinstance(value, bool | np.bool_) for value in column.dropna().iloc[:_LOOKED]):
        return Kind.CATEGORY
    numbers = pd.to_numeric(words, errors="coerce").notna()
    # Few different words are categories, "3+" beside "2" too.
    if _MOSTLY <= numbers.mean() < 1 and words.nunique() > _FEW:
        whole = column.map(lambda value: None if pd.isna(value) else str(value))
        wrong = (pd.to_numeric(whole, errors="coerce").isna() & whole.notna()).to_numpy()
        row = int(wrong.argmax())
        raise DataError(
            f"column {name!r} holds {column.iloc[row]!r} in row {column.index[row]} and numbers elsewhere: mend or empty it, or read the "
            f"column as --column {name}=category"
        )
    if numbers.all() and words.nunique() > _FEW and not words.str.match(r"0\d").any():
        return Kind.NUMBER
    if not numbers.all():
        dates = pd.to_datetime(words, errors="coerce", format=format_of(words), utc=True).notna().mean()
        if dates >= _MOSTLY:
            # A mistake among dates is told by its row.
            dates_of(column, name)
            return Kind.DATE
        if is_amounts(words) and words.nunique() > 1:
            return Kind.NUMBER
    counts = column.map(lambda value: None if pd.isna(value) else str(value)).value_counts()
    common = int((counts >= LEAST_ROWS).sum())
    if words.str.split().str.len().mean() >= _SENTENCE and common < max(2, len(counts) // 2):
        return Kind.TEXT if _tells(words) else Kind.ID
    # Where no value stands in several rows each names its row, or one customer.
    lonely = len(column) >= 4 * LEAST_ROWS and counts[counts >= LEAST_ROWS].sum() < len(column) / 10
    return Kind.ID if lonely else Kind.CATEGORY


def _tells(words: pd.Series) -> bool:
    """Whether several rows share enough words that are no numbers; names and telephones do not."""
    each = words.str.lower().str.findall(r"\b(?!\d+\b)\w{2,}")
    held = each.map(set).explode().value_counts()
    shared = set(held.index[held >= min(LEAST_ROWS, max(2, len(words) // 10))])
    told = sum(word in shared for row in each for word in row)
    return told >= _TOLD * sum(words.str.split().str.len())


def _names_rows(values: pd.Series, name: str) -> bool:
    """Whether whole numbers count the rows, or are called an id or look like one."""
    # Gaps beside whole numbers make them floats.
    if len(values) < 4 * LEAST_ROWS or not (values == values.round()).all():
        return False
    different = values.nunique()
    if different > len(values) // 2 and _ID_NAME.search(re.sub(r"([a-z])([A-Z])", r"\1 \2", name)):
        return True
    if different < len(values):
        return False
    lengths = values.abs().astype("float64").map(lambda value: len(f"{value:.0f}"))
    alike = lengths.nunique() == 1 and lengths.iloc[0] >= _DIGITS
    return bool(alike or (values.diff().dropna() == 1).all())


def format_of(words: pd.Series) -> str:
    """The format of a first date, days before months where any first number is no month; empty for datetimes."""
    from pandas.tseries.api import guess_datetime_format

    if pd.api.types.is_datetime64_any_dtype(words):
        return ""
    known = words.dropna().map(lambda value: str(value).strip())
    known = known[known != ""].iloc[:_LOOKED]
    first = next(iter(known), "").replace("\n", " ")
    # A bare number is no date.
    if not re.search(r"\d", first) or not re.search(r"[-/:. ]", first):
        return _PLAIN
    leading = pd.to_numeric(known.str.extract(r"^(\d{1,2})[-/. ]", expand=False), errors="coerce")
    guessed = guess_datetime_format(first, dayfirst=bool(leading.max() > _MONTHS))
    forms = [form for form in (guessed, *_FORMS) if form]
    fits = [float(pd.to_datetime(known, errors="coerce", format=form, utc=True).notna().mean()) for form in forms]
    # The first of those that fit most.
    return forms[fits.index(max(fits))]
