"""Texts as numbers: weighted counts of hashed words, projected on their leading directions; no word is kept."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

__all__ = ["Text"]

_BUCKETS = 512
_TOPICS = 12
_LOOKED = 20_000
"""Rows that are read to fit the directions."""


@dataclass(frozen=True, eq=False)
class Text:
    r"""A column of texts: :math:`t = V^\top (\mathrm{idf} \circ c)/|\mathrm{idf} \circ c|`, standardised.

    c counts words by the bucket of their hash, so that neither texts nor words stand in a file.

    Args:
        name: of the column.
        idf: (buckets,) inverse document frequencies, in half precision.
        directions: (buckets, topics), in half precision.
        mean: (topics,).
        std: (topics,), positive.

    References:
        Deerwester et al. 1990 (latent semantic analysis); Weinberger et al. 2009 (feature hashing).

    Example:
        >>> words = pd.Series(["good day to you", "good night to you", "bad night to all", "bad day for all"], name="said")
        >>> Text.fit(words).encode(words).shape
        (4, 2)
    """

    name: str
    idf: Tensor
    directions: Tensor
    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, column: pd.Series) -> "Text":
        """Weigh words by how few rows hold them, and find the leading directions."""
        from sklearn.decomposition import TruncatedSVD

        counts = _counts(column.iloc[:: max(1, len(column) // _LOOKED)], _BUCKETS)
        held = np.asarray((counts > 0).sum(0)).ravel()
        idf = np.log((1 + counts.shape[0]) / (1 + held)) + 1
        weighted = _unit(counts.multiply(idf).tocsr())
        topics = max(1, min(_TOPICS, weighted.shape[0] // 2, _BUCKETS - 1))
        directions = TruncatedSVD(topics, random_state=0).fit(weighted).components_.T
        # What half precision holds is what is fitted, so that a file changes nothing.
        idf, directions = (torch.from_numpy(value).half() for value in (idf, directions.copy()))
        values = _unit(counts.multiply(idf.float().numpy()).tocsr()) @ directions.float().numpy()
        std = np.where(values.std(0) > 1e-9, values.std(0), 1.0)
        return cls(
            str(column.name), idf, directions, torch.from_numpy(values.mean(0)).float(), torch.from_numpy(std).float()
        )

    @property
    def names(self) -> tuple[str, ...]:
        """One for each topic."""
        return tuple(f"{self.name}: topic {k + 1}" for k in range(len(self.mean)))

    @property
    def bytes(self) -> int:
        """The weights and directions at two bytes a number, mean and scale at four."""
        return 2 * (self.idf.numel() + self.directions.numel()) + 8 * len(self.mean)

    def encode(self, column: pd.Series) -> np.ndarray:
        """Texts (N,) to standardised numbers (N, topics); a missing one is empty."""
        weighted = _unit(_counts(column, len(self.idf)).multiply(self.idf.float().numpy()).tocsr())
        values: np.ndarray = (weighted @ self.directions.float().numpy() - self.mean.numpy()) / self.std.numpy()
        return values


def _counts(column: pd.Series, buckets: int):  # type: ignore[no-untyped-def]
    """Sparse counts (N, buckets) of words and pairs of words."""
    from sklearn.feature_extraction.text import HashingVectorizer

    words = column.map(lambda value: "" if pd.isna(value) else str(value))
    hashed = HashingVectorizer(n_features=buckets, alternate_sign=False, norm=None, ngram_range=(1, 1))
    return hashed.transform(words).astype(np.float64)


def _unit(rows):  # type: ignore[no-untyped-def]
    """Rows of length one."""
    from sklearn.preprocessing import normalize

    return normalize(rows)
