"""Measure the main job: scores, cost of an outer step, memory. Resumable; results are JSON lines.

python benchmarks/main_job.py run [NAME ...]     measure what is not yet in results/main_job.jsonl
python benchmarks/main_job.py show               write the page from the results
"""

import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import engram
from engram.distillation import defaults
from engram.distillation.method import Method
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.evaluation.scores import summarise
from engram.learning.network import model_of
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.mlp import MLP
from engram.learning.networks.resnet import ResNet
from engram.learning.networks.two_layer import TwoLayer
from engram.samples.budget import Precision

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "main_job.jsonl"


def judged(source: str, budget: engram.PerClass | engram.Items, seed: int, method: Method | None = None) -> dict:
    """Distil and evaluate one split; `seed` draws the split, the run and nothing of the evaluation."""
    problem = engram.load_problem(source, seed=seed)
    begun = time.perf_counter()
    memory = engram.distill(problem, method, budget=budget, seed=seed)
    distilled = time.perf_counter() - begun
    scores = engram.evaluate(memory, problem)
    return {
        "metric": scores.metric, "scores": scores.as_json(), "seconds": distilled, "total": time.perf_counter() - begun,
        "select": memory.provenance["select_score"],
        "bytes": {"engram": memory.bytes, "data": problem.bytes},
    }  # fmt: skip


def transfer(seed: int) -> dict:
    """Replay the digits engram, distilled with the default ConvNet, on the other architectures."""
    problem = engram.load_problem("digits", seed=seed)
    memory = engram.distill(problem, budget=engram.PerClass(1), seed=seed)
    found = {}
    for network in (MLP(), TwoLayer(), ResNet(), ConvNet(width=32, depth=3)):
        scores = engram.evaluate(memory, problem, engram.Protocol(network=network, full_steps=300))
        found[type(network).__name__ + ("-3" if isinstance(network, ConvNet) else "")] = scores.as_json()
    return found


def step_cost(_: int) -> dict:
    """Seconds of an outer step over forward and backward of the same real and synthetic batch, in one process."""
    found = {}
    for source, budget in (
        ("digits", engram.PerClass(1)),
        ("digits", engram.PerClass(10)),
        ("wine", engram.PerClass(1)),
    ):
        problem = engram.load_problem(source)
        training, method = defaults.training(problem), defaults.method(problem)
        state = method.init(problem, training, budget, Precision.FLOAT32, 0)
        real = problem.train.sample(method.batch, 0, 0, "cost")
        own = state.canvas.decode().batch(slice(None))
        x = torch.cat([real[0], own[0]] * method.networks).requires_grad_()
        y = torch.cat([real[1], own[1]] * method.networks)
        module = model_of(training.network, problem.task).module
        weights = [w.requires_grad_() for w in module.parameters()]

        def both() -> None:
            torch.autograd.grad((module(x) - y).square().sum(), [x, *weights])  # noqa: B023

        def outer() -> None:
            nonlocal state
            state, _ = method.step(state, problem, training)  # noqa: B023

        pairs = [(_seconds(outer), _seconds(both)) for _ in range(5)]
        ratios = tuple(a / b for a, b in pairs)
        found[f"{source}, {budget.count} per class"] = summarise(ratios) | {"outer": pairs[-1][0], "both": pairs[-1][1]}
    return found


def _seconds(call, repeats: int = 30) -> float:
    for _ in range(3):
        call()
    begun = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begun) / repeats


