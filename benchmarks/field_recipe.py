"""The bytes of ten images under the field's own recipe: what they teach whoever trains another way than our replay.

ConvNet-3/128/instance, SGD at 0.01 with momentum 0.9 and weight decay 5e-4, cross-entropy with hard labels, 300 steps on
all samples, no augmentation; the same with DSA's augmentation (no flip) and 1,000 steps; an MLP by the plain recipe. ``any`` and ``replay`` are the defaults of ``--teaches``.

python benchmarks/field_recipe.py run --data FOLDER [--only DATA] [--seeds N]
python benchmarks/field_recipe.py show
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from engram import PerClass, distill, load_problem
from engram.data import Problem
from engram.evaluation.baselines import scores_on_test
from engram.evaluation.variants import hardened
from engram.learning import MLP, ConvNet, Descent, Loss, Phase, Training, fit
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.optimizers import SGD
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "field_recipe.jsonl"
SOLVER = Descent(SGD(0.01, 0.9, 5e-4), 300, loss=Loss.CROSS_ENTROPY)
METHODS = {"any": None, "replay": None, "dm": "dm", "dc": "dc", "k-means": "k-means", "random": "random"}
AUGMENTED = replace(SOLVER, steps=1000, augment="color_crop_cutout_scale_rotate")
LEARNERS = ("own", "own at 128", "field", "augmented", "mlp")
DATA = ("mnist", "fashion_mnist")


def run(folder: Path, seeds: int, only: list[str]) -> None:
    for seed in range(seeds):
        for data in only:
            problem = load_problem(folder / data / f"{data}.npz", seed=seed)
            for name, word in METHODS.items():
                if (data, name, seed) not in {(r["data"], r["method"], r["seed"]) for r in rows()}:
                    row = {"data": data, "method": name, "seed": seed} | measure(problem, name, word, seed)
                    append_line(ROWS, json.dumps(row | {"code": code_version()}))
                    print(row, flush=True)


def measure(problem: Problem, name: str, word: str | None, seed: int) -> dict:
    teaches = "replay" if name == "replay" else "any"
    begun = time.perf_counter()
    memory = distill(
        problem,
        word,
        budget=PerClass(1),
        network="convnet:width=32",
        seed=seed,
        quick=word is not None,
        teaches=teaches,
    )
    seconds = time.perf_counter() - begun
    hard = {key: hardened(canvas).decode() for key, canvas in memory.canvases.items()}
    fitted = {
        "own": memory.fit([0, 1]),
        "own at 128": memory.fit([0, 1], ConvNet()),
        "field": fit(Training(ConvNet(), (Phase(SOLVER),)), problem.task, hard, [0, 1]),
        "augmented": fit(Training(ConvNet(), (Phase(AUGMENTED),)), problem.task, hard, [0, 1]),
        "mlp": fit(Training(MLP(), (Phase(SOLVER),)), problem.task, hard, [0, 1]),
    }
    return {"scores": {key: list(scores_on_test(value, problem)) for key, value in fitted.items()}, "seconds": seconds}


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    print(
        "| data | samples | seeds | distilling, s | own replay, width 32 | width 128 | field's recipe, width 128 | with DSA, 1,000 steps | MLP |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for data in DATA:
        for method in METHODS:
            own = [r for r in rows() if (r["data"], r["method"]) == (data, method)]
            if own:
                cells = [
                    plus_minus(Measured.of(sum(r["scores"][k]) / len(r["scores"][k]) for r in own if k in r["scores"]))
                    for k in LEARNERS
                ]
                times = [r["seconds"] for r in own if "seconds" in r]
                spent = f"{sum(times) / len(times):.0f}" if times else ""
                print(f"| {data} | {method} | {len(own)} | {spent} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument(
        "--data", type=Path, help="folder that holds mnist/mnist.npz and fashion_mnist/fashion_mnist.npz"
    )
    parser.add_argument("--only", action="append", choices=DATA, help="one of them; repeat")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "run" and (given.data is None or not given.data.is_dir()):
        raise SystemExit("skipped: --data names no folder with the real datasets")
    run(given.data, given.seeds, given.only or list(DATA)) if given.what == "run" else show()
