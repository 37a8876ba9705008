"""The whole journey in one call: distil, write the artefact at once, judge, compare, report."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.problem import Problem
from ..data.source import load_problem
from ..distillation import defaults
from ..distillation.checkpoint import resume as read_checkpoint
from ..distillation.checkpoint import save_checkpoint
from ..distillation.distiller import engram_of
from ..distillation.loop import Run, as_engram
from ..distillation.loop import run as outer_loop
from ..distillation.method import Method
from ..distillation.plan import Plan
from ..distillation.published import method_of
from ..errors import ArtefactError, SettingError
from ..evaluation.protocol import Protocol
from ..evaluation.scores import Scores
from ..learning.network import Network
from ..memory.engram import Engram, load
from ..memory.files import check_writable, replace_file
from ..memory.run_folder import RunFolder
from ..report.page import page
from ..samples.budget import Budget, Precision
from ..spec import parse
from .estimate import estimate, in_words
from .judging import compare, judge
from .progress import LOGGER, Progress, Watch, never_fatal
from .threads import spare_threads

__all__ = ["Outcome", "run"]

_CHECKPOINT_SECONDS = 30
_LONG = 3600
"""Seconds beyond which a run says how to shorten it."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a journey ended with.

    Args:
        engram: the artefact, with its scores.
        file: where it lies.
        problem: the data.
        scores: of the evaluation; None without one.
        seconds: of distilling and judging, and of training one network on the engram and on everything.
        status: done, or diverged at a step.
    """

    engram: Engram
    file: Path
    problem: Problem
    scores: Scores | None
    seconds: Mapping[str, float | None]
    status: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "file": str(self.file),
            "metric": self.problem.metric.value,
            "status": self.status,
            "scores": self.scores.as_json() if self.scores else {},
            "items": self.engram.items,
            "bytes": {"engram": self.engram.bytes, "data": self.problem.bytes},
            "ratio": self.problem.bytes / self.engram.bytes,
            "seconds": dict(self.seconds),
            "notes": list(self.engram.provenance["notes"]),
        }


def run(
    source: str | Path | Problem,
    method: Method | str | None = None,
    *,
    out: str | Path | None = None,
    budget: Budget | None = None,
    auto: bool = False,
    network: Network | str | None = None,
    precision: Precision | None = None,
    steps: int | None = None,
    quick: bool = False,
    seed: int = 0,
    seeds: int = 5,
    full_steps: int | None = None,
    report: bool = False,
    device: str = "cpu",
    resume: bool = False,
    force: bool = False,
    watch: Watch | None = None,
    **settings: Any,
) -> Outcome:
    """Distil, write, judge, and keep what a report needs: what ``engram distill`` does.

    The artefact is written the moment distillation ends; scores are added to it afterwards. What fails later costs a
    warning and never the work. Ctrl-C saves a checkpoint while distilling, and the rows that are known while judging;
    ``resume=True`` continues either, bit for bit.

    Args:
        source: a built-in name, a file, a folder, or a problem.
        method: a method or its word; by the kind of data when None.
        out: the file to write; ``SOURCE.engram`` here when None. ``NAME.run`` beside it holds the rest.
        budget: how much synthetic data.
        auto: as many samples as the estimated dimension of the task asks for.
        network: the architecture.
        precision: of stored inputs.
        steps: outer steps.
        quick: a paper's setting at the scale of a CPU; for any other method a third of its steps.
        seed: of every draw, the split included.
        seeds: networks per row of the evaluation; 0 for none.
        full_steps: steps of training on everything; by the data's size when None.
        report: whether to write the page, ``NAME.html``.
        device: where it runs.
        resume: continue what was interrupted; what is finished is shown.
        force: replace files that exist.
        watch: called with the progress of every stage. Notes and warnings go to the logger ``engram``.
        settings: of the source (`target`, `group`, `split`, `task`).

    Returns:
        The outcome.

    Raises:
        EngramError: what cannot be done, before any work is.

    Example:
        >>> import tempfile
        >>> from engram import PerClass
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     outcome = run("wine", out=f"{folder}/wine.engram", budget=PerClass(1), steps=5, seeds=0)
        ...     outcome.file.name, outcome.engram.items
        ('wine.engram', 3)
    """
    if auto and budget is not None:
        raise SettingError("auto chooses the budget: give no other")
    name = source.name if isinstance(source, Problem) else Path(source).stem
    out = check_writable(out or Path(f"{name or 'data'}.engram"), force or resume)
    folder = RunFolder.of(out)
    folder.check(force or resume)
    if isinstance(method, str):
        method_of(method)  # a wrong word is refused before data are read
    network = parse("networks", network) if isinstance(network, str) else network
    problem = source if isinstance(source, Problem) else load_problem(source, seed=seed, **settings)
    problem = problem.to(device)
    for note in problem.notes:
        LOGGER.info("note: %s", note)
    threads = spare_threads(problem.task.shape)
    try:
        if auto:
            budget = defaults.budget(problem, seed)
            LOGGER.info("budget %s", budget)
        plan = Plan.of(
            problem, method, budget=budget, network=network, precision=precision, steps=steps, seed=seed, quick=quick
        )
        protocol = Protocol(seeds=seeds, full_steps=full_steps) if seeds else None
        return _carried_out(
            plan, problem, protocol, out, folder, device, resume, report, watch or (lambda progress: None)
        )
    finally:
        torch.set_num_threads(threads)


def _carried_out(
    plan: Plan,
    problem: Problem,
    protocol: Protocol | None,
    out: Path,
    folder: RunFolder,
    device: str,
    resume: bool,
    report: bool,
    watch: Watch,
) -> Outcome:
    seconds: dict[str, float | None] = dict.fromkeys(("distill", "judge", "train_engram", "train_full"))
    memory, scores = _finished(plan, problem, out, folder, resume), None
    if memory is None:
        memory, seconds["distill"] = _distilled(plan, problem, out, folder, protocol, device, resume, watch)
    if protocol is not None:
        scores, memory, spent = judge(memory, problem, protocol, out, folder, watch)
        seconds |= spent
        if scores is not None and seconds["judge"] is not None:
            compare(memory, problem, protocol, folder, scores, seconds, watch)
    if report:
        with never_fatal("the report could not be written"):
            replace_file(out.with_suffix(".html"), page(memory, out).encode())
    return Outcome(memory, out, problem, scores, seconds, str(memory.provenance["status"]))


def _finished(plan: Plan, problem: Problem, out: Path, folder: RunFolder, resume: bool) -> Engram | None:
    """The engram of a run whose distillation is over."""
    if not resume or folder.checkpoint.is_file() or not out.is_file():
        return None
    memory = load(out)
    if not plan.made(memory, problem):
        raise ArtefactError(
            f"{out} is an engram of other data or settings: repeat the command it was made with, or start anew with --force"
        )
    LOGGER.info("%s is distilled already", out)
    return memory.to(problem.train.device)


def _distilled(
    plan: Plan,
    problem: Problem,
    out: Path,
    folder: RunFolder,
    protocol: Protocol | None,
    device: str,
    resume: bool,
    watch: Watch,
) -> tuple[Engram, float]:
    """Distil, and write the artefact before anything else."""
    identity, last = plan.identity(problem), None
    if resume and folder.checkpoint.is_file():
        last = read_checkpoint(folder.checkpoint, identity, device)
    elif resume:
        LOGGER.info("%s holds no checkpoint: starting anew", folder.folder)
    LOGGER.info(
        "distilling %s: %s rows, %s, %s outer steps",
        problem.name,
        f"{len(problem.train):,}",
        plan.provenance(problem)["method"].partition(":")[0],
        f"{plan.method.steps:,}",
    )
    prepare = getattr(plan.method, "prepare", None)
    if prepare is not None and last is None:
        prepare(problem, plan.training, plan.seed, lambda done: watch(Progress("preparing", done)))
    saved, current = time.perf_counter(), last
    total = max(plan.method.steps, 1)
    try:
        for current, metrics in outer_loop(plan, problem, last):
            if not metrics and plan.method.steps > current.step:
                _tell_time(plan, problem, current, protocol)
            loss = f"loss {metrics['loss']:.4g}, " if "loss" in metrics else ""
            watch(Progress("distilling", current.step / total, f"{loss}validation {current.best_score:.4f}"))
            if time.perf_counter() - saved > _CHECKPOINT_SECONDS:
                _checkpoint(folder, current, identity)
                saved = time.perf_counter()
    except KeyboardInterrupt:
        if current is not None:
            _checkpoint(folder, current, identity)
            LOGGER.warning(
                "interrupted at step %s of %s; the run is saved: to continue, repeat the command with --resume",
                current.step,
                plan.method.steps,
            )
        raise
    assert current is not None
    if current.step < total:
        watch(Progress("distilling", 1.0))
    memory = engram_of(current, plan, problem)
    memory.save(out, force=True)
    with never_fatal("a few real rows could not be kept for the report"):
        folder.start(memory, problem)
    folder.checkpoint.unlink(missing_ok=True)
    if current.status != "running":
        LOGGER.warning("the loss was not finite (%s); the last good state was kept: lower the rate", current.status)
    for note in memory.provenance["notes"][len(problem.notes) :]:
        LOGGER.warning("%s", note)
    return memory, current.seconds


def _tell_time(plan: Plan, problem: Problem, current: Run, protocol: Protocol | None) -> None:
    start = as_engram(plan.method.export(current.state), problem, plan.training, plan.precision)
    with never_fatal("the time that this takes could not be estimated"):
        found = estimate(plan, problem, current.state, start, protocol)
        LOGGER.info("this takes %s", found)
        if found.distilling > _LONG:
            LOGGER.warning(
                "%s is long: --quick takes a setting at the scale of a CPU, --steps N fewer steps, --network "
                "convnet:width=32 a smaller network",
                in_words(found.distilling),
            )


def _checkpoint(folder: RunFolder, current: Run, identity: str) -> None:
    folder.folder.mkdir(exist_ok=True)
    save_checkpoint(folder.checkpoint, current, identity)
