"""PneumoniaMNIST by the default and under differential privacy: scores, recall of each class, and what each file leaks.

For every method and seed (of distillation, draws and networks; the splits are the data set's own) ten images are distilled as a user distils them;
the audit runs for seed 0, with shadows of the same method.

python benchmarks/medical_images.py run --data FOLDER [--only METHOD] [--seeds N] [--shadows N]
python benchmarks/medical_images.py show
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from engram import PerClass, Protocol, distill, evaluate, load_problem
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.memory.run_folder import RunFolder
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus
from engram.workflow.auditing import audit

ROWS = Path(__file__).parent / "results" / "medical_images.jsonl"
METHODS = {
    "default": None,
    "private, epsilon 10": "private-matching:epsilon=10",
    "private, epsilon 1": "private-matching:epsilon=1",
}
SHOWN = ("engram", "full", "k_means_bytes", "random_bytes", "random_soft_bytes")


def case(name: str, folder: Path, seed: int, shadows: int) -> None:
    if any((row["method"], row["seed"]) == (name, seed) for row in rows()):
        return
    problem = load_problem(folder / "pneumoniamnist" / "pneumoniamnist.npz")
    begun = time.perf_counter()
    memory = distill(problem, METHODS[name], budget=PerClass(5), seed=seed)
    seconds = time.perf_counter() - begun
    scores = evaluate(memory, problem, Protocol(seeds=2, panel="none"))
    ranked = problem.scored_by("auroc")
    area = evaluate(replace(memory, metric=ranked.metric), ranked, Protocol(seeds=2, panel="none", baselines=False))
    row = {
        "method": name,
        "seed": seed,
        "metric": problem.metric.value,
        "bytes": memory.canvas_bytes,
        "seconds": round(seconds, 1),
        "scores": {key: sum(scores.rows[key].runs) / len(scores.rows[key].runs) for key in SHOWN},
        "recall": {key: list(scores.rows[key].recall) for key in ("engram", "full")},
        "auroc": {key: sum(area.rows[key].runs) / len(area.rows[key].runs) for key in ("engram", "full")},
        "code": code_version(),
    }
    if shadows and seed == 0:
        kept = RunFolder(ROWS.parent / f".{name.replace(' ', '-')}.run")
        row["audit"] = audit(memory, problem, shadows, kept).as_json()
    append_line(ROWS, json.dumps(row))
    print(json.dumps({key: row[key] for key in ("method", "seed", "seconds", "scores")}), flush=True)


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def show() -> None:
    cells = defaultdict(list)
    for row in rows():
        cells[row["method"]].append(row)
    print(f"| method | seeds | {' | '.join(SHOWN)} | AUROC | AUROC of all data | recall of each class |")
    print("|---" * (len(SHOWN) + 5) + "|")
    for name, own in cells.items():
        scores = [plus_minus(Measured.of([row["scores"][key] for row in own])) for key in SHOWN]
        areas = [plus_minus(Measured.of([row["auroc"][key] for row in own])) for key in ("engram", "full")]
        recall = [sum(row["recall"]["engram"][k] for row in own) / len(own) for k in (0, 1)]
        print(
            f"| {name} | {len(own)} | {' | '.join(scores)} | {' | '.join(areas)} | {', '.join(f'{r:.2f}' for r in recall)} |"
        )
    print()
    for name, own in cells.items():
        for row in own:
            for teacher, looks in row.get("audit", {}).get("attacks", {}).items():
                for by, one in looks.items():
                    found = one["true_positives"]["0.01"]
                    print(
                        f"| {name} | {teacher} | {by} | {one['auc']['mean']:.3f} ± {one['auc']['sem']:.3f} | "
                        f"{found['mean']:.3f} ± {found['sem']:.3f} | {one['auc']['n']} |"
                    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "show"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=list(METHODS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--shadows", type=int, default=16)
    given = parser.parse_args()
    if given.command == "show":
        show()
    elif given.data is None or not (given.data / "pneumoniamnist").is_dir():
        print("skipped: --data names no folder with pneumoniamnist/pneumoniamnist.npz")
    else:
        for seed in range(given.seeds):
            for name in [given.only] if given.only else METHODS:
                case(name, given.data, seed, given.shadows)
