"""Tensors and a JSON manifest in one safetensors file with a checksum."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..errors import ArtefactError
from .files import check_writable, replace_file

__all__ = ["read_tensors", "write_tensors"]


def write_tensors(path: str | Path, tensors: Mapping[str, Tensor], manifest: Mapping[str, Any], force: bool) -> None:
    """Write tensors and a JSON manifest as one safetensors file with a digest, atomically."""
    path = check_writable(path, force)
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=True)
    # Cloned, since two names may share one tensor, which the format refuses.
    flat = {key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()} or {
        "empty": torch.zeros(0)
    }
    replace_file(path, save(flat, {"engram": json.dumps({"digest": _digest(text, flat), "manifest": text})}))


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, and check its digest."""
    path = Path(path)
    if path.is_dir():
        raise ArtefactError(f"{path} is a folder: give an .engram file")
    if not path.is_file():
        raise ArtefactError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            # Cloned into aligned memory: sums over unaligned tensors round in another order.
            tensors = {key: file.get_tensor(key).clone() for key in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise ArtefactError(f"{path}: not an engram, or truncated ({error})") from error
    try:
        # One entry, since the format keeps several in no fixed order and equal runs must give equal files.
        content = json.loads(header.get("engram", ""))
        text, digest = str(content["manifest"]), content["digest"]
        manifest = dict(json.loads(text))
        json.dumps(manifest, ensure_ascii=False).encode()  # halves of characters could be written nowhere
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"{path}: a safetensors file without an engram's manifest") from error
    if digest != _digest(text, tensors):
        raise ArtefactError(
            f"{path}: the checksum does not match: the file was altered or damaged after it was written"
        )
    return tensors, manifest


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=32)
    for key in sorted(tensors):
        value = tensors[key].cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()
