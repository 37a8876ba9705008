"""What a file leaks: how near its samples stand to real rows, and how well an attacker with shadows tells who was learnt from."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.problem import Problem
from ..data.split import Split
from ..distillation.artefact import as_engram
from ..distillation.batches import few
from ..distillation.loop import run
from ..distillation.method import Method
from ..distillation.methods.random import Random
from ..distillation.plan import Plan
from ..distillation.published import method_of
from ..errors import ArtefactError, DataError, SettingError
from ..evaluation.ceiling import full_steps, train_full
from ..evaluation.membership import Attack, attack, confidence
from ..learning.fitting import Fitted, fit, outputs
from ..memory.container import read_tensors, write_tensors
from ..memory.contents import raw_content
from ..memory.engram import Engram
from ..memory.run_folder import RunFolder
from ..numerics.distances import nearest_distances
from ..random import stream
from ..samples.budget import Precision
from ..spec import decode
from .estimate import in_words
from .progress import LOGGER, Progress, Watch

__all__ = ["Audit", "audit", "distances"]

_MOST = 25_000
"""Training rows whose membership is guessed."""

_SEEDS = [5_000_001, 5_000_002]
"""Networks that speak for each shadow."""

_COPY = 1e-3
"""Distance below which a sample is a row, up to rounding."""

_STEPS = 1000
"""Of training on real data, at most."""

_TEACHERS = ("engram", "random", "network")


@dataclass(frozen=True)
class Audit:
    """What was found.

    Args:
        content: what of the data stands in the file as it was.
        nearest: `distances` of the samples.
        attacks: by teacher, then by what is looked at: ``replay`` (what networks say) or ``nearness`` (how near samples stand).
        shadows: of each teacher.
        rows: whose membership was guessed.
        real: whether samples are rows of the data.
    """

    content: str
    nearest: Mapping[str, Any]
    attacks: Mapping[str, Mapping[str, Attack]]
    shadows: int
    rows: int
    real: bool

    @property
    def leaks(self) -> bool:
        """Whether the file gives somebody away."""
        return self.real or any(one.leaks for one in self.attacks.get("engram", {}).values())

    @property
    def verdict(self) -> str:
        """In sentences, none of them a promise."""
        if self.real:
            return "the samples are rows of the data: whoever has the file has those rows"
        if not self.attacks:
            return "no attack was run (--shadows 16): distances alone prove nothing"
        own = max(self.attacks["engram"].values(), key=lambda one: sum(one.area))
        rate, shares = 0.01, own.found[0.01]
        found = f"{sum(shares) / len(shares):.1%} of members at {rate:.0%} false positives"
        if self.leaks:
            return f"it leaks: an attacker with {self.shadows} shadows finds {found}, where chance finds {rate:.0%}"
        return (
            f"this attack found no member above chance ({found}, {self.shadows} shadows); a stronger one may: this is no promise of "
            "privacy"
        )

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "raw_content": self.content,
            "real_rows": self.real,
            "nearest": dict(self.nearest),
            "shadows": self.shadows,
            "rows": self.rows,
            "attacks": {
                teacher: {by: one.as_json() | {"leaks": one.leaks} for by, one in own.items()}
                for teacher, own in self.attacks.items()
            },
            "verdict": {"leaks": self.leaks, "sentence": self.verdict},
        }


def audit(
    engram: Engram,
    problem: Problem,
    shadows: int = 16,
    folder: RunFolder | None = None,
    watch: Watch | None = None,
    seed: int = 0,
) -> Audit:
    """Audit an engram on the data that it was distilled from.

    Every shadow is distilled anew, by the engram's own method and settings, from a random half of the training rows. Each is then
    attacked with what all others show (`evaluation.membership`); so are random rows of the same budget, and networks trained on the half.

    Args:
        engram: what is audited.
        problem: its data, posed as they were.
        shadows: distillations, at least 4; 0 for distances alone.
        folder: where shadows are kept as they come, so that an audit that is cut short goes on.
        watch: called with the progress.
        seed: of the halves.

    Returns:
        What was found. Preprocessing is fitted on all training rows, and is no part of the attack.

    Raises:
        DataError: other data than those it was distilled from.
        SettingError: fewer than four shadows, or an engram that cannot be distilled again.

    Example:
        >>> from engram import PerClass, distill, load_problem
        >>> wine = load_problem("wine")
        >>> found = audit(distill(wine, "random", budget=PerClass(1)), wine, shadows=0)
        >>> found.leaks, found.nearest["copies"]
        (True, 3)
    """
    if engram.provenance.get("fingerprint") != problem.fingerprint:
        raise DataError(
            "these are not the data that the engram was distilled from, or not their split: give the same source, target and --seed"
        )
    if not engram.labelled:
        raise SettingError("its points are the theory's own, which hold no labels: there is nothing to attack")
    if shadows and shadows < 4:
        raise SettingError(f"{shadows} shadows are too few: give at least 4, or 0 for distances alone")
    real = bool(engram.provenance.get("real_rows"))
    near = distances(engram, problem)
    if not shadows:
        return Audit(raw_content(engram), near, {}, 0, 0, real)
    plan = _plan(engram, problem)
    rows = few(problem.train, _MOST)
    seen, begun, kept = watch or (lambda progress: None), time.perf_counter(), []
    for k in range(shadows):
        found = _known(folder, engram, k, seed, len(rows))
        if found is None:
            found = _shadow(plan, problem, rows, k, seed)
            if folder is not None:
                folder.folder.mkdir(exist_ok=True)
                write_tensors(_place(folder, k), found, _said(engram, k, seed), force=True)
            if k == 0:
                each = time.perf_counter() - begun
                LOGGER.info("a shadow takes %s: about %s more", in_words(each), in_words((shadows - 1) * each))
        kept.append(found)
        seen(Progress("shadowing", (k + 1) / shadows))
    inside = torch.stack([one["inside"] for one in kept])
    attacks = {
        teacher: {
            by: attack(torch.stack([one[f"{teacher}.{by}"] for one in kept]), inside)
            for by in ("replay", "nearness")
            if f"{teacher}.{by}" in kept[0]
        }
        for teacher in _TEACHERS
    }
    return Audit(raw_content(engram), near, attacks, shadows, len(rows), real)


def distances(engram: Engram, problem: Problem) -> dict[str, Any]:
    """How near samples stand to training rows, beside how near held-out rows do.

    Args:
        engram: whose samples.
        problem: the data; at most 25,000 training rows and 1,000 of `select`.

    Returns:
        ``samples`` and ``held_out``: least, median and greatest distance to the nearest training row, in standard deviations a column;
        ``copies``: samples less than half as far as any held-out row; ``nearer_to_training``: share of samples that a training row is
        nearer to than any of as many held-out ones (one half by chance).
    """
    train, held = few(problem.train, _MOST), problem.validation
    x, others = (part.batch(slice(None))[0].flatten(1).cpu() for part in (train, held))
    own = engram.samples.inputs.flatten(1).cpu()
    scale = x.shape[1] ** 0.5
    mine, usual = (nearest_distances(some, x) / scale for some in (own, others))
    equal = torch.randperm(len(x), generator=stream(0, "audit"))[: len(others)]
    nearer = (nearest_distances(own, x[equal]) < nearest_distances(own, others)).double()
    return {
        "samples": _three(mine),
        "held_out": _three(usual),
        "copies": int((mine < usual.min() / 2).sum()),
        "nearer_to_training": float(nearer.mean()),
        "count": len(own),
    }


def _three(values: Tensor) -> list[float]:
    return [round(float(values.quantile(q)), 4) for q in (0.0, 0.5, 1.0)]


def _plan(engram: Engram, problem: Problem) -> Plan:
    """The distillation as it was."""
    known = engram.provenance
    try:
        method: Method = method_of(str(known["method"]))
        return Plan(method, engram.training, decode(known["budget"], {}), engram.precision, int(known.get("seed", 0)))
    except (KeyError, TypeError, ValueError, LookupError) as error:
        raise SettingError(f"the engram does not say how it was distilled ({error}): distil it again") from error


def _shadow(plan: Plan, problem: Problem, rows: Split, k: int, seed: int) -> dict[str, Tensor]:
    """What one half teaches, said of all rows."""
    member = _half(problem, k, seed)
    part = replace(problem, train=problem.train.rows(torch.nonzero(member).flatten().to(problem.train.device)))
    plan = replace(plan, seed=plan.seed + 1 + k)
    memory = _distilled(plan, part)
    found = {"inside": few(replace(problem.train, targets=member.to(problem.train.device)), _MOST).targets.cpu().bool()}
    found |= _looked_at("engram", memory, problem, rows)
    random = replace(plan, method=Random(), precision=Precision.FLOAT32)
    found |= _looked_at("random", _distilled(random, part), problem, rows)
    steps = min(_STEPS, full_steps(part))
    network = train_full(part, plan.training.network, [plan.seed], steps).fitted
    return found | {"network.replay": _sure(network, rows)}


def _distilled(plan: Plan, problem: Problem) -> Engram:
    """The samples alone: nobody exports them, or reads their provenance."""
    *_, (final, _) = run(plan, problem)
    return as_engram(final.best, problem, plan.training, plan.precision)


def _looked_at(name: str, memory: Engram, problem: Problem, rows: Split) -> dict[str, Tensor]:
    fitted = fit(memory.training, problem.task, memory.sets, _SEEDS)
    x, *_ = rows.batch(slice(None))
    near = nearest_distances(x.flatten(1).cpu(), memory.samples.inputs.flatten(1).cpu())
    # A copy is not merely near.
    return {f"{name}.replay": _sure(fitted, rows), f"{name}.nearness": -(near + _COPY).log()}


def _sure(fitted: Fitted, rows: Split) -> Tensor:
    return confidence(outputs(fitted, rows).mean(0).cpu(), rows.targets.cpu()).float()


def _half(problem: Problem, k: int, seed: int) -> Tensor:
    """Whether each row is in: half of every class, and each row in half of the shadows, as two by two make wholes."""
    member = torch.zeros(len(problem.train), dtype=torch.bool)
    for c, group in enumerate(problem.train.by_class):
        drawn = torch.randperm(len(group), generator=stream(seed, "halves", k // 2, c))
        # An odd row goes to the first half of one class, to the second of the next.
        middle = (len(group) + c % 2) // 2
        own = drawn[:middle] if k % 2 == 0 else drawn[middle:]
        own = own if len(own) else drawn[:1]
        member[group.cpu()[own]] = True
    return member


def _place(folder: RunFolder, k: int) -> Path:
    return folder.folder / f"shadow-{k}.safetensors"


def _said(engram: Engram, k: int, seed: int) -> dict[str, Any]:
    return {"shadow": json.dumps([engram.fingerprint, str(engram.provenance.get("method")), k, seed])}


def _known(folder: RunFolder | None, engram: Engram, k: int, seed: int, count: int) -> dict[str, Tensor] | None:
    """A shadow that was kept; None where it is missing, damaged, or of another engram."""
    if folder is None:
        return None
    try:
        tensors, manifest = read_tensors(_place(folder, k))
    except ArtefactError:
        return None
    whole = {len(tensor) for tensor in tensors.values()} == {count} and len(tensors) == 6
    return tensors if whole and manifest.get("shadow") == _said(engram, k, seed)["shadow"] else None
