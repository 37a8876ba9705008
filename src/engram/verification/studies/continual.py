"""Continual learning: one engram per past task as the only memory of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...data.rows import Rows
from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...learning.fitting import Fitted, fit
from ...learning.gradients import gradient
from ...learning.network import initialise, model_of
from ...learning.readout import refit
from ...learning.stacking import stack
from ...learning.training import Before, Loss, NormaliseRows, Part, RedrawBiases, Ridge
from ...numerics.leave_one_out import leave_one_out
from ...random import stream
from ...samples.synthetic import Synthetic
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Curve, Figure, Result, Table
from ..spectral import eigenvectors

__all__ = ["Continual"]

_MEMORIES = {
    "everything": "all data of all tasks",
    "engram": "one engram per past task (4r points)",
    "eigenvectors": "r eigenvectors per past task, as seeded mixtures, with as many labels",
    "buffer": "a real buffer of equal bytes",
    "nothing": "nothing",
}
_REHEARSED = 8192
_PAPER = "our setting; the memory is the engram of Kinoshita et al., ICML 2026"


@dataclass(frozen=True)
class Continual:
    """A shared first layer with one head per task, tasks arriving one after another.

    When a task arrives the first layer is trained anew: its neurons follow the losses of the tasks so far in turn, one
    step each, on the current task's data and on what the memory holds of the others. Heads of past tasks are fitted
    on the memory: for an engram, on seeded inputs that a replay of it labels.
    """

    title: ClassVar[str] = "Continual learning"
    question: ClassVar[str] = "Is one engram per past task enough memory not to forget it?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """One sequence of tasks per seed."""
        quick = scale is Scale.QUICK
        base = (
            {"d": 40, "width": 480, "tasks": 3, "labels": 200}
            if quick
            else {"d": 100, "width": 1200, "tasks": 4, "labels": 500}
        )
        return [
            Cell("sequence", base | {"r": 2, "rows": 4 * base["d"] ** 2, "seed": s})
            for s in range(seeds or (3 if quick else 5))
        ]

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Learn the tasks in order with every kind of memory."""
        benches = [
            Bench(MultiIndex(d=cell.d, r=cell.r, rows=cell.rows), 100 * cell.seed + t, cell.width)
            for t in range(cell.tasks)
        ]
        canvases = [bench.distil(TwoPhase(labels=cell.labels), 4 * cell.r) for bench in benches]
        spectral = [b.label(TwoPhase(), cell.labels, eigenvectors(b, "mixtures")) for b in benches]
        numbers = benches[0].numbers(*canvases[0].values())
        rows = max(2, numbers // (cell.d + 1))
        engrams, eigenvectors = (
            [(c["features"].decode(), _rehearsed(b, c)) for b, c in zip(benches, kept, strict=True)]
            for kept in (canvases, spectral)
        )
        real = [(b.problem.train, b.rows) for b in benches]
        buffers = [(some, some) for some in (b.some(rows) for b in benches)]
        memories: dict[str, Sequence[tuple[Rows, Rows]] | None] = {
            "everything": real,
            "engram": engrams,
            "eigenvectors": eigenvectors,
            "buffer": buffers,
            "nothing": None,
        }
        fewer = benches[0].numbers(*spectral[0].values())
        result: dict[str, Any] = {"numbers": numbers, "buffer rows": rows, "eigenvectors numbers": fewer}
        for name, memory in memories.items():
            errors = _sequence(benches, memory, real)
            last = errors[-1]
            result[f"{name} error"] = sum(last) / len(last)
            result[f"{name} forgetting"] = sum(last[t] - errors[t][t] for t in range(len(last) - 1)) / (len(last) - 1)
            for stage, row in enumerate(errors):
                result[f"{name} stage {stage}"] = sum(row) / len(row)
                result[f"{name} first {stage}"] = row[0]
        return result

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        (s,) = found.settings("sequence")
        stages = list(range(s["tasks"]))
        claims = [
            Claim(
                "With engrams as memory, past tasks are hardly forgotten (rise of their error)",
                _PAPER,
                found.mean("sequence", "engram forgetting"),
                Interval(high=0.15),
                found.mean("sequence", "nothing forgetting"),
                "no memory",
            ),
            Claim(
                "The average error is below that with a real buffer of equal bytes (difference)",
                _PAPER,
                found.gap("sequence", "engram error", "buffer error"),
                Interval(high=0.0),
                found.gap("sequence", "buffer error", "everything error"),
                "the buffer itself, against storing everything",
            ),
            Claim(
                "It is below that with one eigendecomposition per past task (difference)",
                "the baseline that is missing in the literature known to us",
                found.gap("sequence", "engram error", "eigenvectors error"),
                Interval(high=0.0),
                found.gap("sequence", "buffer error", "eigenvectors error"),
                "a real buffer of the engram's bytes",
                {"numbers of the eigenvectors": found.mean("sequence", "eigenvectors numbers").value},
            ),
            Claim(
                "It comes close to storing everything (difference)",
                _PAPER,
                found.gap("sequence", "engram error", "everything error"),
                Interval(high=0.1),
                found.gap("sequence", "buffer error", "everything error"),
                "a real buffer of equal bytes",
                {
                    "numbers per task": found.mean("sequence", "numbers").value,
                    "rows of the buffer": found.mean("sequence", "buffer rows").value,
                },
            ),
        ]
        rows: list[list[Any]] = [
            [label, found.mean("sequence", f"{name} error"), found.mean("sequence", f"{name} forgetting")]
            for name, label in _MEMORIES.items()
        ]
        curves = []
        for name, label in _MEMORIES.items():
            values = [found.mean("sequence", f"{name} first {stage}") for stage in stages]
            curves.append(Curve.of(label, [k + 1 for k in stages], values))
        return Result(
            claims,
            [
                Table(
                    f"After {s['tasks']} tasks (d = {s['d']}, r = {s['r']}, L = {s['width']})",
                    ["memory of past tasks", "average error", "forgetting"],
                    rows,
                )
            ],
            [
                Figure(
                    "first",
                    "Error on the first task as more tasks arrive.",
                    "tasks learnt",
                    "test error",
                    curves,
                    log_y=True,
                )
            ],
        )


def _rehearsed(bench: Bench, canvases: Any) -> Synthetic:
    """Seeded inputs with the labels of a replay of the engram."""
    sets = {name: canvas.decode() for name, canvas in canvases.items()}
    inputs = torch.randn(_REHEARSED, bench.task.d, generator=stream(bench.seed, "rehearsal"))
    return Synthetic(inputs, fit(bench.training, bench.problem.task, sets, bench.seeds).outputs(inputs)[0])


def _sequence(
    benches: Sequence[Bench], memory: Sequence[tuple[Rows, Rows]] | None, real: Sequence[tuple[Rows, Rows]]
) -> list[list[float]]:
    """Errors of all tasks so far, after each stage."""
    first = benches[0]
    task, network = first.problem.task, first.training.network
    model = model_of(network, task)
    weight = model.first_layer()[0]
    start = stack([initialise(network, task, first.seed, "shared")])
    steps_taken: dict[tuple[int, bool], Tensor] = {}

    def pushed(t: int, now: bool) -> Tensor:
        """The step that task t asks of every neuron, at unit scale."""
        if (t, now) not in steps_taken:
            data = real[t][0] if now or memory is None else memory[t][0]
            step = -gradient(model, Loss.SQUARED, Part.FIRST_LAYER, start, data)[weight][0]
            steps_taken[t, now] = step / step.square().sum(1).mean().sqrt()
        return steps_taken[t, now]

    errors: list[list[float]] = []
    heads: dict[int, dict[str, Tensor]] = {}
    for stage in range(len(benches)):
        # Neurons come in symmetric quarters: within each they take turns.
        owner = torch.arange(first.width // 4).repeat(4) % (stage + 1)
        rows = pushed(stage, True)
        if memory is not None:
            rows = torch.stack([pushed(t, t == stage) for t in range(stage + 1)])[owner, torch.arange(first.width)]
        learnt = start | {weight: rows[None]}
        changes: tuple[Before, ...] = (RedrawBiases(), NormaliseRows())
        for k, change in enumerate(changes):
            generator = stream(first.seed, "shared before", k)
            learnt = stack([change(model, {key: value[0] for key, value in learnt.items()}, generator)])
        row = []
        for t in range(stage + 1):
            if memory is None and t < stage:
                # Nothing is left to fit the old head on: it stays as it was, unless silence is better.
                fitted = Fitted(model, learnt | heads[t])
                row.append(min(benches[t].error(fitted), benches[t].linear()))
                continue
            data = real[t][1] if t == stage or memory is None else memory[t][1]
            if len(data) < first.width:
                x, y, _ = data.batch(slice(None))
                shared = Fitted(model, learnt)
                test = benches[t].problem.test.inputs
                row.append(benches[t].error_of(leave_one_out(shared.features(x)[0], y, shared.features(test)[0])))
                continue
            whole = refit(model, learnt, Ridge(), data)
            heads[t] = {key: whole[key] for key in model.readout()}
            row.append(benches[t].error(Fitted(model, whole)))
        errors.append(row)
    return errors
