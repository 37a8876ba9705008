"""The benchmark: methods, data, budgets, networks and seeds as a grid, one process and one row for each run.

A row is a JSON line with every raw score, the time, the peak of memory, hardware, versions and a status. A run that
diverges, runs out of memory, takes too long or is killed leaves its row too, and the grid goes on.
"""

import hashlib
import json
import math
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch

from . import __version__, defaults
from .artefact import Engram
from .budget import Budget
from .canvas import Canvas
from .container import append_line, code_version
from .errors import ArtefactError, DivergenceError, EngramError, SettingError
from .evaluation.full import full_steps, train_full
from .experts import Prepared
from .fitting import Fitted, fit
from .loop import Run, bare, configured, identify, outputs, resume, run, save_checkpoint, validation_interval
from .method import Method
from .metrics import score
from .network import Network
from .problem import Problem
from .published import PUBLISHED, method_of
from .source import load_problem
from .spec import encode, parse, render
from .training import Descent, Training

__all__ = ["BASELINES", "FULL", "Cell", "Recipe", "Results", "conduct", "everything", "plain"]

FULL = "full"
"""In place of a method: networks trained on all data, the ceiling."""
BASELINES = (
    FULL,
    "random",
    "random:labels=teacher",
    "k-means",
    "k-means:labels=teacher",
    "herding",
    "herding:labels=teacher",
    "k-center",
    "k-center:labels=teacher",
)
_CHECKPOINT_SECONDS = 60
_GRACE = 0.2
_CUT = ("killed", "timed out")
"""Runs that were cut short; they continue from their checkpoint."""


