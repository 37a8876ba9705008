"""Measure what an outer step costs: every method, at ConvNet width 32 on MNIST, one image per class.

python benchmarks/cost.py run MNIST.npz [NAME ...]   measure what is not yet in results/cost.jsonl
python benchmarks/cost.py show                       print the tables

`ratio` is the time of an outer step over that of the passes it contains, done by plain automatic differentiation in
single precision: forward over the real rows that carry no gradient, forward and backward over those that do and over
its samples, as often as they are learnt from. `profile` says which operations take the time. `race` is the time to a
test accuracy at 64 real rows per class and step, evaluation included.
"""

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

import engram
from engram.data.metrics import score
from engram.distillation import defaults
from engram.distillation.hypergradients import Unroll
from engram.distillation.matcher import Pooled
from engram.distillation.methods.characteristic_matching import CharacteristicMatching
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.methods.trajectory_matching import TrajectoryMatching
from engram.distillation.published import PUBLISHED
from engram.engines.allocation import keep_freed_memory
from engram.evaluation.scores import summarise
from engram.evaluation.variants import plain
from engram.learning.fitting import fit, outputs
from engram.learning.network import model_of
from engram.samples.budget import Precision
from engram.spec import render

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cost.jsonl"
NAMES = [name for name, setting in PUBLISHED.items() if setting.quick.steps]
RACE = {
    "dc": (0.745, replace(PUBLISHED["dc"].quick, batch=64)),
    "dm": (0.865, replace(PUBLISHED["dm"].quick, batch=64, steps=100)),
}
"""Test accuracy that must be reached, and the setting."""
Classwise = (GradientMatching, DistributionMatching, CharacteristicMatching)


def _setting(source: str, name: str):
    problem = engram.load_problem(source)
    method = PUBLISHED[name].quick
    training = defaults.training(problem, None, method)
    return problem, method, training


@dataclass(frozen=True)
class Contents:
    """What an outer step contains: real rows seen forward alone, real rows and passes over samples with a gradient."""

    forward: int
    both: int
    passes: int


def _contents(method, classes: int) -> Contents:
    rows = method.batch * (classes if isinstance(method, Classwise) else 1)
    trained = method.advance if isinstance(method, Pooled) and method.oldest != 0 else 0
    if isinstance(method, TrajectoryMatching):
        return Contents(0, 0, method.student_steps)
    if isinstance(method, PerformanceMatching):
        hyper = method.hypergradient
        if isinstance(hyper, Unroll) and hyper.steps == 0:
            return Contents(rows, 0, 1 + trained)
        inner = hyper.steps
        if isinstance(hyper, Unroll) and hyper.random and hyper.window is not None:
            inner = (hyper.window + hyper.steps) // 2
        return Contents(0, rows, 1 + inner + trained)
    if isinstance(method, GradientMatching):
        real = method.pool_data == "real"
        return Contents(0, rows + real * trained * method.batch, 1 + (not real) * trained)
    # Real features carry no gradient; characteristic matching raises its networks on real rows.
    if isinstance(method, CharacteristicMatching):
        return Contents(rows, trained * method.batch, 1)
    return Contents(rows, 0, 1 + trained)


def ratio(source: str, name: str) -> dict:
    """Seconds of an outer step over those of the passes it contains, in one process."""
    problem, method, training = _setting(source, name)
    if hasattr(method, "prepare"):
        method.prepare(problem, training, 0)
    state = method.init(problem, training, engram.PerClass(1), Precision.FLOAT32, 0)
    held = _contents(method, problem.classes)
    samples = state.canvas.decode().batch(slice(None))
    real = problem.train.sample(held.forward + held.both or 1, 0, 0, "cost")
    glance = real[0][: held.forward]
    x = torch.cat([real[0][: held.both], *[samples[0]] * held.passes]).requires_grad_()
    y = torch.cat([real[1][: held.both], *[samples[1]] * held.passes])
    module = model_of(training.network, problem.task).module
    weights = [w.requires_grad_() for w in module.parameters()]

    def passes() -> None:
        if len(glance):
            with torch.no_grad():
                module(glance)
        torch.autograd.grad((module(x) - y).square().sum(), [x, *weights])

    def outer() -> None:
        nonlocal state
        state, _ = method.step(state, problem, training)

    pairs = [(_seconds(outer, 5), _seconds(passes, 5)) for _ in range(4)]
    found = summarise(tuple(a / b for a, b in pairs))
    return found | asdict(held) | {"outer": min(a for a, _ in pairs), "contained": min(b for _, b in pairs)}


def profiled(source: str, name: str) -> dict:
    """Share of the time of twenty outer steps by operation."""
    problem, method, training = _setting(source, name)
    state = method.init(problem, training, engram.PerClass(1), Precision.FLOAT32, 0)
    state, _ = method.step(state, problem, training)
    with profile(activities=[ProfilerActivity.CPU]) as trace:
        for _ in range(20):
            state, _ = method.step(state, problem, training)
    events = trace.key_averages()
    total = sum(event.self_cpu_time_total for event in events)
    events = sorted(events, key=lambda event: -event.self_cpu_time_total)
    return {event.key: round(event.self_cpu_time_total / total, 4) for event in events[:12]}


