"""Files that are written whole or not at all, and refused before any work is done for them."""

import json
import os
import re
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import OutputError

__all__ = ["append_line", "check_writable", "json_lines", "only_writer", "replace_file", "sweep", "undisturbed"]

_TEMPORARY = re.compile(r"\.engram-(\d+)-\w+")
"""A file that a process of this number is writing, or left when it was killed."""


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
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".engram-{os.getpid()}-", delete=False) as file:
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


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one for each line; a line that is none, such as one that an interruption tore, is left out.

    Raises:
        OSError: it cannot be read.
    """
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
            # What is no character could be written nowhere.
            json.dumps(found, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def sweep(folder: Path) -> None:
    """Remove what processes that are no more left half written in a folder."""
    if not folder.is_dir():
        return
    for file in folder.glob(".engram-*"):
        found = _TEMPORARY.fullmatch(file.name)
        if found is not None and not _alive(int(found[1])):
            file.unlink(missing_ok=True)


def _alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Refuse a file of rows to which another process is adding, for as long as that lives.

    Raises:
        OutputError: it does, or no lock can be written beside it.
    """
    try:
        import fcntl
    except ImportError:  # a system without such locks
        yield
        return
    lock = path.with_name(f"{path.name}.lock")
    try:
        file = lock.open("a")
    except OSError as error:
        raise OutputError(f"{lock} could not be written ({error.strerror or error}): choose another place") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that ended just now has taken its lock away, and somebody may hold the next one.
            if os.fstat(file.fileno()).st_ino != lock.stat().st_ino:
                raise BlockingIOError
        except OSError as error:
            raise OutputError(f"another process is adding to {path}: wait for it, or choose another file") from error
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal break into what is done here; one that came meanwhile is heard at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python hears signals in its main thread alone
        return
    came: list[int] = []
    # Handlers, not a mask: a signal that one thread blocks goes to another, such as those of torch.
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if came:
            signal.raise_signal(came[0])
