"""What a digest cannot tell: whether the parts of a file go together. Who alters one can write its digest as well."""

import math
from typing import Any

import torch
from torch import Tensor

from ..data.metrics import Metric
from ..data.preprocessing import Preprocessing
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.vectors import Vectors
from ..data.targets import Target
from ..learning.training import Training
from ..samples.budget import Precision
from ..samples.canvas.points import Points

__all__ = ["require_numbers", "require_sound", "require_units"]


def require_sound(engram: Any) -> None:
    """Refuse an engram whose samples, preprocessing and target do not go together.

    Args:
        engram: an `Engram` as it was read, whose fields may be of any type.

    Raises:
        TypeError, ValueError, RuntimeError: a part of another shape or type, no samples, numbers that are not finite.
    """
    for value, kind in ((engram.metric, Metric), (engram.precision, Precision), (engram.training, Training)):
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is no {kind.__name__.lower()}")
    if not engram.canvases:
        raise ValueError("no samples")
    for name, samples in engram.sets.items():
        # Points are labelled one for every output.
        columns = 1 if isinstance(engram.canvases[name], Points) else engram.task.outputs
        if (tuple(samples.inputs.shape[1:]), *samples.targets.shape[1:]) != (engram.task.shape, columns):
            raise TypeError("samples of another shape than its preprocessing")
        if not len(samples):
            raise ValueError("no samples")
        require_numbers(samples.inputs, samples.targets)
    for name, scale in engram.scales.items():
        if scale.ndim != 1 or not scale.is_floating_point() or not torch.isfinite(scale).all():
            raise TypeError(f"levels of {name} that are no row of numbers")
    require_units(engram.preprocessing, engram.target, engram.linear)


def require_units(preprocessing: Preprocessing, target: Target, linear: Tensor | None) -> None:
    """Refuse units that samples could not be brought back to.

    Raises:
        TypeError, ValueError, RuntimeError: a part of another shape or type.
    """
    if linear is not None:
        require_numbers(linear)
        if tuple(linear.shape) != (math.prod(preprocessing.shape) + 1, target.outputs):
            raise TypeError("a linear part of another shape than its preprocessing")
    if min(target.outputs, *preprocessing.shape) < 1:
        raise ValueError("no inputs or no outputs")
    raw = preprocessing.decode(torch.zeros(1, *preprocessing.shape))
    if isinstance(preprocessing, Pixels | Vectors) and raw.size != math.prod(preprocessing.shape):
        raise TypeError("units of another shape than its inputs")
    target.decode(torch.zeros(1, target.outputs))


def require_numbers(*tensors: Tensor) -> None:
    """Refuse tensors that are not finite numbers of single precision.

    Raises:
        TypeError, ValueError: they are not.
    """
    for tensor in tensors:
        if tensor.dtype != torch.float32:
            raise TypeError(f"numbers of type {tensor.dtype}")
        if not torch.isfinite(tensor).all():
            raise ValueError("numbers that are not finite")
