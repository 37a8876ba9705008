"""Frozen encoders: what turns texts or images into vectors, opened once, known again by what they say, never stored."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, SettingError
from ..random import stream
from ..spec import load, names
from .cache import cache_folder
from .checks import as_texts
from .preprocessing import Preprocessing
from .vector_cache import VectorCache

__all__ = ["Encoder", "Frozen", "Opened", "Watch", "frozen", "open_encoder"]

Watch = Callable[[float], None]
"""Called with the share of the work that is done."""

_BLOCK, _BATCH = 512, 64
"""Inputs that are kept together, which a callable is given at once; images fewer."""

_PROBES = ("The harbour froze early that winter.", "She sold three tickets, and kept one for herself.")
"""By what is said of these an encoder is known again."""

_ALIKE = 0.999
"""Cosine of two answers of one encoder on two machines."""


class Encoder(Protocol):
    """What turns raw inputs into vectors."""

    @property
    def takes(self) -> Literal["texts", "images"]:
        """What it reads."""
        ...

    @property
    def size(self) -> int:
        """Numbers of one vector."""
        ...

    @property
    def bytes(self) -> int:
        """Cost of what a file keeps of it."""
        ...

    def vectors(self, raw: Any) -> np.ndarray:
        """Raw inputs to vectors (N, size) in single precision."""
        ...


@dataclass(frozen=True, eq=False)
class Opened:
    """An encoder that runs in this process.

    Args:
        call: texts (a list) or images (n, channels, height, width) in [0, 1] to vectors (n, D), as an array or a tensor.
        name: what files and messages call it.
        takes: texts or images; None for both.
        pieces: of words that some texts are cut into before they are read; None where that is not known.
    """

    call: Callable[[Any], Any]
    name: str
    takes: Literal["texts", "images"] | None = None
    pieces: Callable[[list[str]], int] | None = None


@dataclass(frozen=True, eq=False)
class Frozen:
    """An encoder that a file names and does not hold: known again by what it says of two probes.

    Args:
        name: of it.
        says: (2, D) its vectors of the probes, in half precision.
        reads: what turns raw images into pixels; None where it takes texts.

    Example:
        >>> lengths = open_encoder(lambda texts: np.array([[len(text), text.count(" ")] for text in texts], float))
        >>> frozen(lengths).vectors(["to be", "or"]).tolist()
        [[5.0, 1.0], [2.0, 0.0]]
    """

    name: str
    says: Tensor
    reads: Preprocessing | None = None

    @property
    def takes(self) -> Literal["texts", "images"]:
        """What it reads."""
        return "texts" if self.reads is None else "images"

    @property
    def size(self) -> int:
        """Numbers of one vector."""
        return self.says.shape[1]

    @property
    def bytes(self) -> int:
        """What it says of the probes, at two bytes a number, and how pixels are read."""
        return 2 * self.says.numel() + (0 if self.reads is None else self.reads.bytes)

    def vectors(self, raw: Any, watch: Watch | None = None, keep: bool = True) -> np.ndarray:
        """Raw inputs to vectors; what was computed before, in this run or another, is read from the cache.

        Args:
            raw: texts or images.
            watch: called with the share that is done.
            keep: whether the cache keeps them.

        Returns:
            (N, D) in single precision.

        Raises:
            DataError: the encoder is not open in this process, inputs are not what it reads, vectors are not finite.
        """
        whole: Any = as_texts(raw, "inputs") if self.reads is None else self.reads.encode(raw)
        found = np.empty((len(whole), self.size), np.float32)
        for start in range(0, len(whole), _BLOCK):
            some = whole[start : start + _BLOCK]
            found[start : start + _BLOCK] = self._kept(some) if keep else self._computed(some)
            if watch is not None:
                watch(min(1.0, (start + _BLOCK) / len(whole)))
        return found

    def _kept(self, some: Any) -> np.ndarray:
        """One block, as far as it is known from the cache; the rest goes there."""
        name = hashlib.blake2b(self.name.encode() + self.says.numpy().tobytes(), digest_size=16).hexdigest()
        cache = VectorCache(cache_folder("vectors") / f"{name}.sqlite", self.size)
        keys = [hashlib.blake2b(_content(one), digest_size=16).digest() for one in some]
        known = cache.get(keys)
        missing = [k for k, key in enumerate(keys) if key not in known]
        if missing:
            computed = self._computed(some[missing])
            cache.put([keys[k] for k in missing], computed)
            known |= {keys[k]: vector for k, vector in zip(missing, computed, strict=True)}
        return np.stack([known[key] for key in keys])

    def _computed(self, some: Any) -> np.ndarray:
        """One block, by the callable."""
        call, size = _running(self).call, _BATCH if self.reads is not None else _BLOCK
        answers = [_answers(call, self._seen(some[k : k + size])) for k in range(0, len(some), size)]
        return self._checked(np.concatenate(answers), len(some))

    def _seen(self, some: Any) -> Any:
        """What the callable is given: texts, or pixels in [0, 1]."""
        if self.reads is None:
            return list(some)
        low, top = self.reads.low, self.reads.top  # type: ignore[attr-defined]
        return (some.float() - low) / (top - low)

    def _checked(self, found: np.ndarray, count: int) -> np.ndarray:
        if found.shape != (count, self.size):
            raise DataError(
                f"the encoder {self.name!r} gives vectors of shape ({count}, {self.size}); these have shape {found.shape}"
            )
        if not np.isfinite(found).all():
            row = int((~np.isfinite(found)).any(1).argmax())
            raise DataError(f"the vector of input {row} is not finite: {self.name!r} cannot read it; leave it out")
        return found.astype(np.float32)


_OPEN: list[Opened] = []
"""Those of this process: files only name theirs."""

_RUNNING: WeakKeyDictionary[Frozen, Opened] = WeakKeyDictionary()
"""Which of them is which."""


def open_encoder(given: Any, name: str = "") -> Opened:
    """Open an encoder, so that problems can be posed in its vectors, and engrams that were find it.

    Args:
        given: a path (a folder of sentence-transformers, weights of EfficientNet-Lite), or any callable: a list of texts, or images
            (n, channels, height, width) in [0, 1], to vectors (n, D). A module is set to evaluation.
        name: what files call it; its own when empty.

    Returns:
        What `load_problem` takes as `encoder`.

    Raises:
        SettingError: a path that holds no encoder, or what cannot be called.

    Example:
        >>> open_encoder(lambda texts: [[float(len(text))] for text in texts], name="length").name
        'length'
    """
    if isinstance(given, Opened):
        opened = given
    elif isinstance(given, str | os.PathLike):
        opened = _from_path(Path(given).resolve())
    elif callable(given):
        call = given.eval() if isinstance(given, torch.nn.Module) else given
        opened = Opened(call, name or getattr(given, "__name__", type(given).__name__))
    else:
        raise SettingError(f"an encoder is a path or can be called; this is {type(given).__name__}")
    if opened not in _OPEN:
        _OPEN.append(opened)
    return opened


def frozen(opened: Opened, reads: Preprocessing | None = None) -> Frozen:
    """What a file keeps of an encoder.

    Args:
        opened: the encoder.
        reads: raw images to pixels; None for texts.

    Returns:
        Its name, and what it says of the probes.

    Raises:
        SettingError: it takes the other kind, or gives no vectors.
    """
    kind = "texts" if reads is None else "images"
    if opened.takes not in (None, kind):
        raise SettingError(f"the encoder {opened.name!r} takes {opened.takes}, and the data are {kind}")
    return Frozen(opened.name, torch.from_numpy(_said(opened, reads)).half(), reads)


def _said(opened: Opened, reads: Preprocessing | None) -> np.ndarray:
    """Vectors of the probes."""
    probes: Any = list(_PROBES)
    if reads is not None:
        probes = torch.rand(len(_PROBES), *reads.shape, generator=stream(0, "probe of encoders"))
    try:
        found = _answers(opened.call, probes)
    except Exception as error:
        what = "texts" if reads is None else f"images of shape {reads.shape}"
        reason = " ".join(str(error).split())[:200]
        raise SettingError(
            f"the encoder {opened.name!r} cannot read {what} ({type(error).__name__}: {reason})"
        ) from error
    if found.ndim != 2 or len(found) != len(_PROBES) or found.shape[1] < 1 or not np.isfinite(found).all():
        raise SettingError(
            f"the encoder {opened.name!r} gives {found.shape} for two inputs: it must give (2, D) numbers"
        )
    return found


def _running(encoder: Frozen) -> Opened:
    """The open encoder that says what this one said; it is asked once."""
    if (last := _RUNNING.get(encoder)) in _OPEN:
        return last
    for opened in reversed(_OPEN):
        if opened.takes not in (None, encoder.takes):
            continue
        try:
            said = _said(opened, encoder.reads)
        except SettingError:
            continue
        if said.shape == encoder.says.shape and _cosine(said, encoder.says.float().numpy()) > _ALIKE:
            _RUNNING[encoder] = opened
            return opened
    raise DataError(
        f"inputs pass through the encoder {encoder.name!r}, which no file holds: pass --encoder PATH (open_encoder(...) in "
        f"Python), or its vectors of {encoder.size} numbers in place of {encoder.takes}"
    )


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """The smallest over rows."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(1) / np.maximum(lengths, 1e-12)).min())


def _content(one: Any) -> bytes:
    """What tells one text or image from others."""
    return one.encode(errors="replace") if isinstance(one, str) else one.cpu().numpy().tobytes()


def _answers(call: Callable[[Any], Any], some: Any) -> np.ndarray:
    with torch.no_grad():
        found = call(some)
    return np.asarray(found.detach().cpu() if isinstance(found, Tensor) else found, dtype=np.float32)


@cache
def _from_path(path: Path) -> Opened:
    """Opened once in a process."""
    for word in names("encoders"):
        kind: Any = load("encoders", word)
        if kind.claims(path):
            opened: Opened = kind.open(path)
            return opened
    there = "holds no encoder that is known" if path.exists() else "is not there"
    raise SettingError(
        f"{path} {there}: give a folder of sentence-transformers (modules.json, config.json, model.safetensors) for texts, or "
        "weights of EfficientNet-Lite (.pth) for images"
    )
