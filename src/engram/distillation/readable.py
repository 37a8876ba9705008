"""Vectors as texts: for each sample the real texts, or the words, that the encoder puts where the sample is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..data.encoder import Encoder, Frozen
from ..data.metrics import score
from ..data.preprocessing.encoded import Encoded
from ..data.problem import Problem
from ..data.topics import Topics
from ..errors import SettingError
from ..learning.fitting import fit, outputs
from ..learning.training import Ridge
from ..memory.engram import Engram
from ..memory.readable import Readable
from ..samples.synthetic import Synthetic
from .batches import few
from .label_solve import solved_labels

__all__ = ["Wording", "readable", "with_readable"]

Wording = Literal["words", "real", "none"]
"""Words of the vocabulary, each of at least five texts; texts of the data; nothing."""

_PARTS, _LEAST = {"words": 48, "real": 12}, 3
"""Most words, or texts, that are joined, and fewest that may be."""

_TRIED = {"words": 24, "real": 12}
"""Of those whose vectors promise most, encoded to see what they do."""

_DRAFTS = {"words": 10_000, "real": 2_000}
"""That a network encodes for all samples, about; counting words costs nothing."""

_PATIENCE, _GAIN = 4, 1e-4
"""Parts that may be joined in vain: by which no larger share of the targets is explained."""

_TEXTS = 10_000
"""Real texts among which parts are sought."""

_FREEDOM, _RIDGE = 200.0, 1e-3
_SEEDS = [2_000_001, 2_000_002, 2_000_003]
_ROUNDED = 4


def readable(
    engram: Engram,
    problem: Problem,
    wording: Literal["words", "real"] = "words",
    watch: Callable[[float], None] | None = None,
) -> Readable:
    r"""Find a text for each sample, parts joined one by one: of those that turn its vector most to the sample's, the best.

    .. math:: t_i \leftarrow t_i\,\Vert\,\arg\max_{p \in P_i} w(t_i\,\Vert\,p), \qquad P_i = \text{best}_p \cos\big(f(t_i) + f(p),\ x_i\big)

    w is the cosine with the sample for a network f; for weighted words, the share of the targets that a readout in the span of all
    texts so far explains. Labels are then solved for (`label_solve`), since a text stands near its sample and not on it.

    Args:
        engram: of texts.
        problem: the texts.
        wording: words of the vocabulary, or texts of the data, which then stand in the file.
        watch: called with the share that is done.

    Returns:
        The view, with its score on validation rows.

    Raises:
        SettingError: the engram is not of texts.

    References:
        Orthogonal matching pursuit (Pati et al. 1993), in the space of an encoder.

    Example:
        >>> from engram import PerClass, distill
        >>> said = ["a good day", "a fine day", "a bad night", "a sad night"] * 15
        >>> texts = Problem.from_arrays(said, [1, 1, 0, 0] * 15)
        >>> readable(distill(texts, budget=PerClass(1), steps=20), texts).real
        False
    """
    preprocessing = engram.preprocessing
    if not isinstance(preprocessing, Encoded) or preprocessing.encoder.takes != "texts" or problem.train.raw is None:
        raise SettingError("the readable view is of texts: leave --readable out")
    if wording == "real":
        some = few(problem.train, _TEXTS)
        parts, vectors = np.asarray(some.raw), some.inputs.cpu()
    else:
        encoder = preprocessing.encoder
        words = encoder.words if isinstance(encoder, Topics) else Topics.fit(np.asarray(problem.train.raw)).words
        parts = np.array(words, dtype=object)
        vectors = preprocessing.encode(parts)
    wanted, found = engram.samples.inputs.cpu(), []
    # A network's vectors are followed closely; counted words are further away, and chosen for what they teach together.
    teaches = _Span.of(problem) if isinstance(preprocessing.encoder, Topics) else None
    texts = wanted.clone()
    most = _PARTS[wording]
    if not isinstance(preprocessing.encoder, Topics):
        most = min(most, max(_LEAST, _DRAFTS[wording] // (_TRIED[wording] * len(wanted))))
    for k, one in enumerate(wanted):

        def worth(drafts: Tensor, k: int = k) -> Tensor:
            if teaches is None:
                return torch.cosine_similarity(drafts, wanted[k][None])
            return torch.stack([teaches.explained(torch.cat([texts[:k], one[None]])) for one in drafts])

        text, texts[k] = _worded(one, parts, vectors, preprocessing, most, _TRIED[wording], worth)
        found.append(text)
        if watch is not None:
            watch((k + 1) / len(wanted))
    view = Readable(tuple(found), tuple(map(tuple, engram.samples.targets.tolist())), wording == "real")
    main = view.engram(engram).samples
    if isinstance(engram.training.phases[-1].solver, Ridge):
        y = solved_labels(problem, engram.training, {"main": main}, None, _FREEDOM)
        main = Synthetic(main.inputs, y)
    labels = tuple(tuple(round(v, _ROUNDED) for v in row) for row in main.targets.tolist())
    view = replace(view, labels=labels)
    said = outputs(fit(engram.training, problem.task, view.engram(engram).sets, _SEEDS), problem.validation)
    reached = float(score(problem.metric, said, problem.validation.targets).mean())
    return replace(view, validation=reached)


def with_readable(
    engram: Engram, problem: Problem, wording: Wording, watch: Callable[[float], None] | None = None
) -> Engram:
    """The engram with its readable view, where it is of texts and one is wanted; never of samples that were promised to look no more."""
    encoder = getattr(engram.preprocessing, "encoder", None)
    if "guarantee" in engram.provenance:
        return engram
    if wording == "none" or encoder is None or encoder.takes != "texts" or not engram.labelled:
        return engram
    view = readable(engram, problem, wording, watch)
    return replace(engram, provenance=dict(engram.provenance) | {"readable": view.as_json()})


def _worded(
    wanted: Tensor,
    parts: np.ndarray,
    vectors: Tensor,
    preprocessing: Encoded,
    most: int,
    tries: int,
    worth: Callable[[Tensor], Tensor],
) -> tuple[str, Tensor]:
    """The text of one sample and its vector; parts are joined a little beyond the best, since what they teach does not only rise."""
    chosen: list[int] = []
    now, best, tired = torch.zeros_like(wanted), -np.inf, 0
    text, kept = "", wanted
    while len(chosen) < min(most, len(parts)) and tired < _PATIENCE:
        # What a text of these parts would be if encoders averaged.
        promise = torch.cosine_similarity(len(chosen) * now + vectors, wanted[None])
        promise[chosen] = -torch.inf
        tried = promise.topk(min(tries, len(parts) - len(chosen))).indices.tolist()
        drafts = [" ".join(parts[[*chosen, one]]) for one in tried]
        found = preprocessing.standardised(_fresh(preprocessing.encoder, drafts))
        worths = worth(found)
        place = int(worths.argmax())
        chosen.append(tried[place])
        now, tired = found[place], tired + 1
        if float(worths[place]) > best + _GAIN:
            best, text, kept, tired = float(worths[place]), drafts[place], now, 0
    return text, kept


@dataclass(frozen=True, eq=False)
class _Span:
    """How much of the targets a readout explains that lies in the span of some vectors.

    Args:
        moments: (D, D) of the centred inputs of real rows, a mean over rows.
        targets: (D, C) their products with centred targets.
        total: variance of the targets.
    """

    moments: Tensor
    targets: Tensor
    total: float

    @classmethod
    def of(cls, problem: Problem) -> "_Span":
        """Measured on at most so many rows as are sought among."""
        x, y, w = few(problem.train, _TEXTS).batch(slice(None))
        weights = (torch.ones(len(x)) if w is None else w.cpu())[:, None] / len(x)
        x, y = (part.cpu() - (weights * part.cpu()).sum(0) / weights.sum() for part in (x.flatten(1), y))
        return cls((weights * x).T @ x, (weights * x).T @ y, float((weights * y.square()).sum()))

    def explained(self, vectors: Tensor) -> Tensor:
        """The share of the targets' variance, between 0 and 1."""
        gram, reads = vectors @ self.moments @ vectors.T, vectors @ self.targets
        ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram))
        return (reads * torch.linalg.solve(gram + ridge, reads)).sum() / self.total


def _fresh(encoder: Encoder, texts: list[str]) -> Any:
    """Vectors of drafts, which no cache needs to keep."""
    return encoder.vectors(texts, keep=False) if isinstance(encoder, Frozen) else encoder.vectors(texts)
