"""Ablate what the theory suggests for the main job: where samples start, mirrored pairs, the suggested budget.

python benchmarks/starts.py run [--data FOLDER]   measure what is not yet in results/starts.jsonl; FOLDER holds
                                                  california_housing/housing.parquet and adult/train.parquet
python benchmarks/starts.py show                  print the tables
"""

import json
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import torch

import engram
from engram.data.metrics import score
from engram.distillation import defaults
from engram.evaluation.scores import summarise
from engram.learning.fitting import fit, outputs

RESULTS = Path(__file__).parent / "results" / "starts.jsonl"
STARTS = ("centres", "random", "covariance", "pairs", "gradients")
SEEDS = range(5)
JOBS = {
    "diabetes": ("diabetes", {}, engram.Items(10)),
    "housing": ("california_housing/housing.parquet", {"target": "median_house_value"}, engram.Items(20)),
    "adult": ("adult/train.parquet", {"target": "label"}, engram.Items(10)),
    "digits": ("digits", {}, engram.PerClass(2)),
}


def measure(job: str, start: str, seed: int, data: Path | None) -> dict:
    """One split: validation along the run, test score of five fresh networks; `start` may be the suggested budget."""
    source, settings, budget = JOBS[job]
    problem = engram.load_problem(source if "/" not in source else data / source, seed=seed, **settings)
    method = defaults.method(problem)
    if start == "suggested":
        budget = defaults.budget(problem, seed)
    else:
        method = replace(method, start=start)
    begun = time.perf_counter()
    memory = engram.distill(problem, method, budget=budget, seed=seed)
    seconds = time.perf_counter() - begun
    fitted = fit(memory.training, problem.task, memory.sets, list(range(5)))
    runs = score(problem.metric, outputs(fitted, problem.test), problem.test.targets).tolist()
    history = [[step, value] for step, _, value in memory.provenance["history"]]
    return {"runs": runs, "history": history, "seconds": seconds, "items": memory.items, "metric": problem.metric.value}


def run(arguments: list[str]) -> None:
    data = Path(arguments[1]) if arguments[:1] == ["--data"] else None
    torch.set_num_threads(1)
    done = {tuple(json.loads(line)["key"]) for line in RESULTS.read_text().splitlines()} if RESULTS.exists() else set()
    for job, (source, _, _) in JOBS.items():
        if "/" in source and (data is None or not (data / source).exists()):
            print(f"{job}: skipped, its file is not in --data")
            continue
        for seed in SEEDS:
            for start in (*STARTS, "suggested"):
                if (job, start, seed) in done:
                    continue
                record = {"key": [job, start, seed]} | measure(job, start, seed, data)
                with RESULTS.open("a") as file:
                    file.write(json.dumps(record) + "\n")
                print(*record["key"], f"{sum(record['runs']) / 5:.4f}", f"{record['seconds']:.0f} s", flush=True)


def show() -> None:
    found: dict = defaultdict(dict)
    for line in RESULTS.read_text().splitlines():
        record = json.loads(line)
        job, start, seed = record["key"]
        found[job, start][seed] = record
    print(
        "| data | start | items | test score | minus the default, paired | spread over splits | outer steps to equal validation |"
    )
    print("|---|---|---|---|---|---|---|")
    for job in JOBS:
        seeds = sorted(found[job, "centres"])
        best = {s: {start: max(v for _, v in found[job, start][s]["history"]) for start in STARTS} for s in seeds}
        for start in (*STARTS, "suggested"):
            own = [found[job, start][s] for s in seeds if s in found[job, start]]
            means = [sum(r["runs"]) / len(r["runs"]) for r in own]
            usual = [sum(found[job, "centres"][s]["runs"]) / 5 for s in seeds]
            gap = summarise(tuple(a - b for a, b in zip(means, usual, strict=True)))
            total = summarise(tuple(means))
            steps = "-"
            if start != "suggested":
                # The level that every start reaches on this split.
                reached = [
                    next(step for step, v in found[job, start][s]["history"] if v >= min(best[s].values()))
                    for s in seeds
                ]
                steps = f"{sum(reached) / len(reached):.0f}"
            spread = total["sem"] * len(means) ** 0.5
            difference = "" if start == "centres" else f"{gap['mean']:+.4f} ± {gap['sem']:.4f}"
            items = "/".join(map(str, sorted({r["items"] for r in own})))
            print(
                f"| {job} ({own[0]['metric']}) | {start} | {items} | {total['mean']:.4f} ± {total['sem']:.4f} "
                f"| {difference} | {spread:.4f} | {steps} |"
            )


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in ("run", "show"):
        sys.exit(__doc__)
    run(sys.argv[2:]) if sys.argv[1] == "run" else show()
