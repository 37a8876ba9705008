"""Refuse raw inputs and targets that no preprocessing can mend."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError, SettingError, UnknownNameError, nearest

__all__ = [
    "BATCH",
    "as_array",
    "as_texts",
    "check_task",
    "is_classification",
    "is_texts",
    "joined_texts",
    "numeric",
    "pair",
    "require_finite",
    "require_one_level",
    "require_single",
    "single",
    "two_of",
]

BATCH = 4096
"""Rows looked at together, so that memory stays bounded."""


def numeric(raw: np.ndarray, what: str) -> np.ndarray:
    """The array, if it holds numbers."""
    if raw.dtype == object or raw.dtype.kind in "USV":
        raise DataError(f"{what}: {raw.dtype} stands where numbers are expected: convert it to numbers")
    return raw


def require_finite(raw: np.ndarray, what: str) -> None:
    """Refuse NaN and infinite values, naming the first row."""
    if raw.dtype.kind != "f":
        return
    for start in range(0, len(raw), BATCH):
        bad = ~np.isfinite(raw[start : start + BATCH]).reshape(len(raw[start : start + BATCH]), -1).all(1)
        if bad.any():
            row = start + int(bad.argmax())
            raise DataError(f"{what} have NaN or infinite values, first in row {row}: remove or fill those rows")


def require_single(raw: np.ndarray, what: str) -> None:
    """Refuse NaN, infinite values, and those beyond single precision, naming the first row."""
    require_finite(raw, what)
    for start in range(0, len(raw), BATCH) if raw.dtype.kind == "f" else ():
        single(raw[start : start + BATCH], what, range(start, start + BATCH))


def single(raw: np.ndarray, what: str, numbers: Sequence[Any] | None = None) -> torch.Tensor:
    """The array in single precision, refusing what has no place there; `numbers` are those of its rows, where others than 0, 1, ..."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(raw, dtype=np.float32)
    if narrow.size:
        bad = np.isinf(narrow.max()) or np.isinf(narrow.min())
        if bad:
            place = int(np.isinf(narrow).reshape(len(narrow), -1).any(1).argmax())
            row = place if numbers is None else numbers[place]
            raise DataError(f"{what} are too large for single precision, first in row {row}: rescale them")
    return torch.from_numpy(narrow)


def check_task(task: str | None) -> None:
    """Refuse the name of a task that there is not."""
    if task not in (None, "classification", "regression"):
        raise SettingError(f"task is {task!r}; it takes 'classification', 'regression' or None")


def require_one_level(frame: pd.DataFrame, what: str) -> None:
    """Refuse columns that are named by more than one word each."""
    if isinstance(frame.columns, pd.MultiIndex):
        raise DataError(f"{what} columns of several levels: name each by one word")


def two_of(given: Any, what: str) -> tuple[Any, Any]:
    """Inputs and targets of a split that was given."""
    if isinstance(given, tuple | list) and len(given) == 2:
        return given[0], given[1]
    raise DataError(f"{what} takes a pair of inputs and targets, not {type(given).__name__}: {what}=(x, y)")


def pair(x: Any, y: Any, what: str) -> tuple[Any, np.ndarray]:
    """Inputs (an array or a DataFrame) and targets (an array), one of each for every row."""
    if isinstance(x, pd.DataFrame):
        require_one_level(x, f"{what} inputs have")
    else:
        x = as_texts(x, f"{what} inputs") if is_texts(x) else as_array(x, f"{what} inputs")
    y = as_array(y, f"{what} targets")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if 0 in (x.ndim, y.ndim) or 0 in x.shape[1:]:
        raise DataError(f"{what} has inputs of shape {x.shape} and targets of shape {y.shape}: give one row per sample")
    if len(x) != len(y):
        raise DataError(f"{what} has {len(x)} inputs and {len(y)} targets: they must be as many")
    if len(x) < 2:
        raise DataError(f"{what} has {len(x)} rows: too few to learn from")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int((~np.isfinite(y)).reshape(len(y), -1).any(1).argmax())
        raise DataError(f"{what} targets have NaN or infinite values, first in row {row}: remove those rows")
    if not isinstance(x, pd.DataFrame) and x.ndim < 2 and x.dtype != object:
        raise DataError(f"{what} inputs have shape {x.shape}: give one row per sample")
    return x, y


