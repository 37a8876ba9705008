"""Lives as lines of a file, so that a comparison that is cut short goes on."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import OutputError
from ..memory.files import append_line, check_writable, json_lines
from ..memory.schema import fits
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
        try:
            lines = list(json_lines(path)) if path.exists() else []
            begun = path.exists() and path.stat().st_size > 0
        except OSError as error:
            raise OutputError(f"{path} cannot be read as lives ({error}): choose another name") from error
        # As it comes back from a file.
        if begun and lines and lines[0] == json.loads(json.dumps({"settings": settings})):
            self.lives = _lives(lines[1:])
            return
        if begun and not force:
            raise OutputError(
                f"{path} holds something else than lives of these settings: choose another name, or pass --force"
            )
        path.unlink(missing_ok=True)
        append_line(path, json.dumps({"settings": settings}, sort_keys=True))
        self.lives = []

    def add(self, life: Lived) -> None:
        """Write a life down."""
        append_line(self.path, json.dumps(asdict(life)))


def read(path: Path) -> list[Lived]:
    """The lives of a file, whatever their settings."""
    return _lives(list(json_lines(path))[1:])


def _lives(lines: list[dict[str, Any]]) -> list[Lived]:
    """Those lines that are lives."""
    return [Lived(**line) for line in lines if fits(line, Lived) and set(line) == set(Lived.__dataclass_fields__)]
