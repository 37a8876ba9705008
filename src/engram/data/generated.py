"""Rows that are drawn when they are read: data of any size in the memory of one batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .linear_part import linear_part
from .rows import Batch
from .split import Split

__all__ = ["CHUNK", "Generated"]

CHUNK = 4096
"""Rows that are drawn together."""


@dataclass(frozen=True, eq=False)
class Generated(Split):
    """A split whose rows come from a function; each chunk is drawn anew whenever it is read.

    Args:
        inputs: (0, *shape), for its type and device.
        targets: (0, C).
        count: rows N.
        draw: chunk number to (`CHUNK`, *shape) inputs and (`CHUNK`, C) targets, the same at every call.
        name: tells these rows from others.
        linear: (d + 1, C) taken off the targets.

    Example:
        >>> from engram.data.sources.multi_index import MultiIndex
        >>> problem = MultiIndex(d=20, r=2, rows=10_000, streamed=True).load(0)
        >>> len(problem.train), [len(x) for x, _, _ in problem.train.batches(5000)]
        (10000, [4096, 4096, 1808])
    """

    count: int = 0
    draw: Callable[[int], tuple[Tensor, Tensor]] = lambda chunk: (torch.empty(0), torch.empty(0))
    name: str = ""
    linear: Tensor | None = None

    def __len__(self) -> int:
        return self.count

    def batch(self, index: Tensor | slice) -> Batch:
        """The rows at `index`; every chunk that one of them lies in is drawn."""
        wanted = torch.arange(self.count)[index.cpu() if isinstance(index, Tensor) else index]
        x = torch.empty(len(wanted), *self.inputs.shape[1:])
        y = torch.empty(len(wanted), *self.targets.shape[1:])
        for chunk in (wanted // CHUNK).unique().tolist():
            here = wanted // CHUNK == chunk
            drawn = self.draw(chunk)
            x[here], y[here] = (part[wanted[here] % CHUNK] for part in drawn)
        return self._placed(x, y)

    def sample(self, size: int, step: int, seed: int, *names: str | int) -> Batch:
        """One minibatch of neighbouring rows: they are independent as they stand, so no shuffle is needed."""
        size = min(size, self.count, CHUNK)
        chunks, parts = max(1, self.count // CHUNK), min(CHUNK, self.count) // size
        part, chunk = divmod(step, chunks)
        x, y = self.draw((chunk + seed) % chunks)
        start = part % parts * size
        return self._placed(x[start : start + size], y[start : start + size])

    def batches(self, size: int = CHUNK) -> Iterator[Batch]:
        """All rows in order, at most a chunk at a time."""
        for start in range(0, self.count, CHUNK):
            x, y = self.draw(start // CHUNK)
            kept = min(CHUNK, self.count - start)
            for place in range(0, kept, size):
                yield self._placed(x[place : min(place + size, kept)], y[place : min(place + size, kept)])

    def rows(self, index: Tensor) -> Split:
        """These rows alone, held."""
        x, y, _ = self.batch(index)
        return Split(x, y, self.preprocessing, self.target)

    def held(self) -> Split:
        """All rows, in memory."""
        return self.rows(torch.arange(self.count))

    def minus(self, linear: Tensor) -> "Generated":
        """The same rows, their targets less a linear function of the inputs."""
        return replace(self, linear=linear if self.linear is None else self.linear + linear)

    def content(self) -> Iterator[bytes | memoryview]:
        """Their name and number, and the first of them."""
        yield f"{self.name} {self.count}".encode()
        yield from (part.numpy().data for part in self.draw(0))
        if self.linear is not None:
            yield self.linear.cpu().numpy().data

    def to(self, device: torch.device | str) -> "Generated":
        """Drawn where they are, sent to another device."""
        linear = None if self.linear is None else self.linear.to(device)
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device), linear=linear)

    def _placed(self, x: Tensor, y: Tensor) -> Batch:
        x, y = x.to(self.device), y.to(self.device)
        return x, y if self.linear is None else y - linear_part(self.linear, x), None
