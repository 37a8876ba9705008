"""The default on time series: own replay, ceiling, rows and medoids of equal bytes, other learners; and forecasts.

For every set, budget and seed (of split, distillation, draws and networks) ``engram distill`` runs as a user runs it; three networks
each for replay and baselines. Budgets: one and two per class, and as many as 5 % of the training rows give, ten at most. Forecasts: the last
24 points from those before, with 20 windows.

python benchmarks/series.py run --data FOLDER [--only NAME] [--budget N] [--seeds N]
python benchmarks/series.py show
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import torch

from engram import Items, PerClass, distill, load_problem
from engram.data import Problem
from engram.evaluation.baselines import Baselines, constant_score, scores_on_test
from engram.evaluation.ceiling import full_steps, train_full, train_tuned
from engram.evaluation.panel import judged_by
from engram.evaluation.scores import TEACHERS, gain, portability
from engram.learning.fitting import fit
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus
from engram.samples.canvas.plain import Plain

ROWS = Path(__file__).parent / "results" / "series.jsonl"
BUDGETS = {
    "ECG200": (1, 2), "ECG5000": (1, 2, 5), "ElectricDevices": (1, 2, 10), "FaceAll": (1, 2), "GunPoint": (1,), "ItalyPowerDemand": (1,),
    "MedicalImages": (1,), "MelbournePedestrian": (1, 2, 6), "SwedishLeaf": (1,), "SyntheticControl": (1, 2),
}  # fmt: skip
FORECASTS = {"ElectricDevices": 24, "SyntheticControl": 24}
WINDOWS = 20
LEARNERS = ("convolutions", "1-nn", "forest", "fcn", "inception-time")
EQUAL_BYTES = ("random_bytes", "random_soft_bytes", "k_means_bytes")
NETWORKS = 3


def run(folder: Path, seeds: range, only: list[str], budgets: str) -> None:
    for seed in seeds:
        for name in only:
            counts = BUDGETS[name][-1:] if budgets == "largest" else BUDGETS[name][:-1] if budgets == "smaller" else ()
            for count in counts:
                case(name, folder, seed, PerClass(count), None)
            if budgets == "forecast" and name in FORECASTS:
                case(name, folder, seed, Items(WINDOWS), FORECASTS[name])


def case(name: str, folder: Path, seed: int, budget, horizon: int | None) -> None:
    key = (name, seed, str(budget))
    if any((row["data"], row["seed"], row["budget"]) == key for row in rows()):
        return
    how = {"kind": "series"} if horizon is None else {"horizon": horizon}
    problem = load_problem(folder / "ucr" / f"{name}.npz", seed=seed, **how)
    begun = time.perf_counter()
    memory = distill(problem, budget=budget, seed=seed)
    seconds = round(time.perf_counter() - begun, 1)
    row = {"data": name, "seed": seed, "budget": str(budget), "metric": problem.metric.value, "seconds": seconds}
    row |= measure(memory, problem, seed, learners=LEARNERS if seed == 0 else ())
    append_line(ROWS, json.dumps(row | {"code": code_version()}))
    print(json.dumps({key: row[key] for key in ("data", "budget", "own", "ceiling", "seconds")}), flush=True)


def measure(memory, problem: Problem, seed: int, learners: tuple[str, ...]) -> dict:
    seeds = [100 * seed + k for k in range(NETWORKS)]
    full = train_full(problem, memory.training.network, seeds[:1], full_steps(problem))
    tuned = train_tuned(problem)
    network = scores_on_test(full.fitted, problem)[0]
    baselines = Baselines(memory, problem, memory.training, tuple(seeds))
    alone = Baselines(memory, problem, memory.training, (seed,))
    found = {
        name: list(baselines.row(name, full if name == "random_soft_bytes" else None).runs) for name in EQUAL_BYTES
    }
    if problem.classes is None:
        # A number's label costs the same, whoever gives it.
        taught = Baselines(memory, problem, memory.training, tuple(seeds))
        found["k_means_taught_bytes"] = list(taught.row("k_means_bytes", full).runs)
    found["medoids_bytes"] = list(medoids(memory, problem, baselines, seeds))
    ceiling = tuned.test if tuned.select > float(full.select.mean()) else network
    return {
        "items": memory.items,
        "bytes": memory.canvas_bytes,
        "own": list(scores_on_test(fit(memory.training, problem.task, memory.sets, seeds), problem)),
        "ceiling": ceiling,
        "convolutions": convolutions(problem),
        "constant": 1 / problem.classes if problem.classes else constant_score(problem),
        "last_value": None if problem.classes else last_value(problem),
        "baselines": found,
        "panel": {
            learner: {t: judged_by(learner, t, memory, problem, alone).runs[0] for t in TEACHERS}
            for learner in learners
        },
    }


def convolutions(problem: Problem) -> float:
    """What a ridge readout of many random convolutions scores, whatever validation says."""
    from engram.evaluation.ceiling import _convolved

    return _convolved(problem, 0).test


def medoids(memory, problem: Problem, baselines: Baselines, seeds: list[int]):
    """The real rows nearest to k-means centres of equal bytes, by Euclid: the replay that they teach."""
    canvas = baselines.canvases("k_means_bytes")[0]
    x, _, _ = problem.train.batch(slice(None))
    groups = canvas.targets if canvas.classes else torch.zeros(len(canvas.inputs), dtype=torch.int64)
    chosen = []
    for row, group in zip(canvas.inputs, groups.tolist(), strict=True):
        own = problem.train.by_class[group]
        near = (x[own].flatten(1) - row.flatten()).square().sum(1)
        near[torch.isin(own, torch.tensor(chosen, dtype=torch.int64))] = torch.inf
        chosen.append(int(own[near.argmin()]))
    picked, targets, _ = problem.train.batch(torch.tensor(chosen))
    real = Plain(picked, problem.train.targets[chosen] if problem.classes else targets, problem.classes or 0)
    return scores_on_test(fit(memory.training, problem.task, {"main": real.decode()}, seeds), problem)


def last_value(problem: Problem) -> float:
    """R2 of saying that the last point stays."""
    from engram.data.metrics import score

    x, _, _ = problem.test.batch(slice(None))
    raw = torch.from_numpy(problem.preprocessing.decode(x))[..., -1].reshape(len(x), -1)
    outputs = problem.target.encode(raw.repeat_interleave(problem.task.outputs // raw.shape[1], 1).numpy())
    return float(score(problem.metric, outputs, problem.test.targets))


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def show() -> None:
    cells = defaultdict(list)
    for row in rows():
        cells[row["data"], row["budget"]].append(row)
    print(
        "| set | budget | seeds | engram | ceiling | share | random soft | k-means | medoids | sure | portability |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for (name, budget), group in cells.items():
        own = [sum(row["own"]) / len(row["own"]) for row in group]
        share = [(a - row["constant"]) / (row["ceiling"] - row["constant"]) for a, row in zip(own, group, strict=True)]
        others = {key: [sum(row["baselines"][key]) / NETWORKS for row in group] for key in group[0]["baselines"]}
        best = max(others, key=lambda key: sum(others[key]))
        gaps = Measured.of([a - b for a, b in zip(own, others[best], strict=True)])
        print(
            f"| {name} | {budget} | {len(group)} | {plus_minus(Measured.of(own))} | {sum(row['ceiling'] for row in group) / len(group):.3f} | "
            f"{sum(share) / len(share):.2f} | {' | '.join(f'{sum(others[key]) / len(group):.3f}' for key in (*EQUAL_BYTES[1:], 'medoids_bytes'))} | "
            f"{plus_minus(gaps)} | {ported(group)} |"
        )


def ported(group: list[dict]) -> str:
    judged = [row["panel"] for row in group if row["panel"]]
    if not judged:
        return ""
    gains = [
        gain([p[one]["engram"] for p in judged], [[p[one][t] for p in judged] for t in TEACHERS[1:]])
        for one in judged[0]
    ]
    if len(judged) > 1:
        return f"{portability(gains):.2f}"
    return f"{sum(found['mean'] > 0 for found in gains)} of {len(gains)} learners above"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "show"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", choices=list(BUDGETS))
    parser.add_argument("--budgets", choices=["largest", "smaller", "forecast"], default="largest")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    if given.command == "show":
        show()
    elif given.data is None or not (given.data / "ucr").is_dir():
        print("skipped: --data names no folder with ucr/NAME.npz")
    else:
        chosen = [given.only] if given.only else list(BUDGETS)
        run(given.data, range(given.first, given.first + given.seeds), chosen, given.budgets)
