"""What lies beside an engram, in ``NAME.run``: results, curves, the checkpoint; real rows only where they are asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from ..data.problem import Problem
from ..errors import ArtefactError, OutputError
from .container import read_tensors, write_tensors
from .engram import Engram
from .files import append_line, replace_file

__all__ = ["RunFolder"]

_SHOWN = 40


@dataclass(frozen=True)
class RunFolder:
    """The folder of one engram; nothing in it is needed to replay, and a report does without.

    Args:
        folder: made when something is first written.
    """

    folder: Path

    @classmethod
    def of(cls, path: Path) -> Self:
        """``NAME.run`` beside ``NAME.engram``; ``FILE.run`` beside a file with another ending."""
        return cls(path.with_suffix(".run") if path.suffix == ".engram" else path.with_name(path.name + ".run"))

    @property
    def checkpoint(self) -> Path:
        """The interrupted run."""
        return self.folder / "checkpoint.safetensors"

    def check(self, force: bool) -> None:
        """Refuse a folder that this run would overwrite, before any work is done.

        Args:
            force: whether it may hold something.

        Raises:
            OutputError: it is a file, or holds another run.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(
                f"{self.folder} is a file, and the run's folder would have its name: choose another --out"
            )
        if not force and self.folder.is_dir() and any(self.folder.iterdir()):
            raise OutputError(f"{self.folder} holds another run: continue it with --resume, or replace it with --force")

    @property
    def judged(self) -> Path:
        """Rows of an evaluation under way."""
        return self.folder / "judged.jsonl"

    @property
    def page(self) -> Path:
        """The report, beside the folder."""
        return self.folder.with_suffix(".html")

    def start(self, engram: Engram, problem: Problem, seconds: float, show_real: bool = False) -> None:
        """Drop what an older run left, and keep how long distilling took and, where that is wanted, a few real rows."""
        self.folder.mkdir(exist_ok=True)
        for name in ("results.jsonl", "run.json", "real.safetensors", self.judged.name):
            (self.folder / name).unlink(missing_ok=True)
        if show_real:
            groups = problem.train.by_class
            rows = torch.cat([group[: max(1, _SHOWN // len(groups))] for group in groups[:_SHOWN]])
            inputs, targets, _ = problem.train.batch(rows)
            tensors = {"inputs": inputs, "targets": targets}
            write_tensors(self.folder / "real.safetensors", tensors, {"engram": engram.fingerprint}, force=True)
        record = {"engram": engram.fingerprint, "seconds": {"distill": seconds}}
        replace_file(self.folder / "run.json", json.dumps(record).encode())

    def seconds(self, engram: Engram) -> dict[str, float | None]:
        """How long distilling and judging took, and training a network; None where that is not known."""
        known = self.record(engram).get("seconds")
        known = known if isinstance(known, dict) else {}
        kept = {key: known.get(key) for key in ("distill", "judge", "train_engram", "train_full")}
        return {key: value if isinstance(value, int | float) else None for key, value in kept.items()}

    def record(self, engram: Engram) -> dict[str, Any]:
        """What was kept beside scores; empty where it is missing, damaged, or of another engram."""
        try:
            record = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            return dict(record) if record["engram"] == engram.fingerprint else {}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}

    def keep_row(self, engram: Engram, protocol: str, name: str, row: Mapping[str, Any]) -> None:
        """Append one judged row, so that an evaluation that is cut short goes on after it."""
        self.folder.mkdir(exist_ok=True)
        said = {"engram": engram.fingerprint, "protocol": protocol, "row": name}
        append_line(self.judged, json.dumps(said | dict(row)))

    def read_rows(self, engram: Engram, protocol: str) -> dict[str, dict[str, Any]]:
        """The rows of this engram that were judged by this protocol, as they were given; torn lines are left out."""
        found = {}
        try:
            lines = self.judged.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return {}
        for line in lines:
            try:
                row = json.loads(line)
                if (row.pop("engram"), row.pop("protocol")) == (engram.fingerprint, protocol):
                    found[str(row.pop("row"))] = row
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
        return found

    def keep(
        self,
        engram: Engram,
        scores: Mapping[str, Any],
        seconds: Mapping[str, Any],
        curves: Any,
        directions: Any,
        protocol: str = "",
        panel: Any = None,
    ) -> None:
        """Write every run of every row, times, curves, the directions that are held, and what foreign learners say."""
        lines = [json.dumps({"row": name} | row) for name, row in scores.items()]
        replace_file(self.folder / "results.jsonl", ("\n".join(lines) + "\n").encode())
        record = {
            "engram": engram.fingerprint,
            "protocol": protocol,
            "seconds": dict(seconds),
            "curves": curves,
            "directions": directions,
            "panel": panel,
        }
        replace_file(self.folder / "run.json", json.dumps(record).encode())
        self.judged.unlink(missing_ok=True)

    def read(self, engram: Engram) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rows by name, and the record; empty where they are missing, damaged, or of another engram."""
        record = self.record(engram)
        try:
            lines = (self.folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
            return ({row["row"]: row for row in map(json.loads, lines)} if record else {}), record
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}, record

    def read_real(self, engram: Engram) -> dict[str, Tensor] | None:
        """The real rows; None where they are missing, damaged, or of another engram."""
        try:
            tensors, manifest = read_tensors(self.folder / "real.safetensors")
        except ArtefactError:
            return None
        return tensors if manifest.get("engram") == engram.fingerprint else None
