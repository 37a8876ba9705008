"""Texts as numbers without any download: weighted counts of words, projected on their leading directions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .checks import as_texts

__all__ = ["Topics"]

_WORDS, _TOPICS = 4000, 200
_LEAST = 5
"""Texts that a word must stand in: fewer may be those of one person."""

_COMMON = 0.1
"""Share of texts beyond which a word tells nothing, where there are words enough without it."""

_LOOKED = 50_000
"""Texts that are read to fit the directions."""

_ROWS_PER_TOPIC = 10
_LEVELS, _WIDTH = 7, 3.0
"""Directions are stored in four bits: whole numbers up to this one, which stands for so many standard deviations."""


@dataclass(frozen=True, eq=False)
class Topics:
    r"""Texts in the latent space of their words: :math:`v = V^\top (\mathrm{idf} \circ (1 + \log c))` of unit length before the projection.

    Args:
        words: of the vocabulary, each of at least five training texts, in alphabetical order.
        idf: (words,) inverse document frequencies, in half precision.
        packed: (words, topics / 2) the directions V, two numbers a byte.
        steps: (topics,) of those numbers.

    References:
        Deerwester et al. 1990 (latent semantic analysis).

    Example:
        >>> said = ["a good day", "a good night", "a bad night", "a bad day"] * 10
        >>> topics = Topics.fit(said)
        >>> topics.words, topics.vectors(said).shape
        (('bad', 'day', 'good', 'night'), (40, 2))
    """

    takes: ClassVar[Literal["texts", "images"]] = "texts"
    words: tuple[str, ...]
    idf: Tensor
    packed: Tensor
    steps: Tensor

    def __post_init__(self) -> None:
        if (len(self.words), 2 * self.packed.shape[1]) != (len(self.packed), len(self.steps)) or len(self.idf) != len(
            self.words
        ):
            raise DataError("words, weights and directions of topics are not as many")

    @classmethod
    def fit(cls, texts: Sequence[str] | np.ndarray) -> "Topics":
        """Choose the vocabulary, weigh its words by how few texts hold them, and find the leading directions.

        Args:
            texts: of training rows.

        Returns:
            The encoder.

        Raises:
            DataError: no word stands in five of them.
        """
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import CountVectorizer

        some = list(texts[:: -(-len(texts) // _LOOKED)])
        try:
            vectorizer = CountVectorizer(min_df=_LEAST)
            counts = vectorizer.fit_transform(some)
        except ValueError as error:
            raise DataError(
                f"no word stands in {_LEAST} of the {len(some)} training texts: give more texts, or an encoder that knows their "
                "words (--encoder)"
            ) from error
        held = np.asarray((counts > 0).sum(0)).ravel()
        places = np.flatnonzero(held <= max(_COMMON * len(some), _LEAST))
        if len(places) < max(2, len(held) // 2):
            places = np.arange(len(held))
        places = np.sort(places[np.argsort(-held[places], kind="stable")[:_WORDS]])
        words = vectorizer.get_feature_names_out()[places]
        idf = torch.from_numpy(np.log((1 + len(some)) / (1 + held[places])) + 1).half()
        weighted = _weighted(counts[:, places], idf)
        topics = max(2, min(_TOPICS, len(some) // _ROWS_PER_TOPIC, len(words) // 2))
        if len(words) <= topics:
            return cls(tuple(words), idf, *_pack(np.eye(len(words), len(words) + len(words) % 2)))
        directions = TruncatedSVD(topics - topics % 2, random_state=0).fit(weighted).components_.T
        return cls(tuple(words), idf, *_pack(directions))

    @property
    def size(self) -> int:
        """Numbers of one text."""
        return len(self.steps)

    @property
    def bytes(self) -> int:
        """Directions at half a byte a number, weights at two, words at one a character."""
        return self.packed.numel() + 2 * len(self.idf) + 4 * len(self.steps) + sum(map(len, self.words))

    @property
    def directions(self) -> np.ndarray:
        """V (words, topics)."""
        pairs = self.packed.numpy()
        numbers = np.stack([pairs >> 4, pairs & 15], axis=2).reshape(len(pairs), -1).astype(np.float32) - _LEVELS - 1
        found: np.ndarray = numbers * self.steps.numpy()
        return found

    def vectors(self, raw: Any) -> np.ndarray:
        """Texts (N,) to numbers (N, topics); a text without a known word is zero.

        Args:
            raw: texts.

        Returns:
            Single precision.

        Raises:
            DataError: what is no text.
        """
        from sklearn.feature_extraction.text import CountVectorizer

        counts = CountVectorizer(vocabulary=self.words).transform(as_texts(raw, "inputs"))
        found: np.ndarray = (_weighted(counts, self.idf) @ self.directions).astype(np.float32)
        return found

    def telling(self, vectors: np.ndarray, most: int = 8) -> list[list[str]]:
        """The words whose own directions point most the way of each vector.

        Args:
            vectors: (N, topics), without the mean of all texts.
            most: words of each.

        Returns:
            Words, the most telling first.
        """
        directions = self.directions
        # Rare words have short directions, which says how little is known of them.
        fits = vectors @ directions.T
        return [[self.words[k] for k in np.argsort(-row, kind="stable")[:most] if row[k] > 0] for row in fits]


def _weighted(counts, idf: Tensor):  # type: ignore[no-untyped-def]
    """Rows of unit length."""
    from sklearn.preprocessing import normalize

    counts = counts.astype(np.float32)
    counts.data = 1 + np.log(counts.data)
    return normalize(counts.multiply(idf.float().numpy()).tocsr())


def _pack(directions: np.ndarray) -> tuple[Tensor, Tensor]:
    """Four bits a number."""
    steps = np.sqrt(np.square(directions).mean(0)).clip(1e-12) * _WIDTH / _LEVELS
    numbers = (np.round(directions / steps).clip(-_LEVELS, _LEVELS) + _LEVELS + 1).astype(np.uint8)
    return torch.from_numpy(numbers[:, ::2] << 4 | numbers[:, 1::2]), torch.from_numpy(steps).float()
