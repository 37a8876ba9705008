"""Raw inputs and targets to tensors and back, as fitted plain data that travels in the artefact.

Preprocessing has two stages. `encode` turns raw data (arrays, DataFrames) into the compact tensor that is
held for the whole dataset, uint8 where the source is; `normalise` turns a batch of it into what a network
sees. `decode` undoes both, so that synthetic samples can be read in the units of the data.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .errors import DataError, UnknownNameError, nearest

__all__ = ["Category", "Classes", "Columns", "Number", "Numbers", "Pixels", "Preprocessing", "Target", "Vectors"]

_BATCH = 4096


class Preprocessing(Protocol):
    """What every kind of input offers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input as a network sees it."""
        ...

    @property
    def bytes(self) -> int:
        """Cost of the fitted state, at four bytes a number and one a character."""
        ...

    def encode(self, raw: Any) -> Tensor:
        """Raw data to the stored tensor (N, ...)."""
        ...

    def normalise(self, stored: Tensor) -> Tensor:
        """A stored batch to float32 (N, *shape)."""
        ...

    def decode(self, inputs: Tensor) -> Any:
        """Normalised inputs back to raw units."""
        ...

    def item_bytes(self, number: int) -> int:
        """Cost of one raw item when a real number takes `number` bytes."""
        ...


@dataclass(frozen=True, eq=False)
class Pixels:
    r"""Images: :math:`(x - \mu_c)/\sigma_c` per channel, held as they come (uint8 where they are).

    Args:
        size: (channels, height, width).
        top: largest value a pixel can take (255; 16 for the 8 x 8 digits).
        native: whether the source's pixels are whole numbers that fit one byte.
        mean: (channels,), in raw units.
        std: (channels,), in raw units, positive.

    Example:
        >>> pixels = Pixels.fit(np.full((2, 4, 4), 8, dtype=np.uint8))
        >>> pixels.shape, float(pixels.mean)
        ((1, 4, 4), 8.0)
    """

    size: tuple[int, int, int]
    top: float
    native: bool
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, raw: np.ndarray, top: float | None = None) -> "Pixels":
        """Measure mean and standard deviation per channel, in batches."""
        native = raw.dtype == np.uint8
        images = _channels_first(raw)
        total, square = (
            torch.zeros(images.shape[1], dtype=torch.float64),
            torch.zeros(images.shape[1], dtype=torch.float64),
        )
        for start in range(0, len(images), _BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH])).double()
            total += batch.sum((0, 2, 3))
            square += batch.square().sum((0, 2, 3))
        count = images.size / images.shape[1]
        mean = total / count
        std = (square / count - mean.square()).clamp_min(0).sqrt()
        std[std < 1e-6] = 1.0
        channels, height, width = (int(n) for n in images.shape[1:])
        limit = top if top is not None else (255.0 if native else float(images.max()))
        return cls((channels, height, width), limit, native, mean.float(), std.float())

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self.size

    @property
    def bytes(self) -> int:
        """Two numbers per channel."""
        return 8 * self.size[0]

    def encode(self, raw: Any) -> Tensor:
        """(N, H, W), (N, H, W, C) or (N, C, H, W) to (N, C, H, W)."""
        images = _channels_first(np.asarray(raw), self.size[0])
        if images.shape[1:] != self.size:
            raise DataError(f"images are {images.shape[1:]} (channels, height, width); this problem has {self.size}")
        _require_finite(images, "images")
        keep = np.uint8 if images.dtype == np.uint8 else np.float32
        return torch.from_numpy(np.ascontiguousarray(images, dtype=keep))

    def normalise(self, stored: Tensor) -> Tensor:
        """Standardise per channel."""
        mean, std = (v.to(stored.device).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return (stored.to(mean.dtype) - mean) / std

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Pixels in raw units, clipped to their range, (N, H, W) or (N, H, W, C)."""
        mean, std = (v.reshape(-1, 1, 1) for v in (self.mean, self.std))
        images = (inputs.detach().cpu() * std + mean).clamp(0, self.top)
        if self.native:
            images = images.round().to(torch.uint8)
        return images.movedim(1, -1).squeeze(-1).numpy() if self.size[0] == 1 else images.movedim(1, -1).numpy()

    def item_bytes(self, number: int) -> int:
        """One byte a pixel where the source has bytes."""
        return math.prod(self.size) * (1 if self.native else number)


