"""Distilling with a file at its end: saved while it runs, continued where it stopped, written before anything else is done."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.problem import Problem
from ..distillation.asked import require_shareable
from ..distillation.checkpoint import load_checkpoint, save_checkpoint
from ..distillation.distiller import engram_of
from ..distillation.loop import Run
from ..distillation.loop import run as outer_loop
from ..distillation.plan import Plan
from ..distillation.ranks import agreed, in_turn, rank
from ..distillation.readable import Wording, with_readable
from ..errors import ArtefactError
from ..evaluation.protocol import Protocol
from ..memory.engram import Engram, load
from ..memory.files import undisturbed
from ..memory.run_folder import RunFolder
from ..spec import render
from .estimate import tell_time
from .progress import LOGGER, Progress, Watch, never_fatal, stage

__all__ = ["Distilling"]

_CHECKPOINT_SECONDS = 30


@dataclass(frozen=True, eq=False)
class Distilling:
    """What is distilled, on what, and where it goes.

    Args:
        plan: what is carried out.
        problem: real data.
        protocol: how it will be judged, for the estimate of time.
        out: the artefact's file.
        folder: beside it, for the checkpoint and what a report needs.
        watch: called with the progress.
        show_real: whether the folder keeps a few real rows.
        seconds: of outer steps, after which the best so far is kept.
        readable: how samples of texts are said.
    """

    plan: Plan
    problem: Problem
    protocol: Protocol | None
    out: Path
    folder: RunFolder
    watch: Watch
    show_real: bool = False
    seconds: float | None = None
    readable: Wording = "words"

    def engram(self, resume: bool, device: str) -> Engram:
        """The engram, of a run that is finished, continued or begun.

        Args:
            resume: whether what was interrupted is continued.
            device: where.

        Returns:
            The engram as it was written.
        """
        require_shareable(self.plan.method, self.problem)
        memory = self._finished() if resume else None
        return self._worded(self._distilled(resume, device) if memory is None else memory)

    def _finished(self) -> Engram | None:
        """The engram of a run whose distillation is over."""
        if not agreed(self.out.is_file()):
            return None
        memory = load(self.out)
        if not self.plan.made(memory, self.problem):
            if agreed(self.folder.checkpoint.is_file()):
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

    def _distilled(self, resume: bool, device: str) -> Engram:
        """Distil, and write the artefact before anything else."""
        plan, problem, folder = self.plan, self.problem, self.folder
        last = self._begun(resume, device)
        method = render(plan.method).partition(":")[0]
        LOGGER.info(
            "distilling %s: %s rows (%s more choose, %s test), %s%s",
            problem.name,
            *(f"{len(part):,}" for part in (problem.train, problem.select, problem.test)),
            method,
            f", {plan.method.steps:,} outer steps" if plan.method.steps else "",
        )
        prepare = getattr(plan.method, "prepare", None)
        if prepare is not None and agreed(last is None):
            with in_turn():
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
                    self._keep(current)
                    saved = time.perf_counter()
            assert current is not None
            memory = engram_of(current, plan, problem)
            if rank() > 0:
                return memory
            memory.save(self.out, force=True)
        except BaseException as error:
            # Whatever it is, Ctrl-C, a callback of the caller's or a full disk: the work so far is kept.
            if current is not None and self._keep(current):
                LOGGER.warning(
                    "%s at step %s of %s; the run is saved: to continue, repeat the command with --resume",
                    "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped",
                    current.step,
                    plan.method.steps,
                )
            raise
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

    def _worded(self, memory: Engram) -> Engram:
        """The engram with its readable view, which is added to the file that is written already."""
        if "readable" not in memory.provenance and rank() == 0:
            with never_fatal("the samples could not be said in words"):
                said = with_readable(memory, self.problem, self.readable, stage("wording", self.watch))
                if said is not memory:
                    said.save(self.out, force=True)
                return said
        return memory

    def _begun(self, resume: bool, device: str) -> Run | None:
        """The run to continue, if there is one; one that is not to be continued goes."""
        if rank() > 0:
            return None  # the first process shares what it continues
        if resume and self.folder.checkpoint.is_file():
            return load_checkpoint(self.folder.checkpoint, self.plan.identity(self.problem), device)
        if resume:
            LOGGER.info("%s holds no checkpoint: starting anew", self.folder.folder)
        self.folder.checkpoint.unlink(missing_ok=True)
        return None

    def _keep(self, current: Run) -> bool:
        """Write the checkpoint; whether that went well, and was for this process to do."""
        if rank() > 0:
            return False
        with never_fatal("the run could not be saved"), undisturbed():
            self.folder.folder.mkdir(exist_ok=True)
            save_checkpoint(self.folder.checkpoint, current, self.plan.identity(self.problem))
            return True
        return False
