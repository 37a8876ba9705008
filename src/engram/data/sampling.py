"""A random sample of rows that are read piece by piece; samples of parts merge to that of the whole."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError
from ..random import stream

__all__ = ["OF_CLASS", "OF_SPLIT", "PIECE", "Piece", "Pieces", "Sampled", "Sure", "Watch", "length", "sampled"]

PIECE = 50_000
"""Rows that are read at once."""

_SAMPLE = 200_000
_SAMPLE_BYTES = 2**30
OF_CLASS, OF_SPLIT = 200, 50_000
"""Rows of every class, and of every named split, in the sample, however rare they are."""
_NOTHING: Mapping[str, int] = MappingProxyType({})
_MOST_CLASSES = 1000
"""Of a piece; a target of more values is a number."""
Piece: TypeAlias = pd.DataFrame | tuple[np.ndarray, np.ndarray]
"""Some rows of a source: a table with its targets, or inputs and targets."""

Pieces = Callable[[], Iterator[Piece]]
"""All rows of a source, some at a time and the same at every reading."""

Watch = Callable[[float], None]


Sure = Mapping[str, int]
"""So many rows of each value of a column, those of the smallest keys, are sure to be in a sample; arrays call their targets ``y``."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """A sample of some rows of a source: those of the smallest random keys, of all and of each value of a column of few values.

    Samples of parts merge to the sample of the whole, in whatever order: a row whose key is too large among some is so among more.

    Args:
        rows: as they are.
        keys: (n,) of each.
        places: (n,) their numbers in the source.
        count: rows of which this is the sample.
    """

    rows: Any
    keys: Tensor
    places: Tensor
    count: int

    def usual(self, most: int) -> np.ndarray:
        """(n,) whether a row is among those of the smallest keys of all, and not of its value alone."""
        rank: np.ndarray = self.keys.argsort().argsort().numpy()
        return rank < most

    def merged(self, other: "Sampled", most: int, sure: Sure = _NOTHING) -> "Sampled":
        """The sample of both.

        Args:
            other: of other rows.
            most: rows that are kept for their keys among all.
            sure: as in `sampled`.

        Example:
            >>> rows = [_of_piece(pd.DataFrame({"a": [k]}), k, 0, k) for k in range(3)]
            >>> one, other = (rows[0].merged(rows[1], 2).merged(rows[2], 2), rows[2].merged(rows[1].merged(rows[0], 2), 2))
            >>> sorted(one.places.tolist()) == sorted(other.places.tolist())
            True
        """
        rows = _joint(self.rows, other.rows)
        keys, places = torch.cat([self.keys, other.keys]), torch.cat([self.places, other.places])
        if len(keys) > most:
            kept = torch.zeros(len(keys), dtype=torch.bool)
            kept[keys.topk(most, largest=False).indices] = True
            for column, quota in sure.items():
                values = _values(rows, column)
                if values is not None:
                    rank = pd.Series(keys.numpy()).groupby(values.to_numpy()).rank(method="first")
                    kept |= torch.tensor((rank <= quota).to_numpy())
            chosen = torch.nonzero(kept).flatten()
            rows, keys, places = _taken(rows, chosen.numpy()), keys[chosen], places[chosen]
        return Sampled(rows, keys, places, self.count + other.count)


def sampled(
    pieces: Pieces, seed: int, sure: Sure = _NOTHING, watch: Watch = lambda done: None
) -> tuple[Sampled, np.ndarray]:
    """The sample of a source, in the order of its rows, and which rows of it would be there whatever values they have.

    Raises:
        DataError: no rows.
    """
    found: Sampled | None = None
    most, count = _SAMPLE, 0
    for number, piece in enumerate(pieces()):
        own = _of_piece(piece, number, seed, count)
        if found is None:
            most = min(_SAMPLE, max(1000, _SAMPLE_BYTES * length(piece) // max(1, _bytes(piece))))
        count += length(piece)
        found = own if found is None else found.merged(own, most, sure)
        watch(count)
    if found is None or not count:
        raise DataError("the data have no rows")
    order = found.places.argsort()
    found = Sampled(_taken(found.rows, order.numpy()), found.keys[order], found.places[order], count)
    return found, found.usual(most)


def _of_piece(piece: Piece, number: int, seed: int, before: int) -> Sampled:
    """All rows of a piece, with their keys."""
    size = length(piece)
    keys = torch.rand(size, generator=stream(seed, "sample", number), dtype=torch.float64)
    return Sampled(piece, keys, before + torch.arange(size), size)


def length(piece: Piece) -> int:
    """Rows of a piece."""
    return len(piece) if isinstance(piece, pd.DataFrame) else len(piece[1])


def _bytes(piece: Piece) -> int:
    if isinstance(piece, pd.DataFrame):
        return int(piece.memory_usage(deep=True).sum())
    return sum(part.nbytes for part in piece)


def _joint(one: Any, other: Any) -> Any:
    if isinstance(one, pd.DataFrame):
        return pd.concat([one, other], ignore_index=True)
    return tuple(np.concatenate(pair) for pair in zip(one, other, strict=True))


def _taken(piece: Any, places: np.ndarray) -> Any:
    if isinstance(piece, pd.DataFrame):
        return piece.iloc[places].reset_index(drop=True)
    return tuple(part[places] for part in piece)


def _values(piece: Piece, column: str) -> pd.Series | None:
    """A column of few values."""
    if isinstance(piece, pd.DataFrame):
        values = piece[column].reset_index(drop=True) if column in piece else None
    else:
        values = pd.Series(piece[1]) if piece[1].ndim == 1 else None
    try:
        return values if values is not None and values.nunique() <= _MOST_CLASSES else None
    except TypeError:  # lists have no value; who reads the column says so
        return None
