"""The engram: synthetic samples, the training that replays them, and how to feed that training raw data.

A file is one safetensors file. Its header holds a JSON manifest with every field of every value; opening
it executes nothing. A digest over manifest and tensors refuses a truncated or altered file.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from . import __version__
from .budget import Precision
from .canvas import Canvas
from .container import check_writable, read_tensors, replace_file, write_tensors
from .errors import ArtefactError
from .fitting import Data, Fitted, fit
from .metrics import Metric
from .network import Network
from .preprocessing import Classes, Preprocessing, Target
from .problem import Task, linear_part
from .spec import decode, encode
from .synthetic import Synthetic
from .training import Training

__all__ = ["Engram", "Replay", "load"]

_FORMAT = 2
"""Version 2 added the linear part; version 1 reads as an engram without one."""


@dataclass(frozen=True, eq=False)
class Replay:
    """A network trained from an engram, which takes raw inputs.

    Args:
        fitted: the trained network (or several, one per seed).
        preprocessing: raw inputs to tensors.
        target: outputs to class names or numbers.
        linear: (d + 1, C) linear part that is added to the outputs.
    """

    fitted: Fitted
    preprocessing: Preprocessing
    target: Target
    linear: Tensor | None = None

    def outputs(self, raw: Any) -> Tensor:
        """Scores (N, C) of raw inputs, averaged over networks, computed in batches."""
        stored = self.preprocessing.encode(raw)
        device = next(iter(self.fitted.params.values())).device
        parts = [torch.zeros(0, self.target.outputs)]
        for start in range(0, len(stored), 1024):
            inputs = self.preprocessing.normalise(stored[start : start + 1024]).to(device)
            found = self.fitted.outputs(inputs).mean(0)
            if self.linear is not None:
                found = found + linear_part(self.linear.to(device), inputs)
            parts.append(found.cpu())
        return torch.cat(parts)

    def predict(self, raw: Any) -> np.ndarray:
        """Class names, or numbers in the target's own units.

        Args:
            raw: inputs as they were given: images, rows, or a DataFrame with the same columns.

        Returns:
            (N,) predictions.

        Raises:
            DataError: wrong shape, not finite.
            UnknownNameError: a column is missing.
        """
        return self.target.decode(self.outputs(raw))

    @property
    def module(self) -> nn.Module:
        """The trained network as an ordinary module; it takes normalised inputs."""
        from copy import deepcopy

        model, params = self.fitted.model, self.fitted.one(0)
        module = deepcopy(model.module)
        for alias, name in model.tied.items():
            if alias in params:
                # A readout fitted in closed form no longer shares its weights.
                layer, _, own = alias.rpartition(".")
                setattr(module.get_submodule(layer), own, nn.Parameter(params[name].clone()))
        known = {key: params[key if key in params else model.tied[key]] for key, _ in module.named_parameters()}
        module.load_state_dict(known, strict=False)
        return module

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write the parameters of the network to a safetensors file."""
        path = check_writable(path, force)
        replace_file(path, save({key: value.contiguous() for key, value in self.fitted.one(0).items()}))
        return path


