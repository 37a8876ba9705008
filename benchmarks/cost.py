"""Measure what an outer step costs: every method, at ConvNet width 32 on MNIST, one image per class.

python benchmarks/cost.py run MNIST.npz [NAME ...]   measure what is not yet in results/cost.jsonl
python benchmarks/cost.py show                       print the tables

`ratio` is the time of an outer step over that of the forward and backward passes it contains, done by plain automatic
differentiation in single precision: one over its real rows, one over its samples for each time that they are learnt
from. `profile` says which operations take the time. `race` is the time to a test accuracy, evaluation included.
"""

import json
import os
import platform
import sys
import time
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

import engram
from engram import defaults
from engram.benchmark import plain
from engram.budget import Precision
from engram.evaluation.scores import summarise
from engram.fitting import fit
from engram.hypergradients import Unroll
from engram.loop import outputs
from engram.metrics import score
from engram.network import model_of
from engram.published import PUBLISHED

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cost.jsonl"
NAMES = [name for name, setting in PUBLISHED.items() if setting.quick.steps]
RACE = {"dc": 0.745, "dm": 0.865}
"""Methods and the test accuracy they must reach."""


def _setting(source: str, name: str):
    problem = engram.load_problem(source)
    method = PUBLISHED[name].quick
    training = defaults.training(problem, None, method)
    return problem, method, training


def _passes(method) -> int:
    """How often the samples are learnt from in an outer step: the objective, inner steps, raising the pool."""
    inner = getattr(method, "student_steps", 0)
    hyper = getattr(method, "hypergradient", None)
    if hyper is not None:
        inner = hyper.window if isinstance(hyper, Unroll) and hyper.window is not None else hyper.steps
        if isinstance(hyper, Unroll) and hyper.random:
            inner = (hyper.window + hyper.steps) // 2
    raised = bool(getattr(method, "oldest", 1) != 0 and hasattr(method, "pool")) and getattr(method, "advance", 0)
    return 1 + inner + (raised if getattr(method, "raised_on", "samples") == "samples" else 0)


def ratio(source: str, name: str) -> dict:
    """Seconds of an outer step over those of the passes it contains, in one process."""
    problem, method, training = _setting(source, name)
    if hasattr(method, "prepare"):
        method.prepare(problem, training, 0)
    state = method.init(problem, training, engram.PerClass(1), Precision.FLOAT32, 0)
    by_class = {"GradientMatching", "DistributionMatching", "CharacteristicMatching"}
    rows = method.batch * (problem.classes if type(method).__name__ in by_class else 1)
    rows = 0 if type(method).__name__ == "TrajectoryMatching" else rows
    samples = state.canvas.decode().batch(slice(None))
    passes = _passes(method)
    real = problem.train.sample(max(rows, 1), 0, 0, "cost")
    x = torch.cat([real[0][:rows], *[samples[0]] * passes]).requires_grad_()
    y = torch.cat([real[1][:rows], *[samples[1]] * passes])
    module = model_of(training.network, problem.task).module
    weights = [w.requires_grad_() for w in module.parameters()]

    def both() -> None:
        torch.autograd.grad((module(x) - y).square().sum(), [x, *weights])

    def outer() -> None:
        nonlocal state
        state, _ = method.step(state, problem, training)

    pairs = [(_seconds(outer, 5), _seconds(both, 5)) for _ in range(4)]
    found = summarise(tuple(a / b for a, b in pairs))
    return found | {"outer": min(a for a, _ in pairs), "both": min(b for _, b in pairs), "rows": rows, "passes": passes}


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
    for seed in range(3):
        problem, method, training = _setting(source, name)
        begun = time.perf_counter()
        memory = engram.distill(problem, method, budget=engram.PerClass(1), training=training, seed=seed)
        distilled = time.perf_counter() - begun
        fitted = fit(training, problem.task, memory.sets, [0, 1, 2])
        runs = score(problem.metric, outputs(fitted, problem.test), problem.test.targets).tolist()
        found.append({"distill": distilled, "total": time.perf_counter() - begun, "accuracy": runs})
    return {"runs": found, "goal": RACE[name]}


def agreement(source: str, name: str) -> dict:
    """What half precision changes: gradient in the samples (cosine) and loss of the first outer step."""
    import engram.network as network

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
    print("| method | outer step, ms | passes it contains, ms | ratio | real rows | passes over samples |")
    print("|---|---|---|---|---|---|")
    for name in NAMES:
        if ("ratio", name) in by:
            r = by["ratio", name]
            spread = f"{r['mean']:.2f} ± {r['sem']:.2f}"
            print(
                f"| {name} | {1e3 * r['outer']:.0f} | {1e3 * r['both']:.0f} | {spread} | {r['rows']} | {r['passes']} |"
            )
    print()
    print("| method | seconds, distilling and evaluating | test accuracy | asked |")
    print("|---|---|---|---|")
    for name, goal in RACE.items():
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
    if sys.argv[1:2] == ["run"] and len(sys.argv) > 2:
        run(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:] == ["show"]:
        show()
    else:
        sys.exit(__doc__)
