"""Measurements to make and measurements made: cells, and their results on disk."""

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..memory.files import append_line, json_lines
from ..numerics.statistics import Measured

__all__ = ["Cell", "Cells", "Found", "Scale"]


class Scale(enum.Enum):
    """How large a study is."""

    QUICK = "quick"
    DEFAULT = "default"
    LARGE = "large"


@dataclass(frozen=True)
class Cell:
    """One measurement to make: a name and settings, plain JSON, the seed among them."""

    name: str
    settings: Mapping[str, Any]

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__") or key not in self.__dict__.get("settings", ()):
            raise AttributeError(key)
        return self.settings[key]

    @property
    def key(self) -> str:
        """By which its result is found again."""
        return json.dumps([self.name, dict(self.settings)], sort_keys=True)


class Found:
    """Results of cells, by name and settings."""

    def __init__(self, results: Sequence[tuple[Cell, Mapping[str, Any]]]) -> None:
        self._results = results

    def runs(self, name: str, value: str, **settings: Any) -> list[float]:
        """One number of every cell of this name and these settings, in the order of the cells."""
        return [
            float(result[value])
            for cell, result in self._results
            if cell.name == name and value in result and all(cell.settings.get(k) == v for k, v in settings.items())
        ]

    def settings(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """The settings of every cell of this name that has those, the seed apart, each once, in order."""
        seen: dict[str, dict[str, Any]] = {}
        for cell, _ in self._results:
            if cell.name == name and all(cell.settings.get(key) == value for key, value in where.items()):
                plain = {key: value for key, value in cell.settings.items() if key != "seed"}
                seen.setdefault(json.dumps(plain, sort_keys=True), plain)
        return list(seen.values())

    def mean(self, name: str, value: str, **settings: Any) -> Measured:
        """Mean and standard error of those."""
        return Measured.of(self.runs(name, value, **settings))

    def gap(self, name: str, one: str, other: str, **settings: Any) -> Measured:
        """Mean difference of two numbers, cell by cell."""
        pairs = zip(self.runs(name, one, **settings), self.runs(name, other, **settings), strict=True)
        return Measured.of(a - b for a, b in pairs)

    def ratio(self, name: str, one: str, other: str, **settings: Any) -> Measured:
        """Mean ratio of two numbers, cell by cell."""
        pairs = zip(self.runs(name, one, **settings), self.runs(name, other, **settings), strict=True)
        return Measured.of(a / b for a, b in pairs)


@dataclass(frozen=True)
class Cells:
    """Finished cells, one JSON line each; a line that was torn by an interruption is dropped.

    Args:
        path: the file.
        version: of the code that measures; lines of another version are not used.
        anew: whether finished cells are measured again; their new line counts then.
    """

    path: Path
    version: str
    anew: bool = False

    def load(self) -> dict[str, dict[str, Any]]:
        """Results by key."""
        known: dict[str, dict[str, Any]] = {}
        if self.path.is_file() and not self.anew:
            for entry in json_lines(self.path):
                try:
                    if entry["version"] == self.version:
                        known[entry["key"]] = {key: float(value) for key, value in entry["result"].items()}
                except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                    continue
        return known

    @property
    def stale(self) -> int:
        """Lines that other code measured."""
        if not self.path.is_file():
            return 0
        text = self.path.read_text(encoding="utf-8", errors="replace")
        return sum(f'"version": {json.dumps(self.version)}' not in line for line in text.splitlines())

    def add(self, cell: Cell, result: Mapping[str, Any], seconds: float) -> None:
        """Append one result and see it on disk."""
        entry = {"key": cell.key, "version": self.version, "result": dict(result), "seconds": round(seconds, 3)}
        append_line(self.path, json.dumps(entry))
