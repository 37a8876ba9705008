"""A network trained from an engram, which takes raw inputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import __version__
from ..data.linear_part import linear_part
from ..data.preprocessing import Preprocessing
from ..data.targets import Classes, Target
from ..errors import SettingError
from ..learning.fitting import Fitted
from ..learning.network import Network
from ..spec import encode
from .container import write_tensors

__all__ = ["MODEL_FORMAT", "Held", "Replay"]

MODEL_FORMAT = 1

_LEAST_CHANCE = 1e-6
"""Of a class: no prediction is certain."""


class Held(nn.Module):
    """A module that sees each number held between bounds.

    Args:
        module: of inputs (N, *shape).
        low: (*shape,).
        high: (*shape,).
    """

    low: Tensor
    high: Tensor

    def __init__(self, module: nn.Module, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.module = module
        self.register_buffer("low", low.clone())
        self.register_buffer("high", high.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        """What the module says of inputs within the bounds."""
        found: Tensor = self.module(inputs.clamp(self.low, self.high))
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Replay:
    """A network trained from an engram, which takes raw inputs.

    Args:
        fitted: the trained network (or several, one per seed).
        preprocessing: raw inputs to tensors.
        target: outputs to class names or numbers.
        linear: (d + 1, C) linear part that is added to the outputs.
        network: the architecture; None where a file has not to keep it.
    """

    fitted: Fitted
    preprocessing: Preprocessing
    target: Target
    linear: Tensor | None = None
    network: Network | None = None

    def __repr__(self) -> str:
        size = sum(value.numel() for value in self.fitted.one(0).values())
        return f"Replay({size:,} parameters, inputs of shape {self.preprocessing.shape}, {self.target.outputs} outputs)"

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
    def classes_(self) -> np.ndarray:
        """The classes in the order of the probabilities, in the type that labels had."""
        return self._classes.labels

    def predict_proba(self, raw: Any) -> np.ndarray:
        r"""Probabilities of the classes: :math:`p_c \propto \max(y_c + 1/C, 0)`, what squared error estimates.

        Args:
            raw: as `predict` takes it.

        Returns:
            (N, C), rows summing to one, in the order of `classes_`.

        Raises:
            SettingError: the target is a number.
        """
        chances = (self.outputs(raw) + 1 / self._classes.outputs).clamp_min(_LEAST_CHANCE).double()
        found: np.ndarray = (chances / chances.sum(1, keepdim=True)).numpy()
        return found

    @property
    def _classes(self) -> Classes:
        if not isinstance(self.target, Classes):
            raise SettingError("the target is a number, which has no probabilities of classes: call predict")
        return self.target

    @property
    def module(self) -> nn.Module:
        """The trained network as an ordinary module; it takes normalised inputs, and holds them where its training does."""
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
        bounds = self.fitted.bounds
        return module if bounds is None else Held(module, bounds["low"][0], bounds["high"][0])

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write the network with all it takes to predict: `load_model` opens it, any safetensors reader its parameters.

        Args:
            path: conventionally ``NAME.safetensors``.
            force: whether an existing file may be replaced.

        Returns:
            The path.

        Raises:
            OutputError: the file exists, or its folder cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        bounds = self.fitted.bounds
        parts: dict[str, Any] = {
            "network": self.network,
            "preprocessing": self.preprocessing,
            "target": self.target,
            "linear": self.linear,
            "bounds": None if bounds is None else {key: value[0] for key, value in bounds.items()},
        }
        plain, params = encode(parts, tensors), self.fitted.one(0)
        manifest = {"model": MODEL_FORMAT, "engram": __version__, "value": plain, "parameters": sorted(params)}
        write_tensors(path, params | {f"model.{key}": value for key, value in tensors.items()}, manifest, force)
        return Path(path)
