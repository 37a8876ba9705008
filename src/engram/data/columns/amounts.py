"""Numbers as people write them: with a currency, a unit, a percent sign, thousands apart, a decimal comma."""

import re

import numpy as np
import pandas as pd

from ...errors import DataError

__all__ = ["amounts", "decimal_mark", "is_amounts", "numbers"]

_GROUPED = r"\d{1,3}(?:(?P<apart>[,.' \u00a0\u202f])\d{3})(?:(?P=apart)\d{3})*"
_WRITTEN = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+\u2212])?\s?(?P<before>[$€£¥₹]|[A-Z]{{3}}\s)?\s?(?P<sign2>[-+\u2212])?"
    rf"(?P<whole>{_GROUPED}|\d+)?(?P<part>[.,]\d+)?\s?(?P<after>%|[$€£¥₹]|[A-Za-zµ°²³/]{{1,6}})?(?P<close>\))?"
)


def is_amounts(words: pd.Series) -> bool:
    """Whether words are numbers that share one currency or unit, or are grouped or written with a decimal comma.

    Example:
        >>> is_amounts(pd.Series(["$1,234.50", "($12.00)"])), is_amounts(pd.Series(["617-555-0001"]))
        (True, False)
    """
    found = [_WRITTEN.fullmatch(word.strip()) for word in words]
    if not found or any(one is None or not (one["whole"] or one["part"]) for one in found):
        return False
    known = [one for one in found if one is not None]
    around = {((one["before"] or "").strip(), one["after"] or "") for one in known}
    # Bare digits are codes.
    return len(around) == 1 and any(any(one[part] for part in ("before", "after", "part", "apart")) for one in known)


def decimal_mark(column: pd.Series) -> str:
    """A comma where some row has one that groups no three digits, and none has such a point.

    Example:
        >>> decimal_mark(pd.Series(["1.234,5 kg", "3 kg"]))
        ','
    """
    found = (_WRITTEN.fullmatch(str(value).strip()) for value in column.dropna())
    marks = {_decimal(one) for one in found if one is not None}
    return "," if "," in marks and "." not in marks else "."


def amounts(column: pd.Series, mark: str = ".") -> np.ndarray:
    """The numbers (N,) that words are, NaN for gaps and for what is no amount.

    Example:
        >>> amounts(pd.Series(["1.234,5 kg", "0,25 kg", None]), ",")
        array([1.2345e+03, 2.5000e-01,        nan])
    """
    words = [None if pd.isna(value) else str(value).strip() for value in column]
    found = [None if word is None else _WRITTEN.fullmatch(word) for word in words]
    return np.array(
        [np.nan if one is None or not (one["whole"] or one["part"]) else _value(one, mark) for one in found]
    )


def numbers(column: pd.Series, name: str, mark: str = ".") -> np.ndarray:
    """A column of numbers, amounts or times as numbers (N,), NaN for gaps.

    Args:
        column: times count in days.
        name: of the column, for messages.
        mark: the decimal mark of words.

    Raises:
        DataError: what is no number, or infinite, by the row's own number.

    Example:
        >>> numbers(pd.Series(["0,5", None]), "weight", ",")
        array([0.5, nan])
    """
    if pd.api.types.is_datetime64_any_dtype(column):
        # Files of formats 1 to 3 hold dates as days.
        column = (column - pd.Timestamp(0, tz=getattr(column.dt, "tz", None))) / pd.Timedelta(days=1)
    if pd.api.types.is_timedelta64_dtype(column):
        column = column / pd.Timedelta(days=1)
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError) as error:
        values = amounts(column, mark)
        words = column.map(lambda value: None if pd.isna(value) else str(value).strip() or None)
        wrong = (np.isnan(values) & words.notna()).to_numpy()
        if wrong.any():
            row = int(wrong.argmax())
            raise DataError(
                f"column {name!r} holds {column.iloc[row]!r} in row {column.index[row]} where a number is expected: mend or empty it"
            ) from error
    if np.isinf(values).any():
        raise DataError(f"column {name!r} is infinite in row {column.index[np.isinf(values)][0]}: remove or fill it")
    return np.where(np.isnan(values), np.nan, values)  # one kind of NaN: others signal when they are added


def _decimal(one: re.Match[str]) -> str:
    """The decimal mark that a number surely shows; empty where there is none, or three digits may be a group."""
    if one["part"]:
        return one["part"][0] if one["apart"] or not one["whole"] or len(one["part"]) != 4 else ""
    return ""


def _value(one: re.Match[str], mark: str) -> float:
    digits = (one["whole"] or "0") + (one["part"] or "")
    whole, _, part = digits.rpartition(mark) if digits.count(mark) == 1 else (digits, "", "")
    plain = re.sub(r"\D", "", whole) or "0"
    size = float(f"{plain}.{part or 0}")
    return -size if one["open"] or "-" in (one["sign"] or "", one["sign2"] or "") or "\u2212" in one[0] else size