@dataclass(frozen=True, eq=False)
class Vectors:
    r"""Numeric rows or series: :math:`(x_j - \mu_j)/\sigma_j` per column.

    Args:
        mean: (d,).
        std: (d,), one for constant columns.

    Example:
        >>> Vectors.fit(np.array([[0.0], [2.0]])).encode(np.array([[2.0]]))
        tensor([[1.]])
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, raw: np.ndarray) -> "Vectors":
        """Measure mean and standard deviation per column."""
        _require_finite(raw, "inputs")
        mean, std = raw.mean(0, dtype=np.float64), raw.std(0, dtype=np.float64)
        std = np.where(std > 1e-9 * np.maximum(1, np.abs(mean)), std, 1.0)
        return cls(torch.from_numpy(mean).float(), torch.from_numpy(std).float())

    @property
    def shape(self) -> tuple[int, ...]:
        """(columns,)."""
        return (len(self.mean),)

    @property
    def bytes(self) -> int:
        """Two numbers per column."""
        return 8 * len(self.mean)

    def encode(self, raw: Any) -> Tensor:
        """(N, d) numbers to standardised float32, the form in which rows are held."""
        rows = _numeric(np.asarray(raw), "inputs")
        rows = rows.reshape(len(rows), -1) if rows.ndim != 2 else rows
        if rows.shape[1] != len(self.mean):
            raise DataError(f"rows have {rows.shape[1]} columns; this problem has {len(self.mean)}")
        _require_finite(rows, "inputs")
        return ((torch.from_numpy(rows.astype(np.float64)) - self.mean) / self.std).float()

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Rows in raw units."""
        rows: np.ndarray = (inputs.detach().cpu() * self.std + self.mean).numpy()
        return rows

    def item_bytes(self, number: int) -> int:
        """One number a column."""
        return number * len(self.mean)


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
        return (sum(1 if isinstance(c, Number) else len(c.values) + c.rare for c in self.columns),)

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
        return torch.from_numpy(np.concatenate(blocks, axis=1).astype(np.float32))

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

    def item_bytes(self, number: int) -> int:
        """One number a numeric column; one or two bytes a category."""
        return sum(
            number if isinstance(c, Number) else (1 if len(c.values) + c.rare <= 256 else 2) for c in self.columns
        )


@dataclass(frozen=True)
class Classes:
    r"""Class labels as indicator rows, centred: :math:`y_c = 1\{c\} - 1/C`.

    Args:
        names: at least two, in the order of the outputs.

    Example:
        >>> Classes(("cat", "dog")).encode(np.array(["dog"])).tolist()
        [1]
    """

    names: tuple[str, ...]

    @classmethod
    def fit(cls, raw: np.ndarray) -> "Classes":
        """List the classes in sorted order."""
        values = np.unique(raw)
        if len(values) < 2:
            raise DataError(f"the target is constant ({values[:1].tolist()}): there is nothing to learn")
        return cls(tuple(_class_name(v) for v in values))

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return len(self.names)

    @property
    def label_bytes(self) -> int:
        """Cost of one hard label."""
        return 1 if len(self.names) <= 256 else 2

    def encode(self, raw: Any) -> Tensor:
        """Labels to class numbers (N,)."""
        index = {name: k for k, name in enumerate(self.names)}
        words = [_class_name(v) for v in np.asarray(raw).tolist()]
        for row, word in enumerate(words):
            if word not in index:
                raise UnknownNameError(f"row {row}: label {word!r} is not a class; {nearest(word, self.names)}")
        return torch.tensor([index[word] for word in words], dtype=torch.int64)

    def scores(self, targets: Tensor) -> Tensor:
        """Class numbers (N,) to what a network's outputs are compared with (N, C)."""
        return torch.nn.functional.one_hot(targets.long(), len(self.names)).float() - 1 / len(self.names)

    def decode(self, scores: Tensor) -> np.ndarray:
        """Outputs to class names."""
        return np.array(self.names, dtype=object)[scores.detach().cpu().argmax(-1).numpy()]


