"""Raw inputs to tensors and back, as fitted plain data that travels in the artefact.

Preprocessing has two stages. `encode` turns raw data (arrays, DataFrames) into the compact tensor that is
held for the whole dataset, uint8 where the source is; `normalise` turns a batch of it into what a network
sees. `decode` undoes both, so that synthetic samples can be read in the units of the data.
"""

from typing import Any, Protocol

from torch import Tensor

__all__ = ["Preprocessing"]


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

    def whole(self, inputs: Tensor) -> Tensor:
        """Normalised inputs as they are once they were written out: a category is one of its values."""
        ...

    def recover(self, stored: Tensor) -> Any:
        """Stored real data back to raw units, unclipped."""
        ...

    def item_bytes(self, number: int) -> int:
        """Cost of one raw item when a real number takes `number` bytes."""
        ...
