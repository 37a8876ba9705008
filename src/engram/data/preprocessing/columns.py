"""Tables of named columns: numbers, dates, texts and categories, with missing values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...errors import DataError, UnknownNameError, nearest
from ..checks import single
from ..columns.amounts import decimal_mark, numbers
from ..columns.dates import Date
from ..columns.kinds import LEAST_ROWS, Kind, kinds_of
from ..columns.texts import Text

__all__ = ["Category", "Columns", "Number"]

_LARGEST = 1e30
"""Larger numbers have no square in single precision."""


@dataclass(frozen=True)
class Number:
    """A numeric column: missing values become `fill`, then standardised; `mark` is the decimal mark of words."""

    name: str
    fill: float
    mean: float
    std: float
    mark: str = "."

    @classmethod
    def fit(cls, column: pd.Series) -> "Number":
        """Median imputation and standardisation."""
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import StandardScaler

        name, mark = str(column.name), decimal_mark(column) if column.dtype.kind not in "fiub" else "."
        values = numbers(column, name, mark)
        if np.isnan(values).all():
            raise DataError(f"column {name!r} has no value at all: drop it")
        if np.nanmax(np.abs(values)) > _LARGEST:
            raise DataError(f"column {name!r} holds numbers above {_LARGEST:g}: rescale it")
        imputer = SimpleImputer(strategy="median").fit(values[:, None])
        scaler = StandardScaler().fit(imputer.transform(values[:, None]))
        mean, std = float(scaler.mean_[0]), float(scaler.scale_[0])
        # The median may be one person's own number: to a hundredth of the spread it is nobody's.
        fill = mean + std * round((float(imputer.statistics_[0]) - mean) / std, 2)
        return cls(name, fill, mean, std, mark)

    @property
    def names(self) -> tuple[str, ...]:
        """Its own."""
        return (self.name,)

    @property
    def bytes(self) -> int:
        """Three numbers."""
        return 12

    def encode(self, column: pd.Series) -> np.ndarray:
        """Numbers (N,) to standardised ones (N, 1)."""
        values = numbers(column, self.name, self.mark)
        return ((np.where(np.isnan(values), self.fill, values) - self.mean) / self.std)[:, None]


@dataclass(frozen=True)
class Category:
    """A column of categories, one indicator each; rare and unknown values share the last when `rare`."""

    name: str
    values: tuple[str, ...]
    rare: bool

    @classmethod
    def fit(cls, column: pd.Series, most: int) -> "Category":
        """One-hot over the `most` frequent values of enough rows."""
        from sklearn.preprocessing import OneHotEncoder

        encoder = OneHotEncoder(
            max_categories=most, min_frequency=LEAST_ROWS, handle_unknown="infrequent_if_exist", sparse_output=False
        )
        encoder.fit(_words(column)[:, None])
        infrequent = encoder.infrequent_categories_[0]
        common = [v for v in encoder.categories_[0] if infrequent is None or v not in infrequent]
        return cls(str(column.name), tuple(map(str, common)), infrequent is not None)

    @property
    def shown(self) -> tuple[str, ...]:
        """Its values, the last "other" when rare ones share it."""
        other = "other" if "other" not in self.values else "other, rare"
        return (*self.values, *[other] * self.rare)

    @property
    def names(self) -> tuple[str, ...]:
        """One for each indicator."""
        return tuple(f"{self.name} = {value}" for value in self.shown)

    @property
    def bytes(self) -> int:
        """The characters of its values."""
        return sum(len(value.encode()) + 1 for value in self.values)

    def words(self, column: pd.Series) -> np.ndarray:
        """A column (N,) in the words that values have."""
        words = _words(column)
        if pd.api.types.is_numeric_dtype(column) and len(lengths := {len(v) for v in self.values if v.isdigit()}) == 1:
            # Codes of one length that were read as numbers elsewhere have lost their zeros.
            words = np.array([word.zfill(*lengths) if word.isdigit() else word for word in words], dtype=object)
        return words

    def encode(self, column: pd.Series) -> np.ndarray:
        """Words (N,) to indicators (N, width)."""
        hits = self.words(column)[:, None] == np.array(self.values, dtype=object)[None, :]
        return np.c_[hits, ~hits.any(1)] if self.rare else hits


Column = Number | Category | Date | Text
_FITS: dict[Kind, Callable[[pd.Series], Column]] = {Kind.NUMBER: Number.fit, Kind.DATE: Date.fit, Kind.TEXT: Text.fit}


@dataclass(frozen=True)
class Columns:
    """A table of named columns, fitted by scikit-learn and kept as plain data.

    Args:
        columns: in the order of the encoded row: numbers, dates and texts first, then categories.

    Example:
        >>> frame = pd.DataFrame({"age": [20.0, 40.0] * 5, "city": ["Oslo", "Rome"] * 5})
        >>> Columns.fit(frame).encode(frame[:2]).tolist()
        [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """

    columns: tuple[Number | Category | Date | Text, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame, kinds: Mapping[str, Kind] | None = None, most: int = 50) -> "Columns":
        """Fit each column by its kind (`kinds.kinds_of` when None); ids and constants are left out."""
        frame = frame.rename(columns=str)
        kinds = kinds_of(frame) if kinds is None else kinds
        kept = [name for name in frame if kinds[name] not in (Kind.ID, Kind.CONSTANT)]
        if not kept:
            left = ", ".join(f"{name} is {kinds[name].value}" for name in frame)
            raise DataError(f"no column is left to learn from: {left}; --column NAME=KIND keeps one")
        numbers = [_FITS[kinds[name]](frame[name]) for name in kept if kinds[name] is not Kind.CATEGORY]
        categories = [Category.fit(frame[name], most) for name in kept if kinds[name] is Kind.CATEGORY]
        found = cls((*numbers, *categories))
        for name in found.names:
            if found.names.count(name) > 1:
                raise DataError(f"two columns would both be called {name!r} once they are numbers: rename one")
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each encoded number."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The columns of a raw table."""
        return tuple(column.name for column in self.columns)

    @property
    def prepared(self) -> tuple[str, ...]:
        """The columns of samples in raw units: a date and a text stand there as numbers."""
        return tuple(name for column in self.columns for name in _prepared(column))

    @property
    def shape(self) -> tuple[int, ...]:
        """(encoded numbers,)."""
        return (sum(_width(column) for column in self.columns),)

    @property
    def widths(self) -> tuple[int, ...]:
        """Indicators of each category; numbers stand before them."""
        return tuple(_width(column) for column in self.columns if isinstance(column, Category))

    @property
    def bytes(self) -> int:
        """What was fitted: numbers, and the characters of the categories."""
        return sum(column.bytes for column in self.columns)

    def encode(self, raw: Any) -> Tensor:
        """A DataFrame with these columns, dates and texts as such or as numbers, to float32 (N, numbers)."""
        frame = raw if isinstance(raw, pd.DataFrame) else pd.DataFrame(raw)
        frame = frame.rename(columns=str)
        blocks = []
        for column in self.columns:
            if column.name in frame:
                blocks.append(column.encode(frame[column.name]))
            elif isinstance(column, Date | Text) and set(column.names) <= set(frame.columns):
                values = np.stack([numbers(frame[name], name) for name in column.names], 1)
                mean, std = _units(column)
                blocks.append((values - mean) / std)
            else:
                raise UnknownNameError(f"column {column.name!r} is missing; {nearest(column.name, frame.columns)}")
        return single(np.concatenate(blocks, axis=1).astype(np.float64), "the table's columns", frame.index)

    def unseen(self, raw: pd.DataFrame) -> dict[str, int]:
        """Rows of each category's column whose value the training rows did not hold, where there are any."""
        frame = raw.rename(columns=str)
        found = {
            column.name: int((~np.isin(column.words(frame[column.name]).astype(str), column.values)).sum())
            for column in self.columns
            if isinstance(column, Category) and column.name in frame
        }
        return {name: count for name, count in found.items() if count}

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> pd.DataFrame:
        """Rows in raw units; the largest indicator names the category, dates and texts stand as numbers (`prepared`)."""
        rows = inputs.detach().cpu().double().numpy()
        frame, start = {}, 0
        for column in self.columns:
            own = rows[:, start : start + _width(column)]
            start += _width(column)
            if isinstance(column, Category):
                frame[column.name] = np.array(column.shown, dtype=object)[own.argmax(1)]
            else:
                mean, std = _units(column)
                frame |= dict(zip(column.names, (own * std + mean).T, strict=True))
        return pd.DataFrame(frame)

    def whole(self, inputs: Tensor) -> Tensor:
        """Numbers as they are; of a category's indicators the largest is one and the others are zero."""
        parts = inputs.split([_width(column) for column in self.columns], 1)
        return torch.cat(
            [
                one_hot(one.argmax(1), one.shape[1]).to(one) if isinstance(c, Category) else one
                for c, one in zip(self.columns, parts, strict=True)
            ],
            1,
        )

    def recover(self, stored: Tensor) -> pd.DataFrame:
        """Rows in raw units."""
        return self.decode(stored)

    def item_bytes(self, number: int) -> int:
        """One number for each that is encoded; one or two bytes a category."""
        return sum(
            (1 if _width(c) <= 256 else 2) if isinstance(c, Category) else number * _width(c) for c in self.columns
        )


def _width(column: Column) -> int:
    """Encoded numbers of a column."""
    return len(column.names)


def _units(column: Number | Date | Text) -> tuple[np.ndarray, np.ndarray]:
    """Mean and scale (width,)."""
    mean, std = (torch.as_tensor(v, dtype=torch.float64).reshape(-1).numpy() for v in (column.mean, column.std))
    return mean, std


def _prepared(column: Column) -> tuple[str, ...]:
    return (column.name,) if isinstance(column, Category) else column.names


def _words(column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy()
    words = column.astype(object).map(_word).to_numpy(dtype=object, copy=True)
    words[missing] = "missing"
    return words


def _word(value: Any) -> str:
    """A gap beside whole numbers makes them floats: they are the same words."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
