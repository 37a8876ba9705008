"""The whole journey in one call: distil, write the artefact at once, judge, compare, report."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from ..data.problem import Problem
from ..data.source import load_problem
from ..distillation import defaults
from ..distillation.checkpoint import load_checkpoint, save_checkpoint
from ..distillation.distiller import engram_of
from ..distillation.forecast import forecast
from ..distillation.loop import Run
from ..distillation.loop import run as outer_loop
from ..distillation.method import Method
from ..distillation.plan import Plan
from ..distillation.published import method_of
from ..distillation.readable import Wording, with_readable
from ..errors import ArtefactError, SettingError
from ..evaluation.protocol import Protocol
from ..learning.network import Network
from ..memory.engram import Engram, load
from ..memory.files import check_writable, replace_file, undisturbed
from ..memory.run_folder import RunFolder
from ..samples.budget import Budget, Precision
from ..spec import parse, render
from .devices import device_of
from .estimate import tell_time
from .judging import judge
from .outcome import Outcome
from .progress import LOGGER, Progress, Watch, never_fatal, stage
from .threads import spare_threads

__all__ = ["run"]

_CHECKPOINT_SECONDS = 30


def run(
    source: Any,
    method: Method | str | None = None,
    *,
    out: str | Path | None = None,
    budget: Budget | None = None,
    auto: bool = False,
    network: Network | str | None = None,
    precision: Precision | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    quick: bool = False,
    teaches: defaults.Teaches = "any",
    seed: int = 0,
    seeds: int = 5,
    full_steps: int | None = None,
    panel: Literal["none", "quick", "full"] = "quick",
    judges: tuple[str, ...] = (),
    report: bool = False,
    readable: Wording = "words",
    show_real: bool = False,
    device: str = "auto",
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
        source: a built-in name, a file, a folder, a dataset of PyTorch or Hugging Face, or a problem.
        method: a method or its word; by the kind of data when None.
        out: the file to write; ``SOURCE.engram`` here when None. ``NAME.run`` beside it holds the rest.
        budget: how much synthetic data.
        auto: the smallest budget that a forecast puts near the plateau (`distillation.forecast`).
        network: the architecture.
        precision: of stored inputs.
        steps: outer steps.
        seconds: of outer steps, after which the best so far is kept; None for no limit.
        quick: a paper's setting at the scale of a CPU; for any other method a third of its steps.
        teaches: whom, where no method is named: any training, or the engram's own replay alone.
        seed: of every draw, the split included.
        seeds: networks per row of the evaluation; 0 for none.
        full_steps: steps of training on everything; by the data's size when None.
        panel: which foreign learners judge too; `quick` at most doubles the judging.
        judges: further ones by name (`evaluation.learners`).
        report: whether to write the page, ``NAME.html``, as well.
        readable: how samples of texts are said: in words of the vocabulary, or in texts of the data, which the file then holds.
        show_real: whether reports may show a few real rows, which then lie beside the file.
        device: auto (a GPU if there is one), cpu, cuda or cuda:N.
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
    if seconds is not None and seconds <= 0:
        raise SettingError(f"{seconds:g} seconds leave no time to distil")
    if auto and budget is not None:
        raise SettingError("auto chooses the budget: give no other")
    given = sorted(key for key, value in settings.items() if value is not None)
    if isinstance(source, Problem) and given:
        raise SettingError(f"a problem that is posed already takes no {', '.join(given)}: leave it out")
    protocol = Protocol(seeds=seeds, full_steps=full_steps, panel=panel, judges=judges) if seeds else None
    place = device_of(device)
    name = source.name if isinstance(source, Problem) else _name(source)
    out = check_writable(out or Path(f"{name or 'data'}.engram"), force or resume)
    folder = RunFolder.of(out)
    folder.check(force or resume)
    sheet = check_writable(folder.page, force or resume) if report else None
    if isinstance(method, str):
        method_of(method)  # a wrong word is refused before data are read
    network = parse("networks", network) if isinstance(network, str) else network
    seen = watch or (lambda progress: None)
    if not isinstance(source, Problem):
        source = load_problem(source, seed=seed, watch=stage("encoding", seen), **settings)
    problem = source.to(place)
    for note in problem.notes:
        LOGGER.info("note: %s", note)
    threads = spare_threads(problem.task.shape)
    try:
        if auto:
            told = stage("forecasting", seen)
            budget = forecast(problem, teaches=teaches, precision=precision, seed=seed, watch=told).budget
            LOGGER.info("budget %s", budget)
        plan = Plan.of(
            problem,
            method,
            budget=budget,
            network=network,
            precision=precision,
            steps=steps,
            seed=seed,
            quick=quick,
            teaches=teaches,
            watch=stage("choosing", seen),
        )
        if plan.reason:
            LOGGER.info("chosen: %s", plan.reason)
        journey = _Journey(plan, problem, protocol, out, folder, seen, show_real, seconds, readable)
        outcome = journey.carry_out(resume, place)
        if sheet is not None:
            with never_fatal("the report could not be written"):
                # Drawing loads a third of a second of libraries, for this alone.
                from ..report.page import page

                replace_file(sheet, page(outcome.engram, out).encode())
        return outcome
    finally:
        torch.set_num_threads(threads)


def _name(source: Any) -> str:
    """A file without its ending; a built-in source with its settings, points and all; nothing for what is in memory."""
    if not isinstance(source, str | Path):
        return ""
    return Path(source).stem if Path(source).exists() else Path(source).name


@dataclass(frozen=True, eq=False)
class _Journey:
    """What is done, on what, and where it goes."""

    plan: Plan
    problem: Problem
    protocol: Protocol | None
    out: Path
    folder: RunFolder
    watch: Watch
    show_real: bool = False
    seconds: float | None = None
    readable: Wording = "words"

    def carry_out(self, resume: bool, device: str) -> Outcome:
        """Distil unless that is done, judge unless that is done."""
        memory, scores = self.finished() if resume else None, None
        if memory is None:
            memory = self.distil(resume, device)
        memory = self.worded(memory)
        if self.protocol is not None:
            scores, memory = judge(memory, self.problem, self.protocol, self.out, self.folder, self.watch)
        seconds = self.folder.seconds(memory)
        if scores is not None:
            seconds |= {f"train_{name}": scores.rows[name].seconds for name in ("engram", "full")}
        return Outcome(memory, self.out, self.problem, scores, seconds, str(memory.provenance["status"]))

    def finished(self) -> Engram | None:
        """The engram of a run whose distillation is over."""
        if not self.out.is_file():
            return None
        memory = load(self.out)
        if not self.plan.made(memory, self.problem):
            if self.folder.checkpoint.is_file():
                # An older engram, which the run under way was allowed to replace.
                return None
            raise ArtefactError(
                f"{self.out} is an engram of other data or settings: repeat the command it was made with, or start anew "
                "with --force in place of --resume"
            )
        self.folder.checkpoint.unlink(missing_ok=True)
        LOGGER.info("%s is distilled already", self.out)
        # Equal as far as a file can tell; the plan's own has the factory of a custom network.
        return replace(memory, training=self.plan.training).to(self.problem.train.device)

    def distil(self, resume: bool, device: str) -> Engram:
        """Distil, and write the artefact before anything else."""
        plan, problem, folder = self.plan, self.problem, self.folder
        last = self.begun(resume, device)
        method = render(plan.method).partition(":")[0]
        LOGGER.info(
            "distilling %s: %s rows (%s more choose, %s test), %s%s",
            problem.name,
            *(f"{len(part):,}" for part in (problem.train, problem.select, problem.test)),
            method,
            f", {plan.method.steps:,} outer steps" if plan.method.steps else "",
        )
        prepare = getattr(plan.method, "prepare", None)
        if prepare is not None and last is None:
            prepare(problem, plan.training, plan.seed, stage("preparing", self.watch))
        saved, current, total = time.perf_counter(), last, max(plan.method.steps, 1)
        try:
            for current, metrics in outer_loop(plan, problem, last, self.seconds):
                if not metrics and plan.method.steps > current.step:
                    tell_time(plan, problem, current, self.protocol)
                loss = f"loss {metrics['loss']:.4g}, " if "loss" in metrics else ""
                state = f"{loss}validation {current.best_score:.4f}"
                self.watch(Progress("distilling", current.step / total, state))
                if time.perf_counter() - saved > _CHECKPOINT_SECONDS:
                    self.keep(current)
                    saved = time.perf_counter()
            assert current is not None
            memory = engram_of(current, plan, problem)
            memory.save(self.out, force=True)
        except BaseException as error:
            # Whatever it is, Ctrl-C, a callback of the caller's or a full disk: the work so far is kept.
            if current is not None and self.keep(current):
                LOGGER.warning(
                    "%s at step %s of %s; the run is saved: to continue, repeat the command with --resume",
                    "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped",
                    current.step,
                    plan.method.steps,
                )
            raise
        if current.status == "running" and current.step < plan.method.steps:
            LOGGER.info("%g seconds are over: %s of %s outer steps were taken", self.seconds, current.step, total)
        if current.step < total:
            self.watch(Progress("distilling", 1.0))
        with never_fatal("the run folder could not be written"):
            folder.start(memory, problem, current.seconds, self.show_real)
        folder.checkpoint.unlink(missing_ok=True)
        if current.status != "running":
            LOGGER.warning("the loss was not finite (%s); the last good state was kept: lower the rate", current.status)
        for note in memory.provenance["notes"][len(problem.notes) :]:
            LOGGER.warning("%s", note)
        return memory

    def worded(self, memory: Engram) -> Engram:
        """The engram with its readable view, which is added to the file that is written already."""
        if "readable" not in memory.provenance:
            with never_fatal("the samples could not be said in words"):
                said = with_readable(memory, self.problem, self.readable, stage("wording", self.watch))
                if said is not memory:
                    said.save(self.out, force=True)
                return said
        return memory

    def begun(self, resume: bool, device: str) -> Run | None:
        """The run to continue, if there is one; one that is not to be continued goes."""
        if resume and self.folder.checkpoint.is_file():
            return load_checkpoint(self.folder.checkpoint, self.plan.identity(self.problem), device)
        if resume:
            LOGGER.info("%s holds no checkpoint: starting anew", self.folder.folder)
        self.folder.checkpoint.unlink(missing_ok=True)
        return None

    def keep(self, current: Run) -> bool:
        """Write the checkpoint; whether that went well."""
        with never_fatal("the run could not be saved"), undisturbed():
            self.folder.folder.mkdir(exist_ok=True)
            save_checkpoint(self.folder.checkpoint, current, self.plan.identity(self.problem))
            return True
        return False
