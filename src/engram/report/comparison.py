"""Engrams side by side: facts and scores that their files carry, and what keeps them from being compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..memory.engram import Engram
from ..spec import render

__all__ = ["Comparison", "compared"]

_FIRST = ("engram", "full")


@dataclass(frozen=True)
class Comparison:
    """A table with one column for each file.

    Args:
        files: names of the columns.
        lines: values by what they are, one for each file; None where a file does not say.
        notes: what differs, so that scores do not compare.
    """

    files: tuple[str, ...]
    lines: Mapping[str, tuple[Any, ...]]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: each file with its values."""
        columns = {
            file: {name: values[place] for name, values in self.lines.items()} for place, file in enumerate(self.files)
        }
        return {"files": columns, "notes": list(self.notes)}


def compared(engrams: Mapping[str, Engram]) -> Comparison:
    """Put engrams side by side.

    Args:
        engrams: by the names of their files.

    Returns:
        The comparison; scores are those of the test splits, with standard errors.

    Example:
        >>> import engram
        >>> memory = engram.distill(engram.load_problem("wine"), steps=1)
        >>> compared({"a": memory, "b": memory}).notes
        ()
    """
    facts = [_facts(memory) for memory in engrams.values()]
    scores = [memory.provenance.get("scores", {}) for memory in engrams.values()]
    lines = {name: tuple(own[name] for own in facts) for name in facts[0]}
    every = dict.fromkeys(name for own in scores for name in own)
    for name in (*_FIRST, *(name for name in every if name.endswith("_bytes"))):
        said = name.removesuffix("_bytes").replace("_", " ") + ", equal bytes" * name.endswith("_bytes")
        lines[f"test, {said}"] = tuple(_score(own.get(name)) for own in scores)
    panels = [memory.provenance.get("panel") or {} for memory in engrams.values()]
    if any(panels):
        lines["portability"] = tuple(own.get("portability") for own in panels)
    return Comparison(tuple(engrams), lines, _differences(engrams))


def _facts(memory: Engram) -> dict[str, Any]:
    known = memory.provenance
    return {
        "data": known.get("problem"),
        "metric": memory.metric.value,
        "samples": memory.items,
        "bytes": memory.bytes,
        "stored as": memory.stored_as,
        "method": known.get("method"),
        "network": render(memory.training.network),
        "outer steps": known.get("steps"),
        "validation": known.get("select_score"),
        "verdict": known.get("verdict", {}).get("sentence"),
    }


def _score(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {key: row[key] for key in ("mean", "sem", "n")}


def _differences(engrams: Mapping[str, Engram]) -> tuple[str, ...]:
    """Why scores may not be compared."""
    notes = []
    for words, value in (
        ("other data, or another split of them", lambda memory: memory.provenance.get("fingerprint")),
        ("another metric", lambda memory: memory.metric),
        ("another training", lambda memory: repr(memory.training)),
    ):
        first, *others = [(name, value(memory)) for name, memory in engrams.items()]
        odd = [name for name, own in others if own != first[1]]
        if odd:
            notes.append(f"{', '.join(odd)}: {words} than {first[0]}")
    return tuple(notes)
