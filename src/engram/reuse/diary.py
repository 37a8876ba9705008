"""Lives as lines of a file, so that a comparison that is cut short goes on."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..memory.files import append_line, check_writable
from .life import Lived

__all__ = ["Diary", "read"]


class Diary:
    """A file of JSON lines: the settings, then one life each.

    Args:
        path: of the file; one that exists must hold lives of the same settings.
        settings: all that a life depends on, as plain JSON.
        force: whether a file of other settings is replaced.

    Raises:
        OutputError: it cannot be written, or holds something else.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], force: bool = False) -> None:
        self.path = check_writable(path, force=True)
        self.lives: list[Lived] = []
        head = json.dumps({"settings": settings}, sort_keys=True)
        lines = _lines(path)
        if lines and lines[0] == head:
            self.lives = [life for life in map(_life, lines[1:]) if life is not None]
            return
        if lines and not force:
            raise OutputError(
                f"{path} holds something else than lives of these settings: choose another name, or pass --force"
            )
        path.unlink(missing_ok=True)
        append_line(path, head)

    def add(self, life: Lived) -> None:
        """Write a life down."""
        append_line(self.path, json.dumps(asdict(life)))


def read(path: Path) -> list[Lived]:
    """The lives of a file, whatever their settings."""
    return [life for life in map(_life, _lines(path)[1:]) if life is not None]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(f"{path} cannot be read as lives ({error}): choose another name") from error


def _life(line: str) -> Lived | None:
    """A life; None for a line that an interruption tore."""
    try:
        return Lived(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
