"""Ablate the rate at which networks of other widths are replayed: kept as it is, or by `Training.on`.

python benchmarks/widths.py run [--data FOLDER]   measure what is not yet in results/widths.jsonl; FOLDER holds
                                                  mnist/mnist.npz and fashion_mnist/fashion_mnist.npz
python benchmarks/widths.py show                  print the table
"""

import json
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch

import engram
from engram.evaluation.scores import summarise
from engram.fitting import fit
from engram.loop import outputs
from engram.metrics import score

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
    memory = engram.distill(problem, budget=engram.PerClass(1), seed=seed)
    own = memory.training
    scores = {}
    for width in widths:
        network = replace(own.network, width=width)
        for name, training in (("kept", replace(own, network=network)), ("by width", own.on(network))):
            fitted = fit(training, problem.task, memory.sets, [0, 1])
            scores[f"{width} {name}"] = score(
                problem.metric, outputs(fitted, problem.test), problem.test.targets
            ).tolist()
    return {"width": own.network.width, "rate": own.phases[0].solver.optimizer.rate, "scores": scores}


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
    print("| data | width | splits | the rate kept | the rate by width | difference, paired |")
    print("|---|---|---|---|---|---|")
    for job, (_, widths) in JOBS.items():
        for width in map(str, widths):
            kept, scaled = found[job, width, "kept"], found[job, width, "by width"]
            if not kept:
                continue
            one, two = summarise(tuple(kept)), summarise(tuple(scaled))
            gap = summarise(tuple(b - a for a, b in zip(kept, scaled, strict=True)))
            print(
                f"| {job} | {width} | {len(kept)} | {one['mean']:.3f} ± {one['sem']:.3f} "
                f"| {two['mean']:.3f} ± {two['sem']:.3f} | {gap['mean']:+.3f} ± {gap['sem']:.3f} |"
            )


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("run", "show"):
        sys.exit(__doc__)
    run(sys.argv[2:]) if sys.argv[1] == "run" else show()
