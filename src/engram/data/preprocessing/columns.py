"""Tables of named columns, numeric and categorical, with missing values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...errors import DataError, UnknownNameError, nearest
from ..checks import single

__all__ = ["Category", "Columns", "Number"]


_LARGEST = 1e30
"""Larger numbers have no square in single precision."""


@dataclass(frozen=True)
class Number:
    """A numeric column: missing values become `fill`, then standardised."""

    name: str
    fill: float
    mean: float
    std: float


@dataclass(frozen=True)
class Category:
    """A column of categories, one indicator each; rare and unknown values share the last when `rare`."""

    name: str
    values: tuple[str, ...]
    rare: bool


@dataclass(frozen=True)
class Columns:
    """A table of named columns, numeric and categorical, fitted by scikit-learn and kept as plain data.

    Args:
        columns: in the order of the encoded row: numbers first, then categories.

    Example:
        >>> frame = pd.DataFrame({"age": [20.0, 40.0], "city": ["Oslo", "Rome"]})
        >>> Columns.fit(frame).encode(frame).tolist()
        [[-1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]
    """

    columns: tuple[Number | Category, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame, most: int = 50) -> "Columns":
        """Fit median imputation and standardisation, or one-hot over the `most` frequent categories."""
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        frame = frame.rename(columns=str)
        numbers, categories = [], []
        for name in map(str, frame.columns):
            if _is_number(frame[name]):
                column = _number_column(frame[name], name)
                if np.isnan(column).all():
                    raise DataError(f"column {name!r} has no value at all: drop it")
                if np.nanmax(np.abs(column)) > _LARGEST:
                    raise DataError(f"column {name!r} holds numbers above {_LARGEST:g}: rescale it")
                imputer = SimpleImputer(strategy="median").fit(column[:, None])
                scaler = StandardScaler().fit(imputer.transform(column[:, None]))
                numbers.append(
                    Number(name, float(imputer.statistics_[0]), float(scaler.mean_[0]), float(scaler.scale_[0]))
                )
            else:
                encoder = OneHotEncoder(max_categories=most, handle_unknown="infrequent_if_exist", sparse_output=False)
                encoder.fit(_words(frame[name])[:, None])
                infrequent = encoder.infrequent_categories_[0]
                common = [v for v in encoder.categories_[0] if infrequent is None or v not in infrequent]
                categories.append(Category(name, tuple(map(str, common)), infrequent is not None))
        return cls((*numbers, *categories))

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each encoded number."""
        names: list[str] = []
        for column in self.columns:
            if isinstance(column, Number):
                names.append(column.name)
            else:
                names += [f"{column.name} = {value}" for value in column.values]
                names += [f"{column.name} = other"] * column.rare
        return tuple(names)

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
        """Three numbers a numeric column; the characters of the categories."""
        return sum(
            12 if isinstance(column, Number) else sum(len(value.encode()) + 1 for value in column.values)
            for column in self.columns
        )

    def encode(self, raw: Any) -> Tensor:
        """A DataFrame with these columns to float32 (N, numbers)."""
        frame = raw if isinstance(raw, pd.DataFrame) else pd.DataFrame(raw)
        frame = frame.rename(columns=str)
        for column in self.columns:
            if column.name not in frame:
                raise UnknownNameError(f"column {column.name!r} is missing; {nearest(column.name, frame.columns)}")
        blocks = []
        for column in self.columns:
            if isinstance(column, Number):
                values = _number_column(frame[column.name], column.name)
                values = np.where(np.isnan(values), column.fill, values)
                blocks.append(((values - column.mean) / column.std)[:, None])
            else:
                words = _words(frame[column.name])
                hits = words[:, None] == np.array(column.values, dtype=object)[None, :]
                blocks.append(np.c_[hits, ~hits.any(1)] if column.rare else hits)
        return single(np.concatenate(blocks, axis=1).astype(np.float64), "the table's columns")

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> pd.DataFrame:
        """Rows in raw units; the largest indicator names the category."""
        rows = inputs.detach().cpu().double().numpy()
        frame, start = {}, 0
        for column in self.columns:
            if isinstance(column, Number):
                frame[column.name] = rows[:, start] * column.std + column.mean
                start += 1
            else:
                values = np.array([*column.values, *["other"] * column.rare], dtype=object)
                frame[column.name] = values[rows[:, start : start + len(values)].argmax(1)]
                start += len(values)
        return pd.DataFrame(frame)

    def whole(self, inputs: Tensor) -> Tensor:
        """Numbers as they are; of a category's indicators the largest is one and the others are zero."""
        parts = inputs.split([_width(column) for column in self.columns], 1)
        return torch.cat(
            [
                one if isinstance(c, Number) else one_hot(one.argmax(1), one.shape[1]).to(one)
                for c, one in zip(self.columns, parts, strict=True)
            ],
            1,
        )

    def recover(self, stored: Tensor) -> pd.DataFrame:
        """Rows in raw units."""
        return self.decode(stored)

    def item_bytes(self, number: int) -> int:
        """One number a numeric column; one or two bytes a category."""
        return sum(number if isinstance(c, Number) else (1 if _width(c) <= 256 else 2) for c in self.columns)


def _width(column: Number | Category) -> int:
    """Encoded numbers of a column."""
    return 1 if isinstance(column, Number) else len(column.values) + column.rare


def _is_number(column: pd.Series) -> bool:
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    return bool(numeric or pd.api.types.is_datetime64_any_dtype(column))


def _number_column(column: pd.Series, name: str) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(column):
        column = (column - pd.Timestamp(0, tz=getattr(column.dt, "tz", None))) / pd.Timedelta(days=1)
    try:
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        bad = next((v for v in column if not isinstance(v, int | float)), "?")
        raise DataError(f"column {name!r} holds {bad!r} where a number is expected") from error
    if np.isinf(values).any():
        raise DataError(f"column {name!r} is infinite in row {int(np.isinf(values).argmax())}: remove or fill it")
    return values


def _words(column: pd.Series) -> np.ndarray:
    missing = column.isna().to_numpy()
    words = column.astype(object).map(str).to_numpy(dtype=object, copy=True)
    words[missing] = "missing"
    return words
