"""Is the forecast right? What `engram plan` promises of three budgets beside what `engram distill` then reaches.

Twelve data sets that nothing of the planner was built on, three budgets each, two seeds of split, forecast and
distillation. A cell's score is that of three networks on the test split. `--auto`'s own budget is distilled as well.

Seed 0 was measured first (the rows of code 0.2.0.dev0 before the forecast had a law for each kind of samples); what it taught
changed the forecast, so that what counts are the seeds after it.

python benchmarks/planner.py run --data FOLDER [--only NAME] [--seeds N] [--first N]
python benchmarks/planner.py show
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from portability import SETS as FILES
from sklearn.datasets import make_friedman1, make_friedman2, make_friedman3

from engram import Items, PerClass, distill, load_problem
from engram.data import Problem
from engram.distillation.forecast import forecast
from engram.evaluation.baselines import scores_on_test
from engram.memory.files import append_line
from engram.memory.provenance import code_version

ROWS = Path(__file__).parent / "results" / "planner.jsonl"
GENERATED = {
    "friedman1": lambda seed: make_friedman1(4000, noise=1.0, random_state=seed),
    "friedman2": lambda seed: make_friedman2(1500, noise=100.0, random_state=seed),
    "friedman3": lambda seed: make_friedman3(1500, noise=0.1, random_state=seed),
}
SETS = ("bike", "elevators", "pol", "protein", "friedman1", "friedman2", "friedman3", "adult", "FaceAll", "MedicalImages",
        "ECG5000", "ElectricDevices")  # fmt: skip
BUDGETS = {True: (1, 2, 5), False: (10, 20, 50)}
NETWORKS = 3
WITHIN = 0.02
"""Of the plateau, where --auto should land: the best score that any distilled budget of the cell's split reached."""


def posed(name: str, folder: Path | None, seed: int) -> Problem:
    if name in GENERATED:
        x, y = GENERATED[name](seed)
        return Problem.from_frame(pd.DataFrame(x).add_prefix("x").assign(y=y), "y", name=name, seed=seed)
    source, settings = FILES.get(name, (f"ucr/{name}.npz", {"kind": "rows"}))
    return load_problem(folder / source, seed=seed, **settings)


def run(folder: Path | None, seeds: range, only: list[str]) -> None:
    for seed in seeds:
        for name in only:
            if any((row["data"], row["seed"]) == (name, seed) for row in rows()):
                continue
            problem = posed(name, folder, seed)
            found = forecast(problem, seed=seed)
            promised = {point.items: point for point in found.points}
            reached, seconds = {}, {}
            for items in sorted({*BUDGETS[problem.classes is not None], found.recommended} & set(promised)):
                begun = time.perf_counter()
                memory = distill(problem, budget=PerClass(items) if problem.classes else Items(items), seed=seed)
                seconds[items] = round(time.perf_counter() - begun, 1)
                reached[items] = scores_on_test(memory.fit([100 * seed + k for k in range(NETWORKS)]), problem)
            row = {"data": name, "seed": seed, "metric": problem.metric.value, "forecast": found.as_json()}
            row |= {"reached": {str(k): list(v) for k, v in reached.items()}, "seconds": seconds}
            append_line(ROWS, json.dumps(row | {"code": code_version()}))
            print(json.dumps(row), flush=True)


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    print("| data | seed | items: promised [80 %] / reached | recommended: reached - best |")
    print("|---|---|---|---|")
    errors, covered, near = [], [], defaultdict(list)
    for row in sorted(
        (row for row in rows() if row["seed"] >= 2), key=lambda row: (SETS.index(row["data"]), row["seed"])
    ):
        curve = {point["items"]: point for point in row["forecast"]["curve"]}
        reached = {int(items): float(np.mean(runs)) for items, runs in row["reached"].items()}
        chosen = row["forecast"]["recommended"]["items"]
        cells = [items for items in reached if items in BUDGETS[row["forecast"]["recommended"]["per_class"]]]
        errors += [abs(curve[k]["score"] - reached[k]) for k in cells]
        covered += [curve[k]["low"] <= reached[k] <= curve[k]["high"] for k in cells]
        short = reached[chosen] - max(reached.values())
        near[row["data"]].append(short)
        shown = "; ".join(
            f"{k}: {curve[k]['score']:.3f} [{curve[k]['low']:.3f}, {curve[k]['high']:.3f}] / {reached[k]:.3f}"
            for k in cells
        )
        print(f"| {row['data']} | {row['seed']} | {shown} | {chosen}: {short:+.3f} |")
    if errors:
        good = sum(np.mean(gaps) >= -WITHIN for gaps in near.values())
        print(f"\n{len(errors)} cells: median absolute error {statistics.median(errors):.4f}, mean "
              f"{statistics.mean(errors):.4f}; 80 % intervals hold {sum(covered) / len(covered):.0%}; the recommended "
              f"budget within {WITHIN} of the best on {good} of {len(near)} data sets")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("--data", type=Path, help="folder of the real datasets")
    parser.add_argument("--only", action="append", choices=SETS, help="one of them; repeat")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument(
        "--first", type=int, default=2, help="the first of them; 0 and 1 were looked at while it was mended"
    )
    given = parser.parse_args()
    if given.what == "show":
        show()
    elif given.data is None and not set(given.only or SETS) <= set(GENERATED):
        raise SystemExit("skipped: --data names no folder with the real datasets")
    else:
        run(given.data, range(given.first, given.first + given.seeds), given.only or list(SETS))
