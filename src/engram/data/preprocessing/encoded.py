"""Texts or images in the space of an encoder: vectors, standardised per column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ...errors import DataError
from ..checks import joined_texts, require_finite, single
from ..encoder import Encoder

__all__ = ["Encoded"]


@dataclass(frozen=True, eq=False)
class Encoded:
    r"""Texts or images seen through an encoder f: :math:`(f(x) - \mu)/\sigma`, :math:`\mu` per column, :math:`\sigma` one for all.

    One scale for all keeps the angles between vectors, by which encoders tell meanings apart.

    Args:
        encoder: fitted topics, or a frozen network that the file names and does not hold.
        mean: (D,).
        scale: root of the mean variance, positive.
        raw_bytes: of one training input as it was given, on average: a real row may be kept so.
        text_columns: of a table in which texts stood, joined in this order; none where there was no table.

    Example:
        >>> from engram.data.topics import Topics
        >>> said = ["a good day", "a good night", "a bad night", "a bad day"] * 10
        >>> topics = Topics.fit(said)
        >>> Encoded.fit(topics, topics.vectors(said), raw_bytes=10).encode(said).shape
        torch.Size([40, 2])
    """

    encoder: Encoder
    mean: Tensor
    scale: float
    raw_bytes: int
    text_columns: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls, encoder: Encoder, vectors: np.ndarray, raw_bytes: int, text_columns: tuple[str, ...] = ()
    ) -> "Encoded":
        """Measure the mean of training vectors and their scale.

        Args:
            encoder: that computed them.
            vectors: (N, D).
            raw_bytes: of one training input, on average.
            text_columns: of a table in which texts stand.

        Returns:
            The preprocessing.
        """
        mean = torch.from_numpy(vectors.mean(0, dtype=np.float64)).float()
        scale = float(np.sqrt(vectors.astype(np.float64).var(0).mean()))
        return cls(encoder, mean, scale if scale > 1e-9 else 1.0, raw_bytes, text_columns)

    @property
    def shape(self) -> tuple[int, ...]:
        """(D,)."""
        return (len(self.mean),)

    @property
    def std(self) -> Tensor:
        """(D,) one scale for all columns."""
        return torch.full_like(self.mean, self.scale)

    @property
    def bytes(self) -> int:
        """A number per column, and what is kept of the encoder."""
        return 4 * len(self.mean) + 4 + self.encoder.bytes

    def encode(self, raw: Any) -> Tensor:
        """Raw inputs, or vectors (N, D) that this very encoder computed, to standardised float32."""
        if isinstance(raw, np.ndarray | Tensor) and raw.ndim == 2 and np.asarray(raw).dtype.kind == "f":
            vectors = np.asarray(raw)
            if vectors.shape[1] != len(self.mean):
                raise DataError(f"vectors have {vectors.shape[1]} columns; this encoder gives {len(self.mean)}")
            require_finite(vectors, "vectors")
            return self.standardised(vectors)
        if isinstance(raw, pd.DataFrame):
            # A table of one column has no other that could be meant.
            only = raw.shape[1] == 1 and (not self.text_columns or self.text_columns[0] not in raw)
            raw = raw.iloc[:, 0] if only else joined_texts(raw, self.text_columns or ("text",))
        return self.standardised(self.encoder.vectors(raw))

    def standardised(self, vectors: np.ndarray) -> Tensor:
        """Vectors (N, D) as a network sees them."""
        return single((vectors - self.mean.numpy()) / np.float32(self.scale), "vectors")

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Vectors as the encoder gives them."""
        found: np.ndarray = (inputs.detach().cpu() * self.scale + self.mean).numpy()
        return found

    def whole(self, inputs: Tensor) -> Tensor:
        """Every number stands for itself."""
        return inputs

    def recover(self, stored: Tensor) -> np.ndarray:
        """Vectors as the encoder gives them."""
        return self.decode(stored)

    def item_bytes(self, number: int) -> int:
        """A number per column, or the input itself where that is smaller."""
        return min(number * len(self.mean), self.raw_bytes)
