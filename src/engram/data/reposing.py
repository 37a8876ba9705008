"""The same rows seen through another preprocessing: another problem's, or a frozen encoder."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from .encoder import Frozen, Opened, Watch, frozen
from .metrics import Metric
from .posing import balance
from .preprocessing import Preprocessing
from .preprocessing.encoded import Encoded
from .preprocessing.pixels import Pixels
from .split import Split
from .stored import held
from .targets import Target
from .topics import Topics

__all__ = ["encoded", "reposed"]

_PARTS = ("train", "select", "test")
_LOOKED, _LETTERS = 200, 2.0
"""Texts whose pieces are counted; letters of a piece below which an encoder knows no words, only letters."""


def reposed(
    problem: Any, preprocessing: Preprocessing, target: Target, metric: Metric, linear: Tensor | None
) -> dict[str, Any]:
    """The fields of a problem that another problem's fitted preprocessing changes: see `Problem.under`."""
    fits = isinstance(preprocessing, type(problem.preprocessing)) and isinstance(target, type(problem.target))
    if isinstance(preprocessing, Encoded):
        # Whatever holds the raw inputs that its encoder reads.
        fits = fits or (preprocessing.encoder.takes == "images" and isinstance(problem.preprocessing, Pixels))
    if not fits:
        raise DataError(
            f"{problem.name} has inputs of shape {problem.task.shape} and metric {problem.metric.value}; the engram is for "
            f"inputs of shape {preprocessing.shape}: give data of the same kind"
        )
    problem, weights = held(problem), None
    if metric is Metric.BALANCED_ACCURACY:
        labels = target.encode(problem.target.decode(problem.target.scores(problem.train.targets)))
        weights = balance(torch.bincount(labels, minlength=target.outputs))

    def again(split: Split) -> Split:
        whole = (split if problem.linear is None else split.minus(-problem.linear)).held()
        raw: Any = problem.preprocessing.recover(whole.inputs) if whole.raw is None else whole.raw
        labels = problem.target.decode(problem.target.scores(whole.targets))
        seen = Split(preprocessing.encode(raw), target.encode(labels), preprocessing, target, weights, raw=whole.raw)
        return seen if linear is None else seen.minus(linear.cpu())

    splits = {part: again(getattr(problem, part)) for part in _PARTS}
    return splits | {"preprocessing": preprocessing, "target": target, "metric": metric, "linear": linear}


def encoded(problem: Any, opened: Opened, watch: Watch | None) -> dict[str, Any]:
    """The fields of a problem that a frozen encoder changes: see `Problem.through`."""
    own, columns = problem.preprocessing, tuple[str, ...]()
    if isinstance(own, Pixels):
        problem, encoder = held(problem), frozen(opened, own)
        raw: dict[str, Any] = {part: getattr(problem, part).inputs.cpu().numpy() for part in _PARTS}
        raw_bytes = own.item_bytes(4)
    elif isinstance(own, Encoded) and isinstance(own.encoder, Topics):
        encoder = frozen(opened)
        raw = {part: getattr(problem, part).raw for part in _PARTS}
        raw_bytes, columns = own.raw_bytes, own.text_columns
    else:
        raise DataError(
            f"{problem.name} holds neither images nor texts: an encoder reads one column of texts (--columns NAME --kind text) or "
            "pixels"
        )
    vectors = _vectors(encoder, raw, watch)
    preprocessing = Encoded.fit(encoder, vectors["train"], raw_bytes, columns)
    splits = {
        part: replace(
            getattr(problem, part),
            inputs=preprocessing.standardised(vectors[part]),
            preprocessing=preprocessing,
            raw=raw[part],
        )
        for part in _PARTS
    }
    notes = (*problem.notes, *_strange(opened, raw["train"])) if encoder.takes == "texts" else problem.notes
    return splits | {"preprocessing": preprocessing, "names": (), "notes": notes}


def _vectors(encoder: Frozen, raw: dict[str, Any], watch: Watch | None) -> dict[str, np.ndarray]:
    """Of every split, telling how far all of them are."""
    total, before, found = sum(map(len, raw.values())), 0, {}
    for part, inputs in raw.items():
        share, done = len(inputs) / total, before / total

        def told(own: float, share: float = share, done: float = done) -> None:
            if watch is not None:
                watch(done + share * own)

        found[part] = encoder.vectors(inputs, told)
        before += len(inputs)
    return found


def _strange(opened: Opened, texts: np.ndarray) -> list[str]:
    """A warning where an encoder falls back on letters."""
    if opened.pieces is None:
        return []
    some = list(texts[:: -(-len(texts) // _LOOKED)])
    letters = sum(len("".join(text.split())) for text in some) / max(1, opened.pieces(some))
    if letters >= _LETTERS:
        return []
    return [
        f"the encoder {opened.name!r} reads these texts in pieces of {letters:.1f} letters: it hardly knows their language; try another, "
        "or none"
    ]
