"""A trained network in a file of its own, with all it takes to predict: preprocessing, classes, units."""

from pathlib import Path

import torch

from ..data.metrics import Metric
from ..data.preprocessing import Preprocessing
from ..data.targets import Target
from ..data.task import Task
from ..errors import ArtefactError
from ..learning.fitting import Fitted
from ..learning.network import model_of
from ..spec import decode
from .container import read_tensors
from .replay import MODEL_FORMAT, Replay
from .soundness import require_numbers, require_units

__all__ = ["is_model", "load_model"]


def load_model(path: str | Path) -> Replay:
    """Open a network that `Replay.save` wrote; nothing in the file is executed.

    Args:
        path: the file.

    Returns:
        A model that takes raw inputs: `predict`, `predict_proba`.

    Raises:
        ArtefactError: not such a file, of a newer version, truncated or altered.
        NetworkError: a custom network, which a file can only name.

    Example:
        >>> load_model("nowhere.safetensors")
        Traceback (most recent call last):
        ...
        engram.errors.ArtefactError: nowhere.safetensors: no such file
    """
    tensors, manifest = read_tensors(path)
    if manifest.get("model") != MODEL_FORMAT:
        what = "an engram: engram replay trains a network" if "format" in manifest else "no model of this version"
        raise ArtefactError(f"{path} is {what}")
    try:
        value = decode(
            manifest["value"], {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        )
        params = {str(name): tensors[name].unsqueeze(0) for name in manifest["parameters"]}
        preprocessing: Preprocessing = value["preprocessing"]
        target: Target = value["target"]
        model = model_of(value["network"], Task(preprocessing.shape, target.outputs, Metric.R2))
        shapes = {key: tuple(p.shape) for key, p in model.module.named_parameters()}
        if {key: tuple(p.shape[1:]) for key, p in params.items() if key in shapes} != shapes:
            raise TypeError("parameters of another network")
        require_numbers(*params.values())
        require_units(preprocessing, target, value["linear"])
        held = value["bounds"] and {key: value["bounds"][key].unsqueeze(0) for key in ("low", "high")}
        fitted = Fitted(model, params, held or None)
        if fitted.outputs(torch.zeros(1, *preprocessing.shape)).shape[-1] != target.outputs:
            raise TypeError("outputs of another target")
        return Replay(fitted, preprocessing, target, value["linear"], value["network"])
    except (TypeError, ValueError, AttributeError, LookupError, RuntimeError, ArithmeticError, AssertionError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe a model ({error})") from error


def is_model(path: str | Path) -> bool:
    """Whether a file holds a trained network rather than an engram."""
    return "model" in read_tensors(path)[1]
