"""Ablate the rate at which networks of other widths are replayed: kept, or in inverse proportion to the width.

python benchmarks/widths.py run [--data FOLDER]   measure what is not yet in results/widths.jsonl; FOLDER holds
                                                  mnist/mnist.npz and fashion_mnist/fashion_mnist.npz
python benchmarks/widths.py show                  print the table

`Training.on` takes the smaller of the two: in proportion for wider networks, kept for narrower ones.
"""

import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch

import engram
from engram.data.metrics import score
from engram.learning.fitting import fit, outputs
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

RESULTS = Path(__file__).parent / "results" / "widths.jsonl"
SEEDS = range(3)
JOBS = {
    "digits": ("digits", (16, 32, 64, 128, 256)),
    "mnist": ("mnist/mnist.npz", (16, 32, 64, 128)),
    "fashion_mnist": ("fashion_mnist/fashion_mnist.npz", (16, 32, 64, 128)),
}


def measure(source: str, widths: tuple[int, ...], seed: int) -> dict:
    """Distil once with the defaults, replay at every width with either rate: test scores of two networks each."""
    problem = engram.load_problem(source, seed=seed)
    memory = engram.distill(problem, budget=engram.PerClass(1), seed=seed, teaches="replay")
    network, rate = memory.training.network, memory.training.phases[0].solver.optimizer.rate
    scores = {}
    for width in widths:
        for name, factor in (("kept", 1.0), ("in proportion", network.width / width)):
            if name != "kept" and factor == 1:
                continue
            training = replace(memory.training, network=replace(network, width=width)).scaled(factor)
            fitted = fit(training, problem.task, memory.sets, [0, 1])
            found = score(problem.metric, outputs(fitted, problem.test), problem.test.targets)
            scores[f"{width} {name}"] = found.tolist()
    return {"width": network.width, "rate": rate, "scores": scores}


def run(arguments: list[str]) -> None:
    data = Path(arguments[1]) if arguments[:1] == ["--data"] else None
    torch.set_num_threads(1)
    done = {tuple(json.loads(line)["key"]) for line in RESULTS.read_text().splitlines()} if RESULTS.exists() else set()
    for seed in SEEDS:
        for job, (source, widths) in JOBS.items():
            if "/" in source and (data is None or not (data / source).exists()):
                print(f"{job}: skipped, its file is not in --data")
                continue
            if (job, seed) in done:
                continue
            record = {"key": [job, seed]} | measure(str(data / source) if "/" in source else source, widths, seed)
            with RESULTS.open("a") as file:
                file.write(json.dumps(record) + "\n")
            print(job, seed, flush=True)


def show() -> None:
    found: dict = defaultdict(list)
    for line in RESULTS.read_text().splitlines():
        record = json.loads(line)
        for name, runs in record["scores"].items():
            found[record["key"][0], *name.split(" ", 1)].append(sum(runs) / len(runs))
    print("| data | width | splits | the rate kept | in proportion | difference, paired |")
    print("|---|---|---|---|---|---|")
    for job, (_, widths) in JOBS.items():
        for width in map(str, widths):
            kept, scaled = found[job, width, "kept"], found[job, width, "in proportion"]
            if not kept:
                continue
            other, gap = "its own", ""
            if scaled:
                other = plus_minus(Measured.of(scaled))
                gap = plus_minus(Measured.of(b - a for a, b in zip(kept, scaled, strict=True)), signed=True)
            print(f"| {job} | {width} | {len(kept)} | {plus_minus(Measured.of(kept))} | {other} | {gap} |")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("run", "show"):
        sys.exit(__doc__)
    run(sys.argv[2:]) if sys.argv[1] == "run" else show()