@dataclass(frozen=True)
class Numbers:
    r"""Real targets, standardised: :math:`(y - \mu)/\sigma`.

    Args:
        name: of the target.
        mean: one number per output.
        std: one positive number per output.

    Example:
        >>> Numbers.fit(np.array([1.0, 3.0])).encode([3.0]).tolist()
        [[1.0]]
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, raw: np.ndarray, name: str = "target") -> "Numbers":
        """Measure mean and standard deviation of each output."""
        values = _numeric(np.asarray(raw), "the target").astype(np.float64)
        values = values.reshape(len(values), -1)
        _require_finite(values, "the target")
        std = values.std(0)
        if (std <= 1e-12 * np.maximum(1, np.abs(values.mean(0)))).any():
            raise DataError("the target is constant: there is nothing to learn")
        return cls(name, tuple(values.mean(0).tolist()), tuple(std.tolist()))

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.mean)

    @property
    def label_bytes(self) -> int:
        """Cost of one target, in float32."""
        return 4 * len(self.mean)

    def encode(self, raw: Any) -> Tensor:
        """Targets to standardised float32 (N, outputs)."""
        values = _numeric(np.asarray(raw), "the target").astype(np.float64)
        values = values.reshape(len(values), -1)
        _require_finite(values, "the target")
        return torch.from_numpy((values - np.array(self.mean)) / np.array(self.std)).float()

    def scores(self, targets: Tensor) -> Tensor:
        """Nothing is left to do."""
        return targets

    def decode(self, scores: Tensor) -> np.ndarray:
        """Outputs to the target's own units, (N,) when there is one output."""
        values = scores.detach().cpu().double().numpy() * np.array(self.std) + np.array(self.mean)
        return values[:, 0] if values.shape[1] == 1 else values


Target = Classes | Numbers


def rename(target: Target, name: str) -> Target:
    """Name a real target after its column; classes carry their own names."""
    return replace(target, name=name) if isinstance(target, Numbers) else target


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)


def _channels_first(raw: np.ndarray, channels: int | None = None) -> np.ndarray:
    raw = _numeric(raw, "images")
    if raw.ndim == 3:
        return raw[:, None]
    if raw.ndim != 4:
        raise DataError(f"images have shape {raw.shape}; give (N, H, W), (N, H, W, C) or (N, C, H, W)")
    first = raw.shape[1] == channels if channels else raw.shape[1] in (1, 3, 4)
    return raw if first and not (channels is None and raw.shape[3] in (1, 3, 4)) else np.moveaxis(raw, 3, 1)


def _numeric(raw: np.ndarray, what: str) -> np.ndarray:
    if raw.dtype == object or raw.dtype.kind in "USV":
        raise DataError(f"{what} hold {raw.dtype} where numbers are expected: convert them, or use a table")
    return raw


def _require_finite(raw: np.ndarray, what: str) -> None:
    if raw.dtype.kind != "f":
        return
    for start in range(0, len(raw), _BATCH):
        bad = ~np.isfinite(raw[start : start + _BATCH]).reshape(len(raw[start : start + _BATCH]), -1).all(1)
        if bad.any():
            row = start + int(bad.argmax())
            raise DataError(f"{what} have NaN or infinite values, first in row {row}: remove or fill those rows")


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
    words = column.astype(object).map(str).to_numpy(dtype=object)
    words[missing] = "missing"
    return words
