"""What teaching others costs the own replay: the defaults of ``--teaches any`` and ``replay``, paired by seed.

python benchmarks/own_replay.py run [--seeds N]
python benchmarks/own_replay.py show
"""

import argparse
import json
from pathlib import Path

from engram import Items, PerClass, distill, load_problem
from engram.evaluation.baselines import scores_on_test
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "own_replay.jsonl"
SETS = {"digits": PerClass(1), "wine": PerClass(1), "breast-cancer": PerClass(1), "diabetes": Items(10)}
NETWORKS = list(range(5))


def run(seeds: int) -> None:
    for seed in range(seeds):
        for data, budget in SETS.items():
            if any((row["data"], row["seed"]) == (data, seed) for row in rows()):
                continue
            problem = load_problem(data, seed=seed)
            row = {"data": data, "budget": str(budget), "seed": seed, "scores": {}}
            for teaches in ("any", "replay"):
                memory = distill(problem, budget=budget, seed=seed, teaches=teaches)
                row["scores"][teaches] = scores_on_test(memory.fit(NETWORKS), problem)
            append_line(ROWS, json.dumps(row | {"metric": problem.metric.value, "code": code_version()}))
            print(row, flush=True)


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    print("| data | budget | seeds | any | replay | any - replay |")
    print("|---|---|---|---|---|---|")
    for data in SETS:
        own = [row for row in rows() if row["data"] == data]
        means = {t: [sum(row["scores"][t]) / len(row["scores"][t]) for row in own] for t in ("any", "replay")}
        gap = Measured.of(a - b for a, b in zip(means["any"], means["replay"], strict=True))
        cells = [plus_minus(Measured.of(means[t])) for t in ("any", "replay")] + [plus_minus(gap, True)]
        print(f"| {data} | {own[0]['budget']} | {len(own)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    run(given.seeds) if given.what == "run" else show()
