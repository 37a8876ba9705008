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

from .. import __version__, spec
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
    """A sample of some rows of a source: those of the smallest random keys, of all and of each value of a target of few values.

    Samples of parts merge to the sample of the whole, in whatever order: a row whose key is too large among some is so among more.

    Args:
        rows: as they are.
        keys: (n,) of each.
        places: (n,) their numbers in the source.
        count: rows of which this is the sample.
        few: whether the target has few values, so far.
    """

    rows: Any
    keys: Tensor
    places: Tensor
    count: int
    few: bool

    def merged(self, other: "Sampled", most: int, target: str | None = None) -> "Sampled":
        """The sample of both.

        Args:
            other: of other rows.
            most: rows that are kept for their keys among all.
            target: as in `sampled`.

        Example:
            >>> rows = [_of_piece(pd.DataFrame({"a": [k]}), k, 0, k, None) for k in range(3)]
            >>> one, other = (rows[0].merged(rows[1], 2).merged(rows[2], 2), rows[2].merged(rows[1].merged(rows[0], 2), 2))
            >>> sorted(one.places.tolist()) == sorted(other.places.tolist())
            True
        """
        rows = _joint(self.rows, other.rows)
        keys, places = torch.cat([self.keys, other.keys]), torch.cat([self.places, other.places])
        values, few = _values(rows, target), self.few and other.few
        few = few and values is not None and values.nunique() <= _MOST_CLASSES
        if len(keys) > most:
            kept = torch.zeros(len(keys), dtype=torch.bool)
            kept[keys.topk(most, largest=False).indices] = True
            if few and values is not None:
                # Rare classes are sure to be there.
                rank = pd.Series(keys.numpy()).groupby(values.to_numpy()).rank(method="first")
                kept |= torch.tensor((rank <= _OF_CLASS).to_numpy())
            chosen = torch.nonzero(kept).flatten()
            rows, keys, places = _taken(rows, chosen.numpy()), keys[chosen], places[chosen]
        return Sampled(rows, keys, places, self.count + other.count, few)


def sampled(pieces: Pieces, seed: int, target: str | None = None, watch: Watch = lambda done: None) -> Sampled:
    """The sample of a source, in the order of its rows; `target` names the column of a table whose values may be classes.

    Raises:
        DataError: no rows.
    """
    found: Sampled | None = None
    most, count = _SAMPLE, 0
    for number, piece in enumerate(pieces()):
        own = _of_piece(piece, number, seed, count, target)
        if found is None:
            most = min(_SAMPLE, max(1000, _SAMPLE_BYTES * _length(piece) // max(1, _bytes(piece))))
        count += _length(piece)
        found = own if found is None else found.merged(own, most, target)
        watch(count)
    if found is None or not count:
        raise DataError("the data have no rows")
    order = found.places.argsort()
    return Sampled(_taken(found.rows, order.numpy()), found.keys[order], found.places[order], count, found.few)


def _of_piece(piece: Piece, number: int, seed: int, before: int, target: str | None) -> Sampled:
    """All rows of a piece, with their keys."""
    size = _length(piece)
    values = _values(piece, target)
    few = values is not None and values.nunique() <= _MOST_CLASSES
    keys = torch.rand(size, generator=stream(seed, "sample", number), dtype=torch.float64)
    return Sampled(piece, keys, before + torch.arange(size), size, few)


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
        identity: of the source, how it is read and what is held out, as plain JSON: what was stored is found again by it and by what
            was fitted.
        watch: called with the number of rows that were read.

    Returns:
        The problem; its weights of classes are those of all rows.

    Raises:
        OutputError: the disk is full, or the cache cannot be written.
    """
    like = problem.train
    tensors: dict[str, Tensor] = {}
    fitted = spec.encode((like.preprocessing, like.target), tensors)
    name = hashlib.blake2b(json.dumps([identity, __version__, fitted], sort_keys=True).encode(), digest_size=12)
    for tensor in tensors.values():
        name.update(tensor.numpy().tobytes())
    folder = cache_folder("rows") / name.hexdigest()
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