def race(source: str, name: str) -> dict:
    """Wall-clock seconds of distilling and evaluating three networks, and their test accuracy, over three seeds."""
    found = []
    goal, method = RACE[name]
    for seed in range(3):
        problem, _, training = _setting(source, name)
        begun = time.perf_counter()
        memory = engram.distill(problem, method, budget=engram.PerClass(1), training=training, seed=seed)
        distilled = time.perf_counter() - begun
        fitted = fit(training, problem.task, memory.sets, [0, 1, 2])
        runs = score(problem.metric, outputs(fitted, problem.test), problem.test.targets).tolist()
        found.append({"distill": distilled, "total": time.perf_counter() - begun, "accuracy": runs})
    return {"runs": found, "goal": goal, "settings": render(method)}


def agreement(source: str, name: str) -> dict:
    """What half precision changes: gradient in the samples (cosine) and loss of the first outer step."""
    import engram.learning.network as network

    problem, method, training = _setting(source, name)
    training = plain(training)
    slopes = []
    for half in (True, False):
        network._has_bfloat16.cache_clear()
        asked = network._has_bfloat16
        if not half:
            network._has_bfloat16 = lambda device: False
        state = method.init(problem, training, engram.PerClass(1), Precision.FLOAT32, 0)
        moved, metrics = method.step(state, problem, training)
        network._has_bfloat16 = asked
        slopes.append((moved.moments.first["inputs"].flatten(), metrics["loss"]))
    cosine = float(torch.cosine_similarity(slopes[0][0], slopes[1][0], dim=0))
    return {"cosine": cosine, "loss": [slopes[0][1], slopes[1][1]]}


MEASURES = {
    "ratio": (NAMES, ratio),
    "profile": (["dc", "dm"], profiled),
    "race": (list(RACE), race),
    "agreement": (["dc", "dm", "frepo", "ncfm"], agreement),
}


def _seconds(call, repeats: int) -> float:
    call()
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begun) / repeats


def run(source: str, wanted: list[str]) -> None:
    """Measure what is missing."""
    done = {(r["measure"], r["name"]) for r in _results()}
    for measure, (names, call) in MEASURES.items():
        for name in names:
            if (wanted and measure not in wanted and name not in wanted) or (measure, name) in done:
                continue
            record = {
                "measure": measure,
                "name": name,
                "result": call(source, name),
                "torch": torch.__version__,
                "machine": f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores",
            }
            with open(RESULTS, "a") as file:
                file.write(json.dumps(record) + "\n")
            print(measure, name, json.dumps(record["result"])[:200], flush=True)


def _results() -> list[dict]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def show() -> None:
    """Print the tables."""
    by = {(r["measure"], r["name"]): r["result"] for r in _results()}
    print(
        "| method | outer step, ms | its passes, ms | ratio | real rows, forward | with gradient | passes over samples |"
    )
    print("|---|---|---|---|---|---|---|")
    for name in NAMES:
        if ("ratio", name) in by:
            r = by["ratio", name]
            times = f"{1e3 * r['outer']:.0f} | {1e3 * r['contained']:.0f} | {r['mean']:.2f} ± {r['sem']:.2f}"
            print(f"| {name} | {times} | {r['forward']} | {r['both']} | {r['passes']} |")
    print()
    print("| method | seconds, distilling and evaluating | test accuracy | asked |")
    print("|---|---|---|---|")
    for name, (goal, _) in RACE.items():
        if ("race", name) in by:
            runs = by["race", name]["runs"]
            took = summarise(tuple(r["total"] for r in runs))
            got = summarise(tuple(sum(r["accuracy"]) / len(r["accuracy"]) for r in runs))
            print(
                f"| {name} | {took['mean']:.0f} ± {took['sem']:.0f} | {got['mean']:.3f} ± {got['sem']:.3f} | {goal} |"
            )
    for name in ("dc", "dm"):
        if ("profile", name) in by:
            shares = ", ".join(f"{key} {value:.0%}" for key, value in list(by["profile", name].items())[:8])
            print(f"\nWhere the time of {name} goes: {shares}.")
    for name in MEASURES["agreement"][0]:
        if ("agreement", name) in by:
            r = by["agreement", name]
            print(f"\n{name}: half precision against single: cosine of the samples' gradients {r['cosine']:.5f}, "
                  f"loss {r['loss'][0]:.5g} against {r['loss'][1]:.5g}.")  # fmt: skip


if __name__ == "__main__":
    keep_freed_memory()
    if sys.argv[1:2] == ["run"] and len(sys.argv) > 2:
        run(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:] == ["show"]:
        show()
    else:
        sys.exit(__doc__)
