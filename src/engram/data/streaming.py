r"""Data larger than memory: read piece by piece, fitted on a sample, stored on disk in random order.

Every row gets a random key. The rows of the smallest keys, and some of every class, are the sample on which a problem is posed as any
other: kinds of columns, preprocessing, the split. Its held-out rows judge; all other rows of the source are encoded and stored
for training. Memory holds the sample and one piece, whatever the number of rows; the disk holds the encoded rows twice while they
are shuffled.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from .. import __version__
from ..errors import DataError, OutputError
from ..random import stream
from .cache import cache_folder
from .posing import balance
from .problem import Problem
from .split import Split
from .stored import Stored, facts
from .targets import Classes

__all__ = ["PIECE", "Encoder", "Piece", "Pieces", "Sampled", "Watch", "sampled", "stored"]

PIECE = 50_000
"""Rows that are read at once."""

_SAMPLE = 200_000
_SAMPLE_BYTES = 2**30
_OF_CLASS = 200
"""Rows of every class in the sample, however rare it is."""
_MOST_CLASSES = 1000
"""Of a piece; a target of more values is a number."""
_BUCKET, _MOST_BUCKETS = 2**26, 4096
"""Bytes that are shuffled in memory at once; files among which they are spread before."""

Piece: TypeAlias = pd.DataFrame | tuple[np.ndarray, np.ndarray]
"""Some rows of a source: a table with its targets, or inputs and targets."""

Pieces = Callable[[], Iterator[Piece]]
"""All rows of a source, some at a time and the same at every reading."""

Watch = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Sampled:
    """A sample of a source.

    Args:
        rows: as they are, in the order of the source.
        places: (n,) their numbers in the source.
        count: rows of the source.
    """

    rows: Any
    places: np.ndarray
    count: int


def sampled(pieces: Pieces, seed: int, target: str | None = None, watch: Watch = lambda done: None) -> Sampled:
    """Rows of the smallest random keys, and some of each value of a target of few values.

    Args:
        pieces: of the source.
        seed: of the keys.
        target: of tables, the column whose values may be classes.
        watch: called with the number of rows that were read.

    Returns:
        The sample.

    Raises:
        DataError: no rows.
    """
    kept: Any = None
    keys, places = torch.empty(0), torch.empty(0, dtype=torch.int64)
    seen: dict[Any, int] = {}
    count, few = 0, True
    for number, piece in enumerate(pieces()):
        size = _length(piece)
        drawn = torch.rand(size, generator=stream(seed, "sample", number))
        values = _values(piece, target)
        few = few and values is not None and values.nunique() <= _MOST_CLASSES
        if few and values is not None:
            # Rare classes are sure to be there.
            order = values.groupby(values, sort=False).cumcount() + values.map(seen).fillna(0)
            drawn -= torch.tensor((order < _OF_CLASS).to_numpy(), dtype=drawn.dtype)  # one less: before all others
            for value, more in values.value_counts().items():
                seen[value] = seen.get(value, 0) + int(more)
        kept = piece if kept is None else _joint(kept, piece)
        keys, places = torch.cat([keys, drawn]), torch.cat([places, count + torch.arange(size)])
        count += size
        most = min(_SAMPLE, max(1000, _SAMPLE_BYTES * _length(kept) // max(1, _bytes(kept))))
        if len(keys) > most:
            smallest = keys.topk(most, largest=False).indices.sort().values
            kept, keys, places = _taken(kept, smallest.numpy()), keys[smallest], places[smallest]
        watch(count)
    if not count:
        raise DataError("the data have no rows")
    return Sampled(kept, places.numpy(), count)


def _length(piece: Piece) -> int:
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


def _values(piece: Piece, target: str | None) -> pd.Series | None:
    """Targets that may be classes."""
    if isinstance(piece, pd.DataFrame):
        return None if target is None else piece[target].reset_index(drop=True)
    return pd.Series(piece[1]) if piece[1].ndim == 1 else None


Encoder = Callable[[Any, np.ndarray], tuple[Tensor, Tensor]]
"""A piece and the numbers of its rows to stored inputs and targets of those that are for training."""


def stored(
    problem: Problem,
    pieces: Pieces,
    count: int,
    encode: Encoder,
    identity: Mapping[str, Any],
    watch: Watch = lambda done: None,
) -> Problem:
    """The problem with all rows that an encoder gives for training, stored on disk.

    Args:
        problem: posed on a sample.
        pieces: of the whole source.
        count: its rows.
        encode: of each.
        identity: of the source and how it is read, as plain JSON: what was stored once is found again by it.
        watch: called with the number of rows that were read.

    Returns:
        The problem; its weights of classes are those of all rows.

    Raises:
        OutputError: the disk is full, or the cache cannot be written.
    """
    like = problem.train
    said = json.dumps([identity, __version__, like.preprocessing.shape, str(like.inputs.dtype)], sort_keys=True)
    folder = cache_folder("rows") / hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
    found = facts(folder)
    if found is None:
        shutil.rmtree(folder, ignore_errors=True)
        found = _written(folder, like, pieces, count, encode, watch)
    watch(count)
    counts = tuple(found["class_counts"])
    weights = None if like.class_weights is None else balance(torch.tensor(counts))
    train = Stored(
        like.inputs[:0],
        _compact(like, like.targets[:0]),
        like.preprocessing,
        like.target,
        weights,
        folder=folder,
        count=int(found["count"]),
        digest=str(found["digest"]),
        class_counts=counts,
    )
    held = {part: _weighted(getattr(problem, part), weights) for part in ("select", "test")}
    note = (
        f"larger than memory: {train.count:,} training rows are read from disk, and what is fitted beforehand is fitted on a sample of "
        f"{len(like) + len(problem.select) + len(problem.test):,} rows, which holds the held-out ones"
    )
    fields = vars(problem) | held | {"train": train, "notes": (*problem.notes, note)}
    return Problem(**{name: fields[name] for name in Problem.__dataclass_fields__})


def _weighted(split: Split, weights: Tensor | None) -> Split:
    return Split(split.inputs, split.targets, split.preprocessing, split.target, weights, raw=split.raw)


def _compact(like: Split, targets: Tensor) -> Tensor:
    return targets.int() if isinstance(like.target, Classes) else targets.float()


def _written(folder: Path, like: Split, pieces: Pieces, count: int, encode: Encoder, watch: Watch) -> dict[str, Any]:
    """Encode every piece into buckets at random, then write each bucket in random order; rename what is finished."""
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        read, counts = 0, torch.zeros(like.target.outputs, dtype=torch.int64)
        sizes = [_row_bytes(like.inputs), _row_bytes(_compact(like, like.targets))]
        buckets = min(_MOST_BUCKETS, -(-count * sum(sizes) // _BUCKET))
        for number, piece in enumerate(pieces()):
            inputs, targets = encode(piece, np.arange(read, read + _length(piece)))
            targets = _compact(like, targets)
            if isinstance(like.target, Classes):
                counts += torch.bincount(targets, minlength=len(counts))
            drawn = torch.randint(buckets, (len(inputs),), generator=stream(0, "bucket", number))
            order = drawn.argsort(stable=True)
            edges = torch.bincount(drawn, minlength=buckets).cumsum(0).tolist()
            for name, part in (("inputs", inputs[order]), ("targets", targets[order])):
                for bucket, (start, stop) in enumerate(zip([0, *edges], edges, strict=False)):
                    if stop > start:
                        with open(work / f"{name}.{bucket}", "ab") as file:
                            file.write(part[start:stop].numpy().tobytes())
            read += _length(piece)
            watch(read)
        rows, digest = _joined(work, buckets, sizes)
        found = {
            "count": rows,
            "digest": digest,
            "class_counts": counts.tolist() if isinstance(like.target, Classes) else [],
        }
        (work / "facts.json").write_text(json.dumps(found))
        if facts(folder) is None:  # unless another process was first
            os.replace(work, folder)
        return found
    except OSError as error:
        raise OutputError(
            f"{folder.parent} could not be written ({error.strerror or error}): free some space, or set ENGRAM_CACHE to another folder"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _joined(work: Path, buckets: int, sizes: list[int]) -> tuple[int, str]:
    """Both files from their buckets, each in an order of its own; rows, and a digest of all bytes."""
    count, digest = 0, hashlib.blake2b(digest_size=16)
    for bucket in range(buckets):
        if not (work / f"inputs.{bucket}").exists():
            continue
        order = None
        for name, size in zip(("inputs", "targets"), sizes, strict=True):
            part = work / f"{name}.{bucket}"
            rows = np.fromfile(part, dtype=np.uint8).reshape(-1, size)
            if order is None:
                order = torch.randperm(len(rows), generator=stream(0, "order", bucket)).numpy()
                count += len(rows)
            content = rows[order].tobytes()
            digest.update(content)
            with open(work / name, "ab") as file:
                file.write(content)
            part.unlink()
    return count, digest.hexdigest()


def _row_bytes(like: Tensor) -> int:
    return int(np.prod(like.shape[1:], dtype=np.int64)) * like.element_size()