def joined_texts(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Several columns of texts as one, in order; a gap in one of several is nothing.

    Args:
        frame: holds them.
        columns: at least one.

    Returns:
        (N,) texts.

    Raises:
        UnknownNameError: a column that is not there.
        DataError: what is no text; a row in which all are blank.
    """
    for name in columns:
        if name not in frame:
            raise UnknownNameError(f"column {name!r} of texts is missing; {nearest(name, map(str, frame.columns))}")
    named = f"column{'s' * (len(columns) > 1)} {', '.join(map(repr, columns))}"
    if len(columns) == 1:
        return as_texts(frame[columns[0]], named)
    parts = [frame[name].astype(object).where(frame[name].notna(), "") for name in columns]
    for name, part in zip(columns, parts, strict=True):
        odd = next((row for row, text in enumerate(part) if not isinstance(text, str)), None)
        if odd is not None:
            raise DataError(
                f"column {name!r} holds {type(part.iloc[odd]).__name__} where a text is expected in row {odd}"
            )
    return as_texts([" ".join(text.strip() for text in row).strip() for row in zip(*parts, strict=True)], named)


def as_texts(raw: Any, what: str) -> np.ndarray:
    """An array (N,) of texts, if that is what it is.

    Args:
        raw: a list, an array or a column.
        what: for messages.

    Returns:
        Texts, none of them blank.

    Raises:
        DataError: something else, or a blank text, named by its row.
    """
    found = np.empty(len(raw), dtype=object)
    found[:] = list(raw)
    for row, text in enumerate(found):
        if not isinstance(text, str):
            missing = text is None or text is pd.NA or (isinstance(text, float) and text != text)
            said = "no text" if missing else f"{type(text).__name__} where a text is expected"
            raise DataError(f"{what} hold {said} in row {row}: fill it, or leave the row out")
        if not text.strip():
            raise DataError(f"{what} hold an empty text in row {row}: fill it, or leave the row out")
    return found


def is_texts(raw: Any) -> bool:
    """Whether inputs are a flat list, array or column whose first value is a text."""
    # The length of a sparse matrix is ambiguous.
    if isinstance(raw, pd.DataFrame | Tensor | str) or hasattr(raw, "tocsr") or not hasattr(raw, "__len__"):
        return False
    if len(raw) == 0:
        return False
    if isinstance(raw, np.ndarray | pd.Series) and (raw.ndim != 1 or raw.dtype.kind not in "OU"):
        return False
    return isinstance(next(iter(raw)), str)


def as_array(value: Any, what: str) -> np.ndarray:
    """Numbers or words as an array; whatever else is refused."""
    if isinstance(value, Tensor):
        value = _plain_tensor(value, what)
    if hasattr(value, "tocsr"):
        raise DataError(f"{what} are a sparse matrix: call toarray(), if that fits in memory")
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.getmaskarray(value).any():
            raise DataError(
                f"{what} are masked in {int(np.ma.getmaskarray(value).sum())} places: fill them, or leave those rows out"
            )
        value = value.data
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"{what} are ragged ({error}): give rows of one length") from error
    if array.dtype.byteorder not in "=|":
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype == object and not all(isinstance(v, str | bool) for v in array.reshape(-1)):
        raise DataError(f"{what} mix types (an object array): give numbers, or a DataFrame for a table")
    if array.dtype.kind in "cmMV":
        raise DataError(f"{what} hold {array.dtype}: convert them to numbers or words")
    if "targets" not in what and array.dtype.kind not in "fiub":
        raise DataError(f"{what} hold {array.dtype} where numbers are expected: convert them, or use a table")
    return array


def _plain_tensor(value: Tensor, what: str) -> np.ndarray:
    """A tensor of numbers as an array."""
    if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
        kind = "quantised" if value.is_quantized else f"{value.layout} on the {value.device.type} device"
        raise DataError(
            f"{what} are a tensor that holds no plain numbers ({kind}): call to_dense() or dequantize() first"
        )
    value = value.detach().cpu()
    plain: np.ndarray = (value.float() if value.dtype is torch.bfloat16 else value).resolve_conj().resolve_neg().numpy()
    return plain


def is_classification(y: np.ndarray) -> bool:
    """Whether targets read as classes: words, or few whole numbers beside many rows."""
    if y.ndim != 1:
        return False
    if y.dtype.kind not in "fiu":
        return True
    values = np.unique(y)
    return bool(
        (values == np.round(values)).all()
        and len(values) <= min(1000, max(2, len(y) // 5))
        and (y.dtype.kind != "f" or len(values) <= 100)
    )
