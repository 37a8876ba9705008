"""Tensors and a JSON manifest in one safetensors file with a checksum, written whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from . import __version__
from .errors import ArtefactError, OutputError

__all__ = ["append_line", "check_writable", "code_version", "read_tensors", "replace_file", "write_tensors"]


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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtefactError(f"{path}: a safetensors file without an engram's manifest") from error
    if digest != _digest(text, tensors):
        raise ArtefactError(
            f"{path}: the checksum does not match: the file was altered or damaged after it was written"
        )
    return tensors, manifest


def check_writable(path: str | Path, force: bool) -> Path:
    """Refuse an output path before any work is done for it.

    Args:
        path: the file to write.
        force: whether it may exist.

    Returns:
        The path.

    Raises:
        OutputError: it exists, is a folder, or its folder is missing or cannot be written.
    """
    real = Path(os.path.realpath(path))
    if real.is_dir():
        raise OutputError(f"{path} is a folder: give a file name")
    if real.exists() and not real.is_file():
        raise OutputError(f"{path} is a device or a pipe: give the name of an ordinary file")
    if real.exists() and not force:
        raise OutputError(f"{path} exists: choose another name, or pass --force (force=True) to replace it")
    if not real.parent.is_dir():
        raise OutputError(f"folder {real.parent} does not exist: create it first")
    if not os.access(real.parent, os.W_OK):
        raise OutputError(f"folder {real.parent} cannot be written: choose another place")
    return Path(path)


def replace_file(path: Path, content: bytes) -> None:
    """Write beside the target, then rename: a reader sees the old file or the new one; links are followed."""
    path = Path(os.path.realpath(path))
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            temporary = file.name
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}): free some space or choose another place"
        ) from error


def append_line(path: Path, line: str) -> None:
    """Append one line and see it on disk; a line that an interruption tore stays apart from it.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        torn = path.is_file() and path.stat().st_size > 0
        if torn:
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                torn = file.read() != b"\n"
        with path.open("a", encoding="utf-8") as file:
            file.write(("\n" if torn else "") + line + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error}): free some space or choose another --out"
        ) from error


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.blake2b(text.encode(), digest_size=32)
    for key in sorted(tensors):
        value = tensors[key].cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data if value.numel() else b"")
    return digest.hexdigest()


@cache
def code_version() -> str:
    """The package's version and a digest of all code that measures or is measured."""
    root = Path(__file__).parent
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in ("cli", "report"):
            digest.update(path.read_bytes())
    return f"{__version__} {digest.hexdigest()}"