def everything() -> tuple[str, ...]:
    """Baselines, then every published setting."""
    return (*BASELINES, *PUBLISHED)


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Args:
        data: a built-in name or a path.
        method: a method, a published setting, or `FULL`.
        budget: how much synthetic data.
        network: on which it is distilled and judged; the default for the data when empty.
        seed: of split, distillation and draws.
    """

    data: str
    method: str
    budget: Budget
    network: str = ""
    seed: int = 0

    @property
    def dataset(self) -> str:
        """Name for tables; where a file lies does not matter."""
        return Path(self.data).stem if Path(self.data).exists() else self.data

    def named(self, recipe: "Recipe") -> dict[str, Any]:
        """By what a row says it, and is found again."""
        return {
            "dataset": self.dataset,
            "method": self.method,
            "budget": str(self.budget),
            "network": self.network,
            "seed": self.seed,
            "recipe": encode(recipe),
        }

    def key(self, recipe: "Recipe") -> str:
        """A name for files."""
        return hashlib.blake2b(json.dumps(self.named(recipe)).encode(), digest_size=10).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """How every cell is run and judged.

    Args:
        quick: published settings at the scale of a CPU in place of the papers' own.
        steps: outer steps in place of each method's own.
        networks: networks trained for each score.
        judges: further architectures on which every engram is judged.
        device: kind of device, cpu or cuda.

    Raises:
        SettingError: no network.
    """

    quick: bool = False
    steps: int | None = None
    networks: int = 3
    judges: tuple[str, ...] = ()
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.networks < 1:
            raise SettingError(f"networks is {self.networks}: train at least one for each score")

    def method(self, word: str, problem: Problem | None = None) -> Method:
        """The method that a word names."""
        usual = None if problem is None else defaults.method(problem)
        return configured(method_of(word, usual, self.quick), self.steps)


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
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError as error:
            raise ArtefactError(f"{self.path} cannot be read ({error.strerror or error})") from error
        known: dict[str, dict[str, Any]] = {}
        for line in lines:
            try:
                row = json.loads(line)
                known[row["key"]] = row | {"scores": _numbers(row["scores"])}
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
        if lines and not known:
            raise ArtefactError(f"{self.path} holds no row of a benchmark")
        return list(known.values())

    def add(self, row: Mapping[str, Any]) -> None:
        """Append one row and see it on disk."""
        append_line(self.path, json.dumps(row))


def _numbers(scores: Any) -> dict[str, list[float]]:
    return {str(key): [float(value) for value in runs] for key, runs in scores.items()}


def conduct(
    cells: Sequence[Cell],
    recipe: Recipe,
    results: Results,
    *,
    jobs: int = 1,
    limit: float = math.inf,
    device: str = "cpu",
    retry: bool = False,
    watch: Callable[[int, int, str], None] | None = None,
) -> None:
    """Run every cell that has no row yet or was cut short, each in a process of its own.

    Args:
        cells: the grid.
        recipe: how they are run.
        results: rows, read and added to.
        jobs: processes at once.
        limit: seconds that a run may take.
        device: where they run.
        retry: whether cells whose row says that they diverged or failed run again too.
        watch: called with (cells done, cells in all, what runs now).

    Raises:
        OutputError: a row cannot be written.
    """
    known = {row["key"]: row["status"] for row in (results.rows() if results.path.is_file() else [])}
    over = lambda status: status == "done" or not (retry or status in _CUT)  # noqa: E731
    missing = [cell for cell in cells if not (cell.key(recipe) in known and over(known[cell.key(recipe)]))]
    watch = watch or (lambda done, total, now: None)
    done = len(cells) - len(missing)
    for count, row in enumerate(
        _rows(missing, recipe, jobs, limit, device, results.path, partial(_told, watch, len(cells), done))
    ):
        results.add(row)
        watch(done + count + 1, len(cells), "")


def _told(watch: Callable[[int, int, str], None], total: int, before: int, count: int, now: str) -> None:
    watch(before + count, total, now)


def _rows(
    cells: Sequence[Cell],
    recipe: Recipe,
    jobs: int,
    limit: float,
    device: str,
    path: Path,
    told: Callable[[int, str], None],
) -> Iterator[dict[str, Any]]:
    # Fresh processes: a fork of one that has already used threads can stand still.
    context = get_context("spawn")
    waiting = list(reversed(cells))
    running: dict[Any, tuple[Cell, Connection, float]] = {}
    finished = 0
    threads = max(1, (os.cpu_count() or 1) // jobs)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(cell, recipe, device, threads, str(path), theirs))
                process.start()
                theirs.close()
                running[process] = (cell, ours, time.monotonic())
                told(finished, ", ".join(f"{cell.dataset} {cell.method}" for cell, *_ in running.values()))
            wait([pipe for _, pipe, _ in running.values()], timeout=_GRACE)
            for process, (cell, pipe, begun) in list(running.items()):
                late = time.monotonic() - begun > limit
                if process.is_alive() and not pipe.poll() and not late:
                    continue
                if late:
                    process.kill()
                row = _received(pipe)
                process.join()
                del running[process]
                finished += 1
                if row is None:
                    status = "timed out" if late else "killed"
                    message = f"after {limit:.0f} s" if late else f"exit code {process.exitcode}"
                    row = _row(cell, recipe, status, message, {}, time.monotonic() - begun, threads)
                yield row
    finally:
        for process in running:
            process.kill()


def _received(pipe: Connection) -> dict[str, Any] | None:
    try:
        row: dict[str, Any] | None = pipe.recv() if pipe.poll() else None
    except (EOFError, OSError):
        row = None
    pipe.close()
    return row


def _work(cell: Cell, recipe: Recipe, device: str, threads: int, path: str, pipe: Connection) -> None:
    """What a process does: one cell, whatever becomes of it."""
    import signal

    # The parent hears Ctrl-C, and ends its children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    begun = time.monotonic()
    status, message, found = "done", "", {}
    try:
        found = measure(cell, recipe, device, Path(f"{path}.cells") / f"{cell.key(recipe)}.safetensors")
        status, message = found.pop("status"), found.pop("message")
    except DivergenceError as error:
        status, message = "diverged", str(error)
    except EngramError as error:
        status, message = "failed", str(error)
    except (MemoryError, RuntimeError) as error:
        short = isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate" in str(error)
        status, message = "out of memory" if short else "failed", str(error)
    except Exception as error:
        status, message = "failed", f"{type(error).__name__}: {error}"
    wall, message = time.monotonic() - begun, " ".join(message.split())[:500]
    pipe.send(_row(cell, recipe, status, message, found, wall, threads, _peak(device)))
    pipe.close()


def _peak(device: str) -> int:
    """MiB that this process held at most, where it computes."""
    if device.startswith("cuda") and torch.cuda.is_initialized():
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _row(
    cell: Cell,
    recipe: Recipe,
    status: str,
    message: str,
    found: Mapping[str, Any],
    wall: float,
    threads: int,
    memory: int | None = None,
) -> dict[str, Any]:
    return {
        "key": cell.key(recipe),
        **cell.named(recipe),
        "status": status,
        "message": message,
        "scores": {},
        **found,
        "wall": round(wall, 2),
        "memory": memory,
        "hardware": _hardware() | {"threads": threads},
        "versions": {"engram": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
        "code": code_version(),
    }


def _hardware() -> dict[str, Any]:
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    return {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count(), "gpu": gpu}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def measure(cell: Cell, recipe: Recipe, device: str, checkpoint: Path) -> dict[str, Any]:
    """Run one cell: distil, then judge on `test`.

    Args:
        cell: what is run.
        recipe: how.
        device: where.
        checkpoint: kept while it runs, continued from when it is there.

    Returns:
        Scores, cost and settings, as plain JSON.

    Raises:
        EngramError: what cannot be run.
    """
    problem = load_problem(cell.data, seed=cell.seed).to(device)
    network = parse("networks", cell.network) if cell.network else defaults.network(problem)
    seeds = list(range(recipe.networks))
    if cell.method == FULL:
        return _ceiling(problem, network, seeds)
    method = recipe.method(cell.method, problem)
    training = defaults.training(problem, network, method)
    precision = defaults.precision(problem)
    prepare = getattr(method, "prepare", None)
    prepared = prepare(problem, training, cell.seed) if prepare is not None else Prepared()
    identity = identify(method, problem, training, cell.budget, precision, cell.seed)
    start = _continued(checkpoint, identity, device, prepared.digest)
    # Interrupted runs count what they took before.
    begun = time.monotonic() - (start.seconds if start else 0.0)
    saved, current = time.monotonic(), start
    for current, _ in run(
        method, problem, training, cell.budget, cell.seed, precision, validation_interval(method.steps, problem), start
    ):
        if time.monotonic() - saved > _CHECKPOINT_SECONDS:
            checkpoint.parent.mkdir(exist_ok=True)
            save_checkpoint(checkpoint, current, identity)
            saved = time.monotonic()
    assert current is not None
    distilled = time.monotonic()
    memory = bare(current.best, problem, training, precision)
    scores, diverged = _judged(memory, problem, recipe, seeds)
    checkpoint.unlink(missing_ok=True)
    status = "done" if current.status == "running" else current.status
    return {
        "status": "diverged" if "own" in diverged else status,
        "message": f"networks taught by the samples diverged: {', '.join(diverged)}" if diverged else "",
        "fingerprint": problem.fingerprint,
        "settings": render(method),
        "metric": problem.metric.value,
        "scores": scores,
        "select": current.best_score if math.isfinite(current.best_score) else None,
        "soft": problem.classes is None or _soft(memory),
        "items": memory.items,
        "bytes": memory.canvas_bytes,
        "steps": current.step,
        "seconds": {
            # What training the experts took, by whichever run that was.
            "prepare": round(prepared.seconds, 2),
            "distill": round(distilled - begun, 2),
            "judge": round(time.monotonic() - distilled, 2),
        },
    }


def _continued(checkpoint: Path, identity: str, device: str, prepared: str) -> Run | None:
    """The run that was interrupted; one of other data or settings, or of other experts, is not continued."""
    if not checkpoint.is_file():
        return None
    try:
        found = resume(checkpoint, identity, device)
    except ArtefactError:
        return None
    return found if getattr(found.state, "prepared", "") == prepared else None


def _ceiling(problem: Problem, network: Network, seeds: list[int]) -> dict[str, Any]:
    begun = time.monotonic()
    # The ceiling has no outer steps: fewer of them do not lower it.
    steps = full_steps(problem)
    full = train_full(problem, network, seeds, steps)
    scores = {"own": _scored(full.fitted, problem)}
    judged = time.monotonic() - begun - full.seconds * len(seeds)
    return {
        "status": "done",
        "message": "",
        "fingerprint": problem.fingerprint,
        "settings": FULL,
        "metric": problem.metric.value,
        "scores": scores,
        "select": float(full.select.mean()),
        "soft": False,
        "items": len(problem.train),
        "bytes": problem.bytes,
        "steps": steps,
        # A network's training is what all data cost.
        "seconds": {"prepare": 0.0, "distill": round(full.seconds, 2), "judge": round(judged, 2)},
    }


def _soft(memory: Engram) -> bool:
    """Whether labels are not classes."""
    return any(not getattr(canvas, "classes", 0) for canvas in memory.canvases.values())


def _judged(
    memory: Engram, problem: Problem, recipe: Recipe, seeds: list[int]
) -> tuple[dict[str, list[float]], list[str]]:
    """Scores under the training's own recipe, without augmentation, with hard labels, and on other networks.

    And the names of those that diverged.
    """
    own = memory.training
    asked = {"own": (memory, own), "plain": (memory, plain(own))}
    if problem.classes:
        hard = replace(memory, canvases={name: hardened(canvas) for name, canvas in memory.canvases.items()})
        asked["hard"] = (hard if _soft(memory) else memory, own)
    asked |= {f"on {word}": (memory, own.on(parse("networks", word))) for word in recipe.judges}
    scores: dict[str, list[float]] = {}
    diverged = []
    for name, (taught, training) in asked.items():
        if taught is memory and training == own and "own" in scores:
            scores[name] = scores["own"]
            continue
        try:
            scores[name] = _scored(fit(training, problem.task, taught.sets, seeds), problem)
        except DivergenceError:
            diverged.append(name)
    return scores, diverged


def _scored(fitted: Fitted, problem: Problem) -> list[float]:
    found: list[float] = score(problem.metric, outputs(fitted, problem.test), problem.test.targets).tolist()
    return found


def plain(training: Training) -> Training:
    """The same training without augmentation."""
    return replace(
        training,
        phases=tuple(
            replace(phase, solver=replace(phase.solver, augment="")) if isinstance(phase.solver, Descent) else phase
            for phase in training.phases
        ),
    )


def hardened(canvas: Canvas) -> Canvas:
    """The same samples with the label of their largest score."""
    targets = getattr(canvas, "targets", None)
    if targets is None or targets.ndim != 2 or targets.shape[1] < 2:
        return canvas
    return replace(canvas, targets=targets.argmax(1), classes=targets.shape[1])  # type: ignore[type-var]
