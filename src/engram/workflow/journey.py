"""The whole journey in one call: distil, write the artefact at once, judge, compare, report."""

from pathlib import Path
from typing import Any, Literal

import torch

from ..data.problem import Problem
from ..data.source import load_problem
from ..distillation import defaults
from ..distillation.forecast import forecast
from ..distillation.method import Method
from ..distillation.plan import Plan
from ..distillation.published import method_of
from ..distillation.ranks import rank
from ..distillation.readable import Wording
from ..errors import SettingError
from ..evaluation.protocol import Protocol
from ..learning.network import Network
from ..memory.files import check_writable, replace_file
from ..memory.run_folder import RunFolder
from ..samples.budget import Budget, Precision
from ..spec import parse
from .ahead import trained_ahead
from .devices import device_of
from .distilling import Distilling
from .judging import judge
from .outcome import Outcome
from .progress import LOGGER, Watch, never_fatal, stage
from .threads import spare_threads

__all__ = ["run"]


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

    Started by ``torchrun``, one distillation is spread over all processes (`distillation.ranks`); the first one writes and judges.

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
        distilling = Distilling(plan, problem, protocol, out, folder, seen, show_real, seconds, readable)
        ahead = None if resume and out.is_file() else protocol
        with trained_ahead(plan, problem, ahead) as train:
            memory, scores = distilling.engram(resume, place), None
            if protocol is not None and rank() == 0:
                scores, memory = judge(memory, problem, protocol, out, folder, seen, train)
        spent = folder.seconds(memory)
        if scores is not None:
            spent |= {f"train_{name}": scores.rows[name].seconds for name in ("engram", "full")}
        if sheet is not None and rank() == 0:
            with never_fatal("the report could not be written"):
                # Drawing loads a third of a second of libraries, for this alone.
                from ..report.page import page

                replace_file(sheet, page(memory, out).encode())
        return Outcome(memory, out, problem, scores, spent, str(memory.provenance["status"]))
    finally:
        torch.set_num_threads(threads)


def _name(source: Any) -> str:
    """A file without its ending; a built-in source with its settings, points and all; nothing for what is in memory."""
    if not isinstance(source, str | Path):
        return ""
    return Path(source).stem if Path(source).exists() else Path(source).name