@dataclass(frozen=True, eq=False)
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

    @classmethod
    def of(cls, canvases: Mapping[str, Canvas], precision: Precision, **rest: Any) -> Self:
        """Round canvases to the stored precision, so that what is scored is what is stored."""
        tensors: dict[str, Tensor] = {}
        plain = encode(dict(canvases), tensors)
        stored = {key: _store(key, value, precision) for key, value in tensors.items()}
        rounded = {key: _restore(parts).to(tensors[key].device) for key, parts in stored.items()}
        scales = {key: parts[1] for key, parts in stored.items() if len(parts) == 2}
        return cls(decode(plain, rounded), precision=precision, scales=scales, **rest)

    @property
    def task(self) -> Task:
        """What a network must fit."""
        return Task(self.preprocessing.shape, self.target.outputs, self.metric)

    @property
    def sets(self) -> dict[str, Data]:
        """The decoded samples by set name."""
        return {name: canvas.decode() for name, canvas in self.canvases.items()}

    @property
    def samples(self) -> Synthetic:
        """The decoded samples of the first set."""
        return next(iter(self.canvases.values())).decode()

    @property
    def items(self) -> int:
        """Synthetic samples in all sets."""
        return sum(len(data) for data in self.sets.values())

    @property
    def canvas_bytes(self) -> int:
        """Cost of inputs and labels at their stored precision."""
        tensors: dict[str, Tensor] = {}
        encode(dict(self.canvases), tensors)
        parts = [part for key, value in tensors.items() for part in _store(key, value, self.precision)]
        return sum(part.numel() * part.element_size() for part in parts)

    @property
    def bytes(self) -> int:
        """What the artefact costs: samples, labels and preprocessing (the manifest's text apart)."""
        linear = 0 if self.linear is None else 4 * self.linear.numel()
        return self.canvas_bytes + self.preprocessing.bytes + linear + 8 * self.target.outputs * (not self._classes)

    @property
    def numbers(self) -> dict[str, int]:
        """How many numbers are stored for each part: sets by name, and the linear part."""
        parts: dict[str, int] = {}
        for name, canvas in self.canvases.items():
            tensors: dict[str, Tensor] = {}
            encode(canvas, tensors)
            parts[name] = sum(tensor.numel() for tensor in tensors.values())
        return parts if self.linear is None else parts | {"linear part": self.linear.numel()}

    @property
    def fingerprint(self) -> str:
        """A hash of the samples, by which what lies beside the file knows it again."""
        digest = hashlib.blake2b(digest_size=16)
        for name, samples in self.sets.items():
            digest.update(name.encode())
            digest.update(samples.inputs.cpu().numpy().tobytes() + samples.targets.cpu().numpy().tobytes())
        return digest.hexdigest()

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
        return Replay(self.fit([seed], network), self.preprocessing, self.target, self.linear)

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
            },
            tensors,
        )
        stored: dict[str, Tensor] = {}
        for key, value in tensors.items():
            exact = not key.startswith("canvases.")
            scale = self.scales.get(key.removeprefix("canvases."))
            values, *scales = (value,) if exact else _store(key, value, self.precision, scale)
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
        ArtefactError: not an engram, written by a newer version, truncated or altered.
        OutputError: no such file.

    Example:
        >>> load("nowhere.engram")
        Traceback (most recent call last):
        ...
        engram.errors.ArtefactError: nowhere.engram: no such file
    """
    tensors, manifest = read_tensors(path)
    if manifest.get("format") not in range(1, _FORMAT + 1):
        raise ArtefactError(f"{path}: format {manifest.get('format')!r} is not one that engram {__version__} reads")
    plain = {}
    for key, value in tensors.items():
        if key.endswith("#scale"):
            continue
        scale = tensors.get(f"{key}#scale")
        plain[key] = _restore((value,) if scale is None else (value, scale))
    try:
        value = decode(manifest["value"], plain)
        engram = Engram(
            canvases=value["canvases"],
            training=value["training"],
            preprocessing=value["preprocessing"],
            target=value["target"],
            metric=value["metric"],
            precision=value["precision"],
            linear=value.get("linear"),
            provenance=dict(manifest["provenance"]),
            scales={
                key.removeprefix("canvases.").removesuffix("#scale"): value
                for key, value in tensors.items()
                if key.endswith("#scale")
            },
        )
        for samples in engram.sets.values():
            if (tuple(samples.inputs.shape[1:]), samples.targets.shape[1]) != (engram.task.shape, engram.task.outputs):
                raise TypeError("samples of another shape than its preprocessing")
        size = (math.prod(engram.task.shape) + 1, engram.task.outputs)
        if engram.linear is not None and tuple(engram.linear.shape) != size:
            raise TypeError("a linear part of another shape than its preprocessing")
        return engram
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, RuntimeError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe an engram ({error})") from error


def _store(key: str, value: Tensor, precision: Precision, scale: Tensor | None = None) -> tuple[Tensor, ...]:
    """A float tensor at a stored precision: the values, and for eight bits their offset and step."""
    if not value.is_floating_point():
        small = value.numel() > 0 and int(value.min()) >= 0 and int(value.max()) < 256
        return (value.to(torch.uint8 if small else torch.int16),)
    if precision is Precision.FLOAT32:
        return (value.float(),)
    if precision is Precision.FLOAT16 or not key.endswith("inputs"):
        limit = torch.finfo(torch.float16).max
        return (value.clamp(-limit, limit).half(),)
    if scale is None:
        low, high = value.min(), value.max()
        scale = torch.stack([low, ((high - low) / 255).clamp_min(1e-12)]).float().cpu()
    low, step = scale.to(value.device)
    return ((value - low) / step).round().clamp(0, 255).to(torch.uint8), scale


def _restore(stored: tuple[Tensor, ...]) -> Tensor:
    values, *scale = stored
    if scale:
        low, step = scale[0].to(values.device)
        return values.float() * step + low
    if values.dtype == torch.float16:
        return values.float()
    return values.long() if values.dtype in (torch.uint8, torch.int16) else values
