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
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import __version__, spec
from ..errors import OutputError
from ..random import stream
from .cache import cache_folder
from .posing import usual_metric
from .problem import Problem
from .sampling import Pieces, Watch, length
from .split import Split
from .stored import Stored, facts, row_bytes
from .targets import Classes

__all__ = ["Encoder", "stored"]

_BUCKET, _MOST_BUCKETS = 2**26, 4096
"""Bytes that are shuffled in memory at once; files among which they are spread before."""

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
    train = Stored(
        like.inputs[:0],
        _compact(like, like.targets[:0]),
        like.preprocessing,
        like.target,
        folder=folder,
        count=int(found["count"]),
        digest=str(found["digest"]),
        class_counts=counts,
    )
    note = (
        f"larger than memory: {train.count:,} training rows are read from disk, and what is fitted beforehand is fitted on a sample of "
        f"{len(like) + len(problem.select) + len(problem.test):,} rows, which holds the held-out ones"
    )
    problem = replace(problem, train=train, notes=(*problem.notes, note))
    # Of a sample, classes look more uneven than they are.
    return problem.scored_by(usual_metric(torch.tensor(counts))) if counts else problem


def _compact(like: Split, targets: Tensor) -> Tensor:
    return targets.int() if isinstance(like.target, Classes) else targets.float()


def _written(folder: Path, like: Split, pieces: Pieces, count: int, encode: Encoder, watch: Watch) -> dict[str, Any]:
    """Encode every piece into buckets at random, then write each bucket in random order; rename what is finished."""
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        read, counts = 0, torch.zeros(like.target.outputs, dtype=torch.int64)
        sizes = [row_bytes(like.inputs), row_bytes(_compact(like, like.targets))]
        buckets = min(_MOST_BUCKETS, -(-count * sum(sizes) // _BUCKET))
        for number, piece in enumerate(pieces()):
            inputs, targets = encode(piece, np.arange(read, read + length(piece)))
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
            read += length(piece)
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
