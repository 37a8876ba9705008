"""The default on tables: its own replay, the ceiling, rows of equal bytes, other learners, and what was chosen.

For every data set and seed (of split, distillation, draws and networks) ``engram distill`` runs as a user runs it, without a
method; three networks each for replay and baselines. The ceiling is the best on validation of network, linear model and trees.

python benchmarks/tables.py run [--data FOLDER] [--only NAME] [--seeds N]
python benchmarks/tables.py show
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

from mixed import TABLES as MIXED
from portability import SETS as FILES

from engram import Items, PerClass, distill, load_problem
from engram.data import Problem
from engram.data.sources.multi_index import MultiIndex
from engram.evaluation.baselines import Baselines, constant_score, scores_on_test
from engram.evaluation.ceiling import full_steps, train_full, train_tuned
from engram.evaluation.panel import judged_by
from engram.evaluation.scores import TEACHERS, gain, portability
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "tables.jsonl"
TASKS = {
    "multi-index d=32 r=3, 4,096 rows": MultiIndex(d=32, r=3, rows=4096),
    "multi-index d=32 r=3, 20,000 rows": MultiIndex(d=32, r=3, rows=20_000),
    "multi-index d=100 r=4, 40,000 rows": MultiIndex(d=100, r=4, rows=40_000),
}
BUILT_IN = ("wine", "breast-cancer", "diabetes")
SETS = (*TASKS, "bike", "pol", "elevators", "protein", "california", "adult", *BUILT_IN, "ItalyPowerDemand",
        "MelbournePedestrian", "SyntheticControl", "SwedishLeaf", *MIXED)  # fmt: skip
LEARNERS = ("linear", "1-nn", "svm", "mlp", "forest", "boosting")
EQUAL_BYTES = ("random_bytes", "random_soft_bytes", "k_means_bytes")
PER_CLASS = {"adult": 10, "support": 10, "clinic": 10}
NETWORKS = 3


def posed(name: str, folder: Path | None, seed: int) -> Problem:
    if name in TASKS:
        return TASKS[name].load(seed)
    if name in MIXED:
        frame, target = MIXED[name](seed)
        return Problem.from_frame(frame, target, name=name, seed=seed)
    source, settings = FILES[name]
    return load_problem(source if name in BUILT_IN else folder / source, seed=seed, **settings)


def run(folder: Path | None, seeds: range, only: list[str]) -> None:
    for seed in seeds:
        for name in only:
            if any((row["data"], row["seed"]) == (name, seed) for row in rows()):
                continue
            problem = posed(name, folder, seed)
            budget = PerClass(PER_CLASS.get(name, 5)) if problem.classes else Items(50)
            begun = time.perf_counter()
            memory = distill(problem, budget=budget, seed=seed)
            seconds = time.perf_counter() - begun
            row = {"data": name, "seed": seed, "budget": str(budget)} | measure(memory, problem, seed)
            row |= {"seconds": round(seconds, 1), "metric": problem.metric.value, "code": code_version()}
            append_line(ROWS, json.dumps(row))
            print(json.dumps(row), flush=True)


def measure(memory, problem: Problem, seed: int) -> dict:
    seeds = [100 * seed + k for k in range(NETWORKS)]
    full = train_full(problem, memory.training.network, seeds[:1], full_steps(problem))
    tuned = train_tuned(problem)
    network = scores_on_test(full.fitted, problem)[0]
    baselines = Baselines(memory, problem, memory.training, tuple(seeds))
    alone = Baselines(memory, problem, memory.training, (seed,))
    return {
        "items": memory.items,
        "bytes": memory.canvas_bytes,
        "chosen": memory.provenance.get("chosen"),
        "own": list(scores_on_test(memory.fit(seeds), problem)),
        "full": tuned.test if tuned.select > float(full.select.mean()) else network,
        "constant": constant_score(problem),
        "baselines": {
            name: list(baselines.row(name, full if name == "random_soft_bytes" else None).runs) for name in EQUAL_BYTES
        },
        "panel": {
            learner: {teacher: judged_by(learner, teacher, memory, problem, alone).runs[0] for teacher in TEACHERS}
            for learner in LEARNERS
        },
    }


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def mean(runs: list[float]) -> float:
    return sum(runs) / len(runs)


def show() -> None:
    groups = defaultdict(list)
    for row in rows():
        groups[row["data"]].append(row)
    print(
        "| data | seeds | all data | engram | best baseline of equal bytes | engram - it | share of the ceiling | portability |"
    )
    print("|---|---|---|---|---|---|---|---|")
    pairs = []
    for data in sorted(groups, key=SETS.index):
        group = groups[data]
        own = [mean(row["own"]) for row in group]
        others = {name: [mean(row["baselines"][name]) for row in group] for name in EQUAL_BYTES}
        best = max(others, key=lambda name: mean(others[name]))
        won = gain(own, list(others.values()))
        gains = [
            gain(
                [r["panel"][one]["engram"] for r in group], [[r["panel"][one][t] for r in group] for t in TEACHERS[1:]]
            )
            for one in LEARNERS
        ]
        pairs += gains
        share = mean([(o - r["constant"]) / (r["full"] - r["constant"]) for o, r in zip(own, group, strict=True)])
        cells = [Measured.of([row["full"] for row in group]), Measured.of(own), Measured.of(others[best])]
        shown = " | ".join(plus_minus(cell) for cell in cells)
        gap = f"{won['mean']:+.3f}" + (f" ± {won['sem']:.3f}" if won["sem"] is not None else "")
        print(
            f"| {data} | {len(group)} | {shown} ({best.removesuffix('_bytes')}) | {gap} | {share:.2f} | {portability(gains):.2f} |"
        )
    if pairs:
        print(f"\nportability over {len(pairs)} pairs: {portability(pairs):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("--data", type=Path, help="folder of the real datasets")
    parser.add_argument("--only", action="append", choices=SETS, help="one of them; repeat")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "show":
        show()
    elif given.data is None and not set(given.only or SETS) <= {*TASKS, *BUILT_IN, *MIXED}:
        raise SystemExit("skipped: --data names no folder with the real datasets")
    else:
        run(given.data, range(given.seeds), given.only or list(SETS))
