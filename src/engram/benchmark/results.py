"""Rows on disk, one JSON line each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from ..errors import ArtefactError
from ..memory.files import append_line, json_lines
from ..memory.schema import fits

__all__ = ["Results"]


class Measurement(TypedDict):
    """What a row must say to be shown; a cell that failed has no scores."""

    key: str
    dataset: str
    method: str
    budget: str
    network: str
    seed: int
    status: str
    message: str
    recipe: dict[str, Any]
    scores: dict[str, list[float]]
    settings: NotRequired[str]
    metric: NotRequired[str]
    select: NotRequired[float | None]
    soft: NotRequired[bool]
    items: NotRequired[int]
    bytes: NotRequired[int]
    steps: NotRequired[int]
    indirect: NotRequired[float | None]
    seconds: NotRequired[dict[str, float]]
    wall: NotRequired[float]
    memory: NotRequired[float | None]
    hardware: NotRequired[dict[str, Any]]
    versions: NotRequired[dict[str, str]]
    code: NotRequired[str]


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
            if fits(row, Measurement):
                known[row["key"]] = row
        if not (empty or known):
            raise ArtefactError(f"{self.path} holds no row of a benchmark")
        return list(known.values())

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row and see it on disk."""
        append_line(self.path, json.dumps(row))