_MEMORY = """
import resource, sys, numpy as np, engram
rows = int(sys.argv[1])
rng = np.random.default_rng(0)
x, y = rng.integers(0, 255, (rows, 28, 28), dtype=np.uint8), np.arange(rows) % 10
problem = engram.Problem.from_arrays(x, y)
del x
from engram.learning.networks.mlp import MLP
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
memory = engram.distill(problem, steps=20, network=MLP(width=32))
engram.evaluate(memory, problem, engram.Protocol(seeds=2, full_steps=50))
print(before, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory_growth(_: int) -> dict:
    """Peak resident memory of a whole main job in a subprocess, at N and at 4 N images of 28 x 28 bytes."""
    found = {}
    for rows in (20_000, 80_000):
        out = subprocess.run([sys.executable, "-c", _MEMORY, str(rows)], capture_output=True, text=True, check=True)
        loaded, peak = (int(v) / 1024 for v in out.stdout.split())
        found[str(rows)] = {"loaded_mib": loaded, "peak_mib": peak, "data_mib": rows * 784 / 2**20}
    return found


def start_to_table(_: int) -> dict:
    """Wall-clock seconds of the command, from start to exit, in a subprocess."""
    begun = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "engram",
        "distill",
        "digits",
        "--per-class",
        "1",
        "--json",
        "--out",
        "/tmp/bench.engram",
        "--force",
    ]
    subprocess.run(command, capture_output=True, check=True)
    return {"seconds": time.perf_counter() - begun}


MEASURES = {
    "digits-1": (5, lambda s: judged("digits", engram.PerClass(1), s)),
    "digits-10": (3, lambda s: judged("digits", engram.PerClass(10), s)),
    "digits-1-gradient": (5, lambda s: judged("digits", engram.PerClass(1), s, GradientMatching())),
    "breast-cancer-1": (10, lambda s: judged("breast-cancer", engram.PerClass(1), s)),
    "wine-1": (10, lambda s: judged("wine", engram.PerClass(1), s)),
    "diabetes-10": (10, lambda s: judged("diabetes", engram.Items(10), s)),
    "transfer": (1, transfer),
    "step-cost": (1, step_cost),
    "memory": (1, memory_growth),
    "start-to-table": (2, start_to_table),
}


def run(names: list[str]) -> None:
    """Measure what is missing."""
    RESULTS.parent.mkdir(exist_ok=True)
    done = {(r["name"], r["seed"]) for r in _results()}
    torch.set_num_threads(1)
    for name, (seeds, measure) in MEASURES.items():
        for seed in range(seeds):
            if (names and name not in names) or (name, seed) in done:
                continue
            begun = time.perf_counter()
            record = {"name": name, "seed": seed, "result": measure(seed), "torch": torch.__version__,
                      "machine": f"{platform.machine()}, 1 thread"}  # fmt: skip
            with open(RESULTS, "a") as file:
                file.write(json.dumps(record) + "\n")
            print(
                f"{name} {seed}: {time.perf_counter() - begun:.0f} s, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB",
                flush=True,
            )


def _results() -> list[dict]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []


def _cell(runs: list[float], sign: str = "") -> str:
    s = summarise(tuple(runs))
    return f"{s['mean']:{sign}.3f}" + ("" if s["sem"] is None else f" ± {s['sem']:.3f}")


def show() -> None:
    """Write the page."""
    results = _results()
    by_name = {name: [r["result"] for r in results if r["name"] == name] for name in MEASURES}
    lines = [__doc__.splitlines()[0], ""]
    lines += [
        "| measured on | splits | full data | engram | random | random + soft | k-means | herding | k-center | smallest gap to a baseline (items or bytes) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in list(MEASURES)[:6]:
        found = by_name[name]
        if not found:
            continue
        mean = lambda row: [r["scores"][row]["mean"] for r in found]  # noqa: E731, B023
        rows = [k for k in found[0]["scores"] if k not in ("full", "engram")]
        gaps = {k: [r["scores"]["engram"]["mean"] - r["scores"][k]["mean"] for r in found] for k in rows}
        worst = min(rows, key=lambda k: float(np.mean(gaps[k])))
        cells = [_cell(mean(k)) for k in ("full", "engram", "random", "random_soft", "k_means", "herding", "k_center")]
        lines.append(
            f"| {name} ({found[0]['metric']}) | {len(found)} | "
            + " | ".join(cells)
            + f" | {_cell(gaps[worst], '+')} ({worst}) |"
        )
    lines += [
        "",
        "Mean ± standard error over repeated splits; each split's score is itself a mean over five networks.",
        "",
    ]
    for found in by_name["transfer"]:
        lines += [
            "| digits-1 replayed on | engram | random + soft | difference over paired seeds |",
            "|---|---|---|---|",
        ]
        for network, scores in found.items():
            gap = scores["random_soft"]["difference"]
            lines.append(
                f"| {network} | {_cell(scores['engram']['runs'])} | {_cell(scores['random_soft']['runs'])} | {gap['mean']:+.3f} ± {gap['sem']:.3f} |"
            )
    for found in by_name["step-cost"]:
        lines += ["", "| outer step over forward + backward of the same batch | ratio |", "|---|---|"]
        lines += [f"| {k} | {v['mean']:.2f} ± {v['sem']:.2f} |" for k, v in found.items()]
    for found in by_name["memory"]:
        lines += ["", "| rows | data MiB | after loading MiB | peak MiB |", "|---|---|---|---|"]
        lines += [
            f"| {int(k):,} | {v['data_mib']:.0f} | {v['loaded_mib']:.0f} | {v['peak_mib']:.0f} |"
            for k, v in found.items()
        ]
    if by_name["start-to-table"]:
        lines += [
            "",
            f"`engram distill digits --per-class 1`, all baselines, 5 seeds: {_cell([r['seconds'] for r in by_name['start-to-table']])} s.",
        ]
    page = HERE / "README.md"
    head = page.read_text().split("<!-- results -->")[0] if page.exists() else "# Benchmarks\n\n"
    page.write_text(head + "<!-- results -->\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("run", "show"):
        sys.exit(__doc__)
    run(sys.argv[2:]) if sys.argv[1] == "run" else show()
