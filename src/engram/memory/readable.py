"""The readable view of an engram of texts: a text for each sample, with a label, in place of a vector."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..data.preprocessing.encoded import Encoded
from ..samples.canvas.plain import Plain
from .engram import Engram

__all__ = ["Readable"]


@dataclass(frozen=True)
class Readable:
    """Texts that stand for the samples of an engram.

    Args:
        texts: one for each sample.
        labels: scores of each, as the replay reads them.
        real: whether they are texts of the data; else words of the vocabulary.
        validation: score of networks that they taught, on validation rows.

    Example:
        >>> Readable(("oil prices",), ((0.5, -0.5),), False, 0.9).as_json()["real"]
        False
    """

    texts: tuple[str, ...]
    labels: tuple[tuple[float, ...], ...]
    real: bool
    validation: float | None = None

    @classmethod
    def of(cls, engram: Engram) -> "Readable | None":
        """The view that a file holds; None where it holds none, or a damaged one."""
        known = engram.provenance.get("readable")
        try:
            texts = tuple(map(str, known["texts"]))  # type: ignore[index]
            labels = tuple(tuple(float(v) for v in row) for row in known["labels"])  # type: ignore[index]
            found = cls(texts, labels, bool(known["real"]), known.get("validation"))  # type: ignore[index, union-attr]
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        fits = len(texts) == len(labels) > 0 and {len(row) for row in labels} == {engram.target.outputs}
        return found if fits and isinstance(engram.preprocessing, Encoded) else None

    def engram(self, engram: Engram) -> Engram:
        """The engram whose samples are these texts, encoded.

        Args:
            engram: of which this is a view.

        Returns:
            One that replays from texts.

        Raises:
            DataError: its encoder is not open (`encoder.open_encoder`).
        """
        own = engram.samples
        inputs = engram.preprocessing.encode(list(self.texts)).to(own.inputs)
        canvas = Plain(inputs, torch.tensor(self.labels).to(own.targets))
        return replace(engram, canvases={"main": canvas}, scales={})

    @property
    def bytes(self) -> int:
        """Texts at a byte a character of UTF-8, labels at two a number."""
        return sum(len(text.encode()) for text in self.texts) + 2 * sum(map(len, self.labels))

    def as_json(self) -> Mapping[str, Any]:
        """Plain JSON."""
        return {
            "texts": list(self.texts),
            "labels": [list(row) for row in self.labels],
            "real": self.real,
            "validation": self.validation,
        }
