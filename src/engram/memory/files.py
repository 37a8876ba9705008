"""Files that are written whole or not at all, and refused before any work is done for them."""

import os
import tempfile
from pathlib import Path

from ..errors import OutputError

__all__ = ["append_line", "check_writable", "replace_file"]


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
            f"{path} could not be written ({error.strerror or error}): free some space or choose another place"
        ) from error
