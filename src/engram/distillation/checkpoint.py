"""A run on disk: saved, found again, continued bit for bit."""

from pathlib import Path

import torch

from .. import __version__
from ..data.problem import Problem
from ..errors import ArtefactError
from ..learning.training import Training
from ..memory.container import read_tensors, write_tensors
from ..samples.budget import Budget, Precision
from ..spec import decode, encode
from .loop import Run
from .method import Method

__all__ = ["identify", "resume", "save_checkpoint"]


def save_checkpoint(path: str | Path, current: Run, identity: str) -> None:
    """Write a run so that it can be continued bit for bit.

    Args:
        path: the checkpoint.
        current: the run.
        identity: what the run is of (`identify`); `resume` refuses another.

    Raises:
        OutputError: it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    manifest = {"identity": identity, "engram": __version__, "run": encode(current, tensors)}
    write_tensors(path, tensors, manifest, force=True)


def resume(path: str | Path, identity: str, device: str = "cpu") -> Run:
    """Read a run back.

    Args:
        path: a checkpoint.
        identity: what the run must be of.
        device: where its tensors go.

    Returns:
        The run.

    Raises:
        ArtefactError: damaged, or of other data or settings.
    """
    tensors, manifest = read_tensors(path)
    if manifest.get("identity") != identity:
        raise ArtefactError(
            f"{path} is a checkpoint of other data or settings: repeat the command it was made with, or start anew "
            "with --force"
        )
    try:
        result: Run = decode(manifest["run"], {key: value.to(device) for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe a run ({error})") from error
    return result


def identify(
    method: Method, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
) -> str:
    """Spell out what a run is of: data fingerprint and every setting."""
    import json

    return json.dumps([problem.fingerprint, encode((method, training, budget, precision, seed))])
