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

_LEAST_TOLD, _CLASSES = 0.01, 100
"""Weight of a word that all classes hold alike; numbers of more values than these are no classes."""

_UNREAD = 0.5
"""Share of texts without a known word above which letters are read instead."""

_ROWS_PER_TOPIC = 10
_LEVELS, _WIDTHS = 7, (2.0, 3.0, 4.5, 7.0, 11.0, 17.0, 26.0)
"""Directions are stored in four bits: whole numbers up to this one, which stands for one of so many standard deviations."""


@dataclass(frozen=True, eq=False)
class Topics:
    r"""Texts in the latent space of their words: :math:`v = V^\top (w \circ (1 + \log c))`, of unit length before the projection.

    Words weigh by how few texts hold them, and by how differently the targets of these stand:
    :math:`w = \mathrm{idf} \cdot \max_k |\log p(\text{word} \mid k) - \text{mean over classes}|`.

    Args:
        words: of the vocabulary, each of at least five training texts, in alphabetical order.
        weights: (words,) w, in half precision.
        packed: (words, topics / 2) the directions V, two numbers a byte.
        steps: (topics,) of those numbers.
        letters: whether the vocabulary is of two and three letters in a row: of languages that part no words.

    References:
        Deerwester et al. 1990 (latent semantic analysis); Debole and Sebastiani 2003 (supervised term weighting).

    Example:
        >>> said = ["a good day", "a good night", "a bad night", "a bad day"] * 10
        >>> topics = Topics.fit(said)
        >>> topics.words, topics.vectors(said).shape
        (('bad', 'day', 'good', 'night'), (40, 2))
    """

    takes: ClassVar[Literal["texts", "images"]] = "texts"
    words: tuple[str, ...]
    weights: Tensor
    packed: Tensor
    steps: Tensor
    letters: bool = False

    def __post_init__(self) -> None:
        if (len(self.words), 2 * self.packed.shape[1]) != (len(self.packed), len(self.steps)) or len(
            self.weights
        ) != len(self.words):
            raise DataError("words, weights and directions of topics are not as many")

    @classmethod
    def fit(cls, texts: Sequence[str] | np.ndarray, targets: np.ndarray | None = None) -> "Topics":
        """Choose the vocabulary, weigh its words, and find the leading directions.

        Args:
            texts: of training rows.
            targets: (N,) labels or numbers, by which words weigh too; by their rarity alone when None.

        Returns:
            The encoder.

        Raises:
            DataError: no word stands in five of them.
        """
        from sklearn.decomposition import TruncatedSVD

        spread = slice(None, None, -(-len(texts) // _LOOKED))
        some = list(texts[spread])
        letters = False
        names, counts = _counted(some)
        if (counts.sum(1) == 0).mean() > _UNREAD:
            letters = True
            names, counts = _counted(some, letters)
        if not len(names):
            raise DataError(
                f"no word stands in {_LEAST} of the {len(some)} training texts: give more texts, or an encoder that knows their "
                "words (--encoder)"
            )
        held = np.asarray((counts > 0).sum(0)).ravel()
        places = np.flatnonzero(held <= max(_COMMON * len(some), _LEAST))
        if len(places) < max(2, len(held) // 2):
            places = np.arange(len(held))
        places = np.sort(places[np.argsort(-held[places], kind="stable")[:_WORDS]])
        words = names[places]
        counts = counts[:, places]
        weights = np.log((1 + len(some)) / (1 + held[places])) + 1
        if targets is not None:
            weights = weights * _telling(counts > 0, np.asarray(targets)[spread])
        stored = torch.from_numpy(weights).half()
        weighted = _weighted(counts, stored)
        topics = max(2, min(_TOPICS, len(some) // _ROWS_PER_TOPIC, len(words) // 2))
        if len(words) <= topics:
            return cls(tuple(words), stored, *_pack(np.eye(len(words), len(words) + len(words) % 2)), letters)
        directions = TruncatedSVD(topics - topics % 2, random_state=0).fit(weighted).components_.T
        return cls(tuple(words), stored, *_pack(directions), letters)

    @property
    def size(self) -> int:
        """Numbers of one text."""
        return len(self.steps)

    @property
    def bytes(self) -> int:
        """Directions at half a byte a number, weights at two, words at one a character."""
        return self.packed.numel() + 2 * len(self.weights) + 4 * len(self.steps) + sum(map(len, self.words))

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
        counts = _vectorizer(self.letters, vocabulary=self.words).transform(as_texts(raw, "inputs"))
        found: np.ndarray = (_weighted(counts, self.weights) @ self.directions).astype(np.float32)
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


def _vectorizer(letters: bool, **settings: Any) -> Any:
    """Counts words, or two and three letters in a row."""
    from sklearn.feature_extraction.text import CountVectorizer

    return CountVectorizer(**settings, **({"analyzer": "char_wb", "ngram_range": (2, 3)} if letters else {}))


def _counted(texts: list[str], letters: bool = False) -> tuple[np.ndarray, Any]:
    """Names and counts (N, names) of what enough texts hold; none where nothing is held so often."""
    vectorizer = _vectorizer(letters, min_df=_LEAST)
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:
        return np.array([], dtype=object), np.zeros((len(texts), 1))
    return vectorizer.get_feature_names_out(), counts


def _telling(held, targets: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """How differently targets of the texts that hold each word stand: (words,)."""
    if targets.ndim > 1 or (targets.dtype.kind == "f" and len(np.unique(targets)) > _CLASSES):
        y = targets.reshape(len(targets), -1).astype(np.float64)
        y = (y - y.mean(0)) / np.maximum(y.std(0), 1e-12)
        count = np.asarray(held.sum(0)).ravel()
        # A word of few texts is drawn to the mean of all.
        return _LEAST_TOLD + np.abs(np.asarray(held.T @ y) / (count + _LEAST)[:, None]).max(1)
    _, classes = np.unique(targets, return_inverse=True)
    counts = np.stack([np.asarray(held[classes == k].sum(0)).ravel() for k in range(classes.max() + 1)]) + 1.0
    shares = np.log(counts / (np.bincount(classes) + 2.0)[:, None])
    return _LEAST_TOLD + np.abs(shares - shares.mean(0)).max(0)


def _weighted(counts, weights: Tensor):  # type: ignore[no-untyped-def]
    """Rows of unit length."""
    from sklearn.preprocessing import normalize

    counts = counts.astype(np.float32)
    counts.data = 1 + np.log(counts.data)
    return normalize(counts.multiply(weights.float().numpy()).tocsr())


def _pack(directions: np.ndarray) -> tuple[Tensor, Tensor]:
    """Four bits a number, at the range that costs each direction least: few words may hold most of it."""
    spread = np.sqrt(np.square(directions).mean(0)).clip(1e-12)
    every = np.stack([spread * width / _LEVELS for width in _WIDTHS])
    kept = (directions / every[:, None]).round().clip(-_LEVELS, _LEVELS) * every[:, None]
    steps = every[np.square(kept - directions).sum(1).argmin(0), np.arange(len(spread))]
    numbers = (np.round(directions / steps).clip(-_LEVELS, _LEVELS) + _LEVELS + 1).astype(np.uint8)
    return torch.from_numpy(numbers[:, ::2] << 4 | numbers[:, 1::2]), torch.from_numpy(steps).float()
