"""What lies beside an engram, in ``NAME.run``: results, curves, the checkpoint; real rows only where they are asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from ..data.preprocessing.encoded import Encoded
from ..data.preprocessing.series import Series
from ..data.problem import Problem
from ..errors import ArtefactError, OutputError
from .container import read_tensors, write_tensors
from .engram import Engram
from .files import append_line, json_lines, replace_file, sweep
from .schema import Record, Score, fits

__all__ = ["RunFolder"]

_SHOWN = 40
_FEW, _MANY = 10, 1000
"""Series of a class below which its quantiles would show single ones; those that quantiles are taken of."""

_BESIDE, _LOOKED = 3, 20_000
"""Real texts shown beside a sample, of so many that are looked at."""


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
        """Remove what a killed run left half written, and refuse a folder that this one would overwrite, before any work is done.

        Args:
            force: whether it may hold something.

        Raises:
            OutputError: it is a file, or holds another run.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise OutputError(
                f"{self.folder} is a file, and the run's folder would have its name: choose another --out"
            )
        for folder in (self.folder, self.folder.parent):
            sweep(folder)
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
        kept = ("results.jsonl", "run.json", "real.safetensors", "bands.safetensors", "texts.json", self.judged.name)
        for name in kept:
            (self.folder / name).unlink(missing_ok=True)
        own = {"engram": engram.fingerprint}
        if isinstance(problem.preprocessing, Series):
            write_tensors(self.folder / "bands.safetensors", {"quantiles": _bands(problem)}, own, force=True)
        if show_real and problem.train.raw is not None and isinstance(problem.preprocessing, Encoded):
            if problem.preprocessing.encoder.takes == "texts":
                replace_file(
                    self.folder / "texts.json", json.dumps(own | {"nearest": _nearest(engram, problem)}).encode()
                )
        elif show_real:
            # What was forecast is shown on windows that were not learnt from.
            forecast = isinstance(problem.preprocessing, Series) and problem.classes is None
            split = problem.test if forecast else problem.train
            groups = split.by_class
            rows = torch.cat([group[: max(1, _SHOWN // len(groups))] for group in groups[:_SHOWN]])
            inputs, targets, _ = split.batch(rows)
            tensors = {"inputs": inputs, "targets": targets}
            write_tensors(self.folder / "real.safetensors", tensors, own, force=True)
        record = {"engram": engram.fingerprint, "seconds": {"distill": seconds}}
        replace_file(self.folder / "run.json", json.dumps(record).encode())

    def seconds(self, engram: Engram) -> dict[str, float | None]:
        """How long distilling and judging took, and training a network; None where that is not known."""
        known = self.record(engram).get("seconds", {})
        return {key: known.get(key) for key in ("distill", "judge", "train_engram", "train_full")}

    def record(self, engram: Engram) -> dict[str, Any]:
        """What was kept beside scores; empty where it is missing, damaged, or of another engram."""
        try:
            record = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
            return record if fits(record, Record) and record["engram"] == engram.fingerprint else {}
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
            lines = list(json_lines(self.judged))
        except OSError:
            return {}
        for row in lines:
            if (row.pop("engram", None), row.pop("protocol", None)) == (engram.fingerprint, protocol) and "row" in row:
                found[str(row.pop("row"))] = row
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
            rows = list(json_lines(self.folder / "results.jsonl")) if record else []
        except OSError:
            return {}, record
        return {row["row"]: row for row in rows if isinstance(row.get("row"), str) and fits(row, Score)}, record

    def read_real(self, engram: Engram) -> dict[str, Tensor] | None:
        """The real rows; None where they are missing, damaged, or of another engram."""
        return self._tensors("real.safetensors", engram)

    def read_bands(self, engram: Engram) -> Tensor | None:
        """Quantiles of the training series by class (`_bands`); None where they are missing, damaged, or of another engram."""
        found = self._tensors("bands.safetensors", engram) or {}
        bands = found.get("quantiles")
        fits = bands is not None and bands.ndim == 4 and tuple(bands.shape[2:]) == engram.task.shape
        return bands if fits else None

    def read_texts(self, engram: Engram) -> list[list[str]] | None:
        """The real texts nearest to each sample; None where they are missing, damaged, or of another engram."""
        try:
            known = json.loads((self.folder / "texts.json").read_text(encoding="utf-8"))
            found = [[str(text) for text in own] for own in known["nearest"]]
            return found if known["engram"] == engram.fingerprint and len(found) == len(engram.samples) else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _tensors(self, name: str, engram: Engram) -> dict[str, Tensor] | None:
        try:
            tensors, manifest = read_tensors(self.folder / name)
        except ArtefactError:
            return None
        return tensors if manifest.get("engram") == engram.fingerprint else None


def _nearest(engram: Engram, problem: Problem) -> list[list[str]]:
    """The training texts whose vectors stand nearest to each sample's, by their angle."""
    places = torch.arange(len(problem.train))[:: -(-len(problem.train) // _LOOKED)]
    rows = torch.nn.functional.normalize(problem.train.inputs[places.to(problem.train.device)].cpu())
    alike = torch.nn.functional.normalize(engram.samples.inputs.cpu()) @ rows.T
    found = places[alike.topk(min(_BESIDE, len(places))).indices]
    assert problem.train.raw is not None
    return [[str(problem.train.raw[k]) for k in own] for own in found.tolist()]


def _bands(problem: Problem) -> Tensor:
    """(classes, 3, channels, T): 10 %, half and 90 % of at most a thousand training series; NaN where a class has too few to hide one."""
    found = []
    for rows in problem.train.by_class:
        if len(rows) < _FEW:
            found.append(torch.full((3, *problem.task.shape), float("nan")))
            continue
        inputs, *_ = problem.train.batch(rows[:: -(-len(rows) // _MANY)])
        found.append(torch.quantile(inputs.cpu(), torch.tensor([0.1, 0.5, 0.9]), dim=0))
    return torch.stack(found)
