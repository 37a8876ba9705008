"""A run on disk: saved, found again, continued bit for bit."""

from pathlib import Path

import torch

from .. import __version__
from ..errors import ArtefactError
from ..memory.container import read_tensors, write_tensors
from ..spec import decode, encode
from .loop import Run

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(path: str | Path, current: Run, identity: str) -> None:
    """Write a run so that it can be continued bit for bit.

    Args:
        path: the checkpoint.
        current: the run.
        identity: what the run is of (`Plan.identity`); `load_checkpoint` refuses another.

    Raises:
        OutputError: it cannot be written.
    """
    tensors: dict[str, torch.Tensor] = {}
    manifest = {"identity": identity, "engram": __version__, "run": encode(current, tensors)}
    write_tensors(path, tensors, manifest, force=True)


def load_checkpoint(path: str | Path, identity: str, device: str = "cpu") -> Run:
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
            "with --force in place of --resume"
        )
    try:
        result: Run = decode(manifest["run"], {key: value.to(device) for key, value in tensors.items()})
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise ArtefactError(f"{path}: its manifest does not describe a run ({error})") from error
    return result
