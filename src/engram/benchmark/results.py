"""Rows on disk, one JSON line each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtefactError
from ..memory.files import append_line, json_lines

__all__ = ["Results"]


@dataclass(frozen=True)
class Results:
    """Rows on disk, one JSON line each; a line that was torn by an interruption is dropped.

    Args:
        path: the file.
    """

    path: Path

    def rows(self) -> list[dict[str, Any]]:
        """All rows; of those that say the same run, the last.

        Raises:
            ArtefactError: the file cannot be read, or holds no row.
        """
        try:
            lines, empty = list(json_lines(self.path)), not self.path.stat().st_size
        except OSError as error:
            raise ArtefactError(f"{self.path} cannot be read ({error.strerror or error})") from error
        known: dict[str, dict[str, Any]] = {}
        for row in lines:
            try:
                known[row["key"]] = row | {"scores": _numbers(row["scores"])}
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        if not (empty or known):
            raise ArtefactError(f"{self.path} holds no row of a benchmark")
        return list(known.values())

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row and see it on disk."""
        append_line(self.path, json.dumps(row))


def _numbers(scores: Any) -> dict[str, list[float]]:
    return {str(key): [float(value) for value in runs] for key, runs in scores.items()}
