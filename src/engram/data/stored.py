"""Rows that lie on disk and are read when they are asked for: data larger than memory."""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import DataError
from ..random import integer, minibatch
from .linear_part import linear_part
from .room import require_ram
from .rows import Batch
from .split import Split
from .targets import Classes

__all__ = ["Stored", "facts", "held", "row_bytes"]

_ANEW = "remove the folder and repeat the command, which writes it anew"
_CHUNK = 4096
_EACH = 100_000
"""Rows of a class that are drawn from where classes are looked at apart; the first ones, since rows lie in random order."""


@dataclass(frozen=True, eq=False)
class Stored(Split):
    """A split whose rows lie in a folder in random order (`streaming.store`); a batch is read whenever it is asked for.

    Args:
        inputs: (0, ...), for the type and shape of stored rows, and the device of batches.
        targets: (0,) or (0, C).
        folder: of the files ``inputs`` and ``targets``.
        count: rows N.
        digest: of both files.
        class_counts: rows of each class; empty for numbers.
        linear: (d + 1, C) taken off the targets.
    """

    folder: Path = Path()
    count: int = 0
    digest: str = ""
    class_counts: tuple[int, ...] = ()
    linear: Tensor | None = None

    def __len__(self) -> int:
        return self.count

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Rows of each class; all rows as one group for real targets."""
        return self.class_counts or (self.count,)

    def batch(self, index: Tensor | slice) -> Batch:
        """Normalised inputs, target scores, and weights of the rows at `index`, read from disk."""
        return self.rows(index).batch(slice(None))

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch of neighbours, which are independent: blocks in the order of the epoch's shuffle, from a place of its own."""
        size = min(size, self.count)
        blocks = self.count // size
        start = integer(seed, *names, "from", step // blocks) % (self.count - blocks * size + 1)
        start += int(minibatch(blocks, 1, step, seed, *names)) * size
        return self.batch(slice(start, start + size))

    @cached_property
    def by_class(self) -> tuple[Tensor, ...]:
        """Rows of each class, at most a hundred thousand of each; as many of all as one group for real targets."""
        if not isinstance(self.target, Classes):
            return (torch.arange(min(self.count, _EACH), device=self.device),)
        found: list[list[Tensor]] = [[] for _ in self.class_counts]
        missing = [min(count, _EACH) for count in self.class_counts]
        for start in range(0, self.count, _EACH):
            targets = self._read("targets", self.targets, slice(start, start + _EACH))
            for number in range(len(found)):
                rows = torch.nonzero(targets == number).flatten()[: missing[number]]
                missing[number] -= len(rows)
                found[number].append(start + rows)
            if not any(missing):
                break
        return tuple(torch.cat(rows).to(self.device) for rows in found)

    def batches(self, size: int = _CHUNK) -> Iterator[Batch]:
        """All rows in order, at most some thousand at a time."""
        yield from super().batches(min(size, _CHUNK))

    def rows(self, index: Tensor | slice) -> Split:
        """These rows alone, held."""
        inputs, targets = (self._read(name, getattr(self, name), index) for name in ("inputs", "targets"))
        targets = targets.long() if isinstance(self.target, Classes) else targets
        inputs, targets = inputs.to(self.device), targets.to(self.device)
        if self.linear is not None:
            targets = targets - linear_part(self.linear, self.preprocessing.normalise(inputs))
        return Split(inputs, targets, self.preprocessing, self.target, self.class_weights)

    def held(self) -> Split:
        """All rows, in memory, if that has room for them."""
        require_ram(sum(row_bytes(like) for like in (self.inputs, self.targets)) * self.count, "all rows of the data")
        return self.rows(slice(None))

    def minus(self, linear: Tensor) -> "Stored":
        """The same rows, their targets less a linear function of the inputs."""
        return replace(self, linear=linear if self.linear is None else self.linear + linear)

    def content(self) -> Iterator[bytes | memoryview]:
        """What its files hold, by the digest that was taken as they were written."""
        yield f"{self.digest} {self.count}".encode()
        if self.linear is not None:
            yield self.linear.cpu().numpy().data

    def to(self, device: torch.device | str) -> "Stored":
        """Read where they are, sent to another device."""
        weights, linear = (None if one is None else one.to(device) for one in (self.class_weights, self.linear))
        inputs, targets = self.inputs.to(device), self.targets.to(device)
        return replace(self, inputs=inputs, targets=targets, class_weights=weights, linear=linear)

    def _read(self, name: str, like: Tensor, index: Tensor | slice) -> Tensor:
        """Rows of one file: of neighbours in one go, of others one by one."""
        size = row_bytes(like)
        if isinstance(index, slice):
            start, stop, _ = index.indices(self.count)
            spans = [(k, min(_CHUNK, stop - k)) for k in range(start, stop, _CHUNK)]
        else:
            places = torch.nonzero(index).flatten() if index.dtype == torch.bool else index
            if len(places) and not -self.count <= int(places.min()) <= int(places.max()) < self.count:
                raise IndexError(f"rows {places.tolist()[:5]} of {self.count}")
            spans = [(k % self.count, 1) for k in places.tolist()]
        content = bytearray()
        try:
            with open(self.folder / name, "rb", buffering=0) as file:
                for first, count in spans:
                    content += os.pread(file.fileno(), count * size, first * size)
        except OSError as error:
            raise DataError(f"{self.folder} cannot be read ({error.strerror or error}): {_ANEW}") from error
        if len(content) != sum(count for _, count in spans) * size:
            raise DataError(f"{self.folder / name} is shorter than it was written: {_ANEW}")
        whole = torch.frombuffer(content, dtype=like.dtype) if content else like.cpu().flatten()
        return whole.reshape(-1, *like.shape[1:])


def held(problem: Any) -> Any:
    """A problem with all rows in memory, for what looks at them together.

    Raises:
        DataError: that has no room for them.
    """
    return replace(problem, **{part: getattr(problem, part).held() for part in ("train", "select", "test")})


def row_bytes(like: Tensor) -> int:
    """Bytes of one row of a stored tensor."""
    return math.prod(like.shape[1:]) * like.element_size()


def facts(folder: Path) -> dict[str, Any] | None:
    """What was noted of a folder of rows when it was finished; None where it was not."""
    try:
        found = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(found, dict) and {"count", "digest", "class_counts"} <= set(found)
    return found if known else None
