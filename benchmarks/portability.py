"""Whom else rows teach: engrams of real tables and series, judged by learners of scikit-learn beside rows of equal bytes.

For every data set, budget and seed (of split, distillation, draws and learners) the default of ``engram distill`` is
distilled once and judged by the full panel. Gains are paired by seed, over the better of random rows and k-means centres.

python benchmarks/portability.py run --data FOLDER [--only NAME] [--seeds N] [--teaches any|replay]
python benchmarks/portability.py show
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

from engram import Items, PerClass, distill, load_problem
from engram.evaluation.baselines import Baselines, scores_on_test
from engram.evaluation.learners import LEARNERS
from engram.evaluation.panel import judged_by
from engram.evaluation.scores import TEACHERS, gain, portability, sign
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "portability.jsonl"
SERIES = (
    "ElectricDevices",
    "FaceAll",
    "GunPoint",
    "ItalyPowerDemand",
    "MedicalImages",
    "MelbournePedestrian",
    "SwedishLeaf",
    "SyntheticControl",
)
SETS = {
    "digits": ("digits", {}),
    "wine": ("wine", {}),
    "breast-cancer": ("breast-cancer", {}),
    "diabetes": ("diabetes", {}),
    "adult": ("adult/train.parquet", {"target": "label"}),
    "california": ("california_housing/housing.parquet", {"target": "median_house_value"}),
    **{name: (f"uci_regression/{name}.npz", {}) for name in ("bike", "elevators", "pol", "protein")},
    **{name: (f"ucr/{name}.npz", {"kind": "rows"}) for name in SERIES},
}
BUDGETS = {True: (PerClass(5), PerClass(10)), False: (Items(20), Items(50))}
BUILT_IN = ("digits", "wine", "breast-cancer", "diabetes")


def run(folder: Path, seeds: range, only: list[str], teaches: str, budgets: list[int]) -> None:
    for seed in seeds:
        for name in only:
            source, settings = SETS[name]
            path = source if name in BUILT_IN else folder / source
            problem = load_problem(path, seed=seed, **settings)
            for place in budgets:
                budget = BUDGETS[problem.classes is not None][place]
                said = {"data": name, "budget": str(budget), "teaches": teaches, "seed": seed}
                if any(said.items() <= row.items() for row in rows()):
                    continue
                begun = time.perf_counter()
                memory = distill(problem, budget=budget, seed=seed, teaches=teaches)
                seconds = time.perf_counter() - begun
                baselines = Baselines(memory, problem, memory.training, (seed,))
                found = {
                    learner: {
                        teacher: judged_by(learner, teacher, memory, problem, baselines).runs[0] for teacher in TEACHERS
                    }
                    for learner in LEARNERS_SHOWN
                }
                (own,) = scores_on_test(memory.fit([seed]), problem)
                row = said | {"own": own, "panel": found, "seconds": round(seconds, 1)}
                append_line(ROWS, json.dumps(row | {"metric": problem.metric.value, "code": code_version()}))
                print(json.dumps(row), flush=True)


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    groups = defaultdict(list)
    for row in rows():
        groups[row["teaches"], row["data"], row["budget"]].append(row)
    found = defaultdict(list)
    print("| made for | data | budget | seeds | own replay | " + " | ".join(LEARNERS_SHOWN) + " |")
    print("|---|---|---|---|---|" + "---|" * len(LEARNERS_SHOWN))
    for (teaches, data, budget), group in sorted(groups.items()):
        if len(group) < 2:
            continue  # one seed alone proves nothing
        cells = []
        for learner in LEARNERS_SHOWN:
            runs = {teacher: [row["panel"][learner][teacher] for row in group] for teacher in TEACHERS}
            own, *others = runs.values()
            won = gain(own, others)
            found[teaches, learner].append((won, sum(own) / len(own) - sum(runs["random_bytes"]) / len(own)))
            mark = {1: "**", 0: "", -1: "*"}[sign(won)]
            best = max(sum(other) / len(other) for other in others)
            cells.append(f"{mark}{sum(own) / len(own):.3f}{mark} ({best:.3f})")
        own = plus_minus(Measured.of([row["own"] for row in group]))
        print(f"| {teaches} | {data} | {budget} | {len(group)} | {own} | {' | '.join(cells)} |")
    for teaches in sorted({teaches for teaches, _ in found}):
        print(f"\nmade for {teaches}:")
        for learner in LEARNERS_SHOWN:
            gains, over_random = zip(*found[teaches, learner], strict=True)
            mean = sum(won["mean"] for won in gains) / len(gains)
            print(
                f"  {learner}: portability {portability(gains):.2f}, mean gain {mean:+.3f}, over random rows "
                f"{sum(over_random) / len(over_random):+.3f}"
            )
        for words, names in (
            ("learners that are not trees", [n for n in LEARNERS_SHOWN if not LEARNERS[n].trees]),
            ("all six", LEARNERS_SHOWN),
        ):
            pairs = [won for name in names for won, _ in found[teaches, name]]
            print(f"  {words}: portability {portability(pairs):.2f} of {len(pairs)} pairs")


LEARNERS_SHOWN = ("linear", "1-nn", "svm", "mlp", "forest", "boosting")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("--data", type=Path, help="folder of the real datasets")
    parser.add_argument("--only", action="append", choices=list(SETS), help="one of them; repeat")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--teaches", choices=["any", "replay"], default="any")
    parser.add_argument("--budget", type=int, action="append", choices=[0, 1], help="the smaller, the larger; repeat")
    given = parser.parse_args()
    if given.what == "run" and (given.data is None or not given.data.is_dir()):
        raise SystemExit("skipped: --data names no folder with the real datasets")
    if given.what == "show":
        show()
    else:
        run(given.data, range(given.seeds), given.only or list(SETS), given.teaches, given.budget or [0, 1])
