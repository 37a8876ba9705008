"""What is predicted: class names, or numbers in units of their own."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, UnknownNameError, nearest
from .checks import numeric, require_finite, single

__all__ = ["Classes", "Numbers", "Target", "rename"]

_KINDS: dict[str, Literal["int", "float", "bool"]] = {"i": "int", "u": "int", "f": "float", "b": "bool"}


@dataclass(frozen=True)
class Classes:
    r"""Class labels as indicator rows, centred: :math:`y_c = 1\{c\} - 1/C`.

    Args:
        names: at least two, in the order of the outputs.
        dtype: the type that labels had: str, int, float or bool.
        column: of the table they stood in; empty where there was none.

    Example:
        >>> Classes(("cat", "dog")).encode(np.array(["dog"])).tolist()
        [1]
    """

    names: tuple[str, ...]
    dtype: Literal["str", "int", "float", "bool"] = "str"
    column: str = ""

    @classmethod
    def fit(cls, raw: np.ndarray) -> "Classes":
        """List the classes in sorted order."""
        values = np.unique(raw)
        if len(values) < 2:
            raise DataError(f"the target is constant ({values[:1].tolist()}): there is nothing to learn")
        return cls(tuple(_class_name(v) for v in values), _KINDS.get(values.dtype.kind, "str"))

    @property
    def outputs(self) -> int:
        """Number of classes."""
        return len(self.names)

    @property
    def label_bytes(self) -> int:
        """Cost of one hard label."""
        return 1 if len(self.names) <= 256 else 2

    def encode(self, raw: Any) -> Tensor:
        """Labels to class numbers (N,)."""
        index = {name: k for k, name in enumerate(self.names)}
        words = [_class_name(v) for v in np.asarray(raw).tolist()]
        for word in words:
            if word not in index:
                raise UnknownNameError(f"label {word!r} is not a class; {nearest(word, self.names)}")
        return torch.tensor([index[word] for word in words], dtype=torch.int64)

    def scores(self, targets: Tensor) -> Tensor:
        """Class numbers (N,) to what a network's outputs are compared with (N, C)."""
        return torch.nn.functional.one_hot(targets.long(), len(self.names)).float() - 1 / len(self.names)

    def decode(self, scores: Tensor) -> np.ndarray:
        """Outputs to classes, in the type that labels had."""
        return self.labels[scores.detach().cpu().argmax(-1).numpy()]

    @property
    def labels(self) -> np.ndarray:
        """The classes in the type that labels had."""
        if self.dtype == "bool":
            return np.array([name == "True" for name in self.names])
        if self.dtype == "str":
            return np.array(self.names, dtype=object)
        return np.array([float(name) if self.dtype == "float" else int(name) for name in self.names])


@dataclass(frozen=True)
class Numbers:
    r"""Real targets, standardised: :math:`(y - \mu)/\sigma`.

    Args:
        name: of the target.
        mean: one number per output.
        std: one positive number per output.
        names: of several outputs.
        binary: whether outputs are 0 or 1, and predictions are rounded to them.

    Example:
        >>> Numbers.fit(np.array([1.0, 3.0])).encode([3.0]).tolist()
        [[1.0]]
    """

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    names: tuple[str, ...] = ()
    binary: bool = False

    @classmethod
    def fit(cls, raw: np.ndarray, name: str = "target") -> "Numbers":
        """Measure mean and standard deviation of each output."""
        values = numeric(np.asarray(raw), "the target").astype(np.float64)
        values = values.reshape(len(values), -1)
        require_finite(values, "the target")
        require_finite(np.abs(values[:1]) + np.square(values).sum(0), "squares of the target")
        std = values.std(0)
        if (std <= 1e-12 * np.maximum(1, np.abs(values.mean(0)))).any():
            raise DataError("the target is constant: there is nothing to learn")
        return cls(name, tuple(values.mean(0).tolist()), tuple(std.tolist()))

    @property
    def outputs(self) -> int:
        """Number of outputs."""
        return len(self.mean)

    @property
    def label_bytes(self) -> int:
        """Cost of one target, in float32."""
        return 4 * len(self.mean)

    def encode(self, raw: Any) -> Tensor:
        """Targets to standardised float32 (N, outputs)."""
        values = numeric(np.asarray(raw), "the target").astype(np.float64)
        values = values.reshape(len(values), -1)
        require_finite(values, "the target")
        if values.shape[1] != len(self.mean):
            raise DataError(f"the target has {values.shape[1]} columns; this problem has {len(self.mean)}")
        return single((values - np.array(self.mean)) / np.array(self.std), "the target")

    def scores(self, targets: Tensor) -> Tensor:
        """Nothing is left to do."""
        return targets

    def decode(self, scores: Tensor) -> np.ndarray:
        """Outputs to the target's own units, (N,) when there is one output."""
        values = scores.detach().cpu().double().numpy() * np.array(self.std) + np.array(self.mean)
        if self.binary:
            values = (values > 0.5).astype(np.int64)
        return values[:, 0] if values.shape[1] == 1 else values


Target = Classes | Numbers


def rename(target: Target, columns: tuple[str, ...], binary: bool = False) -> Target:
    """Name a target after its columns."""
    if not columns:
        return target
    if isinstance(target, Classes):
        return replace(target, column=columns[0])
    several = columns if len(columns) > 1 else ()
    return replace(target, name=", ".join(columns), names=several, binary=binary)


def _class_name(value: Any) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)
