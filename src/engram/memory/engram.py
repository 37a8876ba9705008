"""The engram: synthetic samples, the training that replays them, and how to feed that training raw data.

A file is one safetensors file. Its header holds a JSON manifest with every field of every value; opening
it executes nothing. A digest over manifest and tensors refuses a truncated or altered file.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from .. import __version__
from ..data.metrics import Metric
from ..data.preprocessing import Preprocessing
from ..data.targets import Classes, Target
from ..data.task import Task
from ..errors import ArtefactError
from ..learning.fitting import Fitted, fit
from ..learning.network import Network
from ..learning.training import Training
from ..samples.budget import Precision
from ..samples.canvas import Canvas, is_coarse
from ..samples.synthetic import Synthetic
from ..spec import decode, encode
from .container import read_tensors, write_tensors
from .files import check_writable
from .quantisation import restore, store
from .replay import Replay
from .schema import Provenance, require
from .soundness import require_sound

__all__ = ["Engram", "load"]

_MAIN = "main"
"""The set of labelled samples."""

_FORMAT = 5
"""2 added the linear part, 3 the temperature of labels and the type of classes, 4 labels of four bits and bounded
trainings, 5 canvases of four bits; what is missing takes its default."""


@dataclass(frozen=True, eq=False, repr=False)
class Engram:
    """A memory trace: a few synthetic samples and all it takes to learn from them.

    Args:
        canvases: free tensors by the name of the set that a phase reads, rounded to `precision`.
        training: network and phases of the replay.
        preprocessing: fitted on the real training data.
        target: class names, or mean and scale of the real target.
        metric: by which it is scored.
        precision: of stored inputs; labels keep at least sixteen bits.
        provenance: method, budget, seed, data fingerprint, history, scores, as plain JSON.
        scales: (offset, step) of every eight-bit tensor, so that saving rounds nothing a second time.
        linear: (d + 1, C) linear part that `Problem.residual` took off the targets, added back at prediction.
        temperature: of the probabilities of classes (`lesson.probabilities`), at least 0; the replay reads scores.

    Example:
        >>> import engram
        >>> problem = engram.load_problem("wine")
        >>> memory = engram.distill(problem, budget=engram.PerClass(1), steps=10)
        >>> memory.replay(seed=0).predict(problem.preprocessing.decode(problem.test.inputs[:1])).shape
        (1,)
    """

    canvases: Mapping[str, Canvas]
    training: Training
    preprocessing: Preprocessing
    target: Target
    metric: Metric
    precision: Precision = Precision.FLOAT32
    provenance: Mapping[str, Any] = field(default_factory=dict)
    scales: Mapping[str, Tensor] = field(default_factory=dict)
    linear: Tensor | None = None
    temperature: float = 0.1

    def __repr__(self) -> str:
        score = self.provenance.get("scores", {}).get("engram")
        known = f", test {self.metric.value} {score['mean']:.4f}" if score else ""
        name = self.provenance.get("problem", "data")
        return f"Engram({name}: {self.items} samples of shape {self.task.shape}, {self.bytes:,} bytes{known})"

    @classmethod
    def of(cls, canvases: Mapping[str, Canvas], precision: Precision, **rest: Any) -> Self:
        """Round canvases to the stored precision, so that what is scored is what is stored."""
        tensors: dict[str, Tensor] = {}
        plain = encode(dict(canvases), tensors)
        kinds = {key: is_coarse(canvases[key.partition(".")[0]]) for key in tensors}
        stored = {key: store(key, value, precision, coarse=kinds[key]) for key, value in tensors.items()}
        rounded = {key: restore(parts).to(tensors[key].device) for key, parts in stored.items()}
        scales = {key: parts[1] for key, parts in stored.items() if len(parts) == 2}
        return cls(decode(plain, rounded), precision=precision, scales=scales, **rest)

    @property
    def task(self) -> Task:
        """What a network must fit."""
        return Task(self.preprocessing.shape, self.target.outputs, self.metric)

    @property
    def sets(self) -> dict[str, Synthetic]:
        """The decoded samples by set name, those that any training may read first."""
        # A file keeps sets in the order of their names.
        names = sorted(self.canvases, key=lambda name: (name != _MAIN, name))
        return {name: self.canvases[name].decode() for name in names}

    @property
    def samples(self) -> Synthetic:
        """The decoded samples of the first set."""
        name = _MAIN if self.labelled else min(self.canvases)
        return self.canvases[name].decode()

    @property
    def labelled(self) -> bool:
        """Whether a set holds labelled samples that any training may read, not the theory's points alone."""
        return _MAIN in self.canvases

    @property
    def items(self) -> int:
        """Synthetic samples in all sets."""
        return sum(len(data) for data in self.sets.values())

    @property
    def stored_as(self) -> str:
        """The precision of inputs, in words."""
        return "four bits" if any(map(is_coarse, self.canvases.values())) else self.precision.value

    @property
    def canvas_bytes(self) -> int:
        """Cost of inputs and labels at their stored precision."""
        tensors: dict[str, Tensor] = {}
        encode(dict(self.canvases), tensors)
        stored = (self._stored(key, value) for key, value in tensors.items())
        return sum(part.numel() * part.element_size() for parts in stored for part in parts)

    @property
    def bytes(self) -> int:
        """What the artefact costs: samples, labels and preprocessing (the manifest's text apart)."""
        linear = 0 if self.linear is None else 4 * self.linear.numel()
        return self.canvas_bytes + self.preprocessing.bytes + linear + 8 * self.target.outputs * (not self._classes)

    @property
    def numbers(self) -> dict[str, int]:
        """How many numbers are stored for each part: sets by name, and the linear part."""
        tensors: dict[str, Tensor] = {}
        encode(dict(self.canvases), tensors)
        sizes = {key: tensor.numel() for key, tensor in tensors.items()}
        parts = {name: sum(v for key, v in sizes.items() if key.partition(".")[0] == name) for name in self.canvases}
        return parts if self.linear is None else parts | {"linear part": self.linear.numel()}

    @property
    def fingerprint(self) -> str:
        """A hash of the samples, by which what lies beside the file knows it again."""
        digest = hashlib.blake2b(digest_size=16)
        for name, samples in self.sets.items():
            digest.update(name.encode())
            digest.update(samples.inputs.cpu().numpy().tobytes() + samples.targets.cpu().numpy().tobytes())
        return digest.hexdigest()

    def _stored(self, key: str, value: Tensor) -> tuple[Tensor, ...]:
        coarse = is_coarse(self.canvases[key.partition(".")[0]])
        return store(key, value, self.precision, self.scales.get(key), coarse)

    @property
    def _classes(self) -> bool:
        return isinstance(self.target, Classes)

    def to(self, device: torch.device | str) -> "Engram":
        """The same engram with its samples on another device."""
        tensors: dict[str, Tensor] = {}
        plain = encode(dict(self.canvases), tensors)
        moved = decode(plain, {key: value.to(device) for key, value in tensors.items()})
        return replace(self, canvases=moved, linear=None if self.linear is None else self.linear.to(device))

    def fit(self, seeds: list[int], network: Network | None = None, observe: Any = None) -> Fitted:
        """Train one fresh network per seed from the samples."""
        training = self.training if network is None else self.training.on(network)
        return fit(training, self.task, self.sets, seeds, observe)

    def replay(self, seed: int = 0, network: Network | None = None) -> Replay:
        """Train a fresh network from the samples.

        Args:
            seed: of its initial parameters.
            network: another architecture than the engram's own; a wider one learns more slowly (`Training.on`).

        Returns:
            A model that takes raw inputs.

        Raises:
            NetworkError: a custom network whose factory was not passed.
        """
        fitted = self.fit([seed], network)
        return Replay(fitted, self.preprocessing, self.target, self.linear, network or self.training.network)

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write one safetensors file, atomically.

        Args:
            path: conventionally ``NAME.engram``.
            force: whether an existing file may be replaced.

        Returns:
            The path.

        Raises:
            OutputError: the file exists, or its folder cannot be written.
        """
        path = check_writable(path, force)
        tensors: dict[str, Tensor] = {}
        plain = encode(
            {
                "canvases": dict(self.canvases),
                "training": self.training,
                "preprocessing": self.preprocessing,
                "target": self.target,
                "metric": self.metric,
                "precision": self.precision,
                "linear": self.linear,
                "temperature": self.temperature,
            },
            tensors,
        )
        stored: dict[str, Tensor] = {}
        for key, value in tensors.items():
            exact = not key.startswith("canvases.")
            values, *scales = (value,) if exact else self._stored(key.removeprefix("canvases."), value)
            stored[key] = values
            if scales:
                stored[f"{key}#scale"] = scales[0]
        manifest = {"format": _FORMAT, "engram": __version__, "value": plain, "provenance": dict(self.provenance)}
        write_tensors(path, stored, manifest, force=True)
        return path


def load(path: str | Path) -> Engram:
    """Open an engram; nothing in the file is executed.

    Args:
        path: a file that `Engram.save` wrote.

    Returns:
        The engram.

    Raises:
        ArtefactError: not an engram, written by a newer version, truncated, altered or missing.

    Example:
        >>> load("nowhere.engram")
        Traceback (most recent call last):
        ...
        engram.errors.ArtefactError: nowhere.engram: no such file
    """
    tensors, manifest = read_tensors(path)
    found = manifest.get("format")
    if isinstance(found, int) and found > _FORMAT:
        raise ArtefactError(
            f"{path} is of format {found}, which engram {manifest.get('engram')} reads and this engram {__version__} does "
            f"not: pip install --upgrade engram-distillation"
        )
    if found not in range(1, _FORMAT + 1):
        raise ArtefactError(f"{path}: {found!r} is no format of an engram")
    require(manifest.get("provenance"), Provenance, str(path))
    try:
        scales = {key.removesuffix("#scale"): value for key, value in tensors.items() if key.endswith("#scale")}
        plain = {
            key: restore((value, scales[key]) if key in scales else (value,))
            for key, value in tensors.items()
            if not key.endswith("#scale")
        }
        value = decode(manifest["value"], plain)
        engram = Engram(
            canvases=value["canvases"],
            training=value["training"],
            preprocessing=value["preprocessing"],
            target=value["target"],
            metric=value["metric"],
            precision=value["precision"],
            linear=value.get("linear"),
            temperature=float(value.get("temperature", 0.1)),
            provenance=dict(manifest["provenance"]),
            scales={key.removeprefix("canvases."): value for key, value in scales.items()},
        )
        require_sound(engram)
        return engram
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe an engram ({error})") from error
