"""Ten images under the field's own recipe: what they teach whoever trains another way than our replay.

ConvNet-3/128/instance, SGD at 0.01 with momentum 0.9 and weight decay 5e-4, cross-entropy with hard labels, 300 steps on
all ten images, no augmentation. Run: ``python benchmarks/field_recipe.py run --data FOLDER``; ``show`` prints the table.
"""

import argparse
import json
from pathlib import Path

from engram import PerClass, distill, load_problem
from engram.data.metrics import score
from engram.evaluation.variants import hardened
from engram.learning import ConvNet, Descent, Loss, Phase, Training, fit
from engram.learning.fitting import outputs
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.optimizers import SGD
from engram.numerics.statistics import Measured

ROWS = Path(__file__).parent / "results" / "field_recipe.jsonl"
RECIPE = Training(ConvNet(), (Phase(Descent(SGD(0.01, 0.9, 5e-4), 300, loss=Loss.CROSS_ENTROPY)),))
METHODS = {"default": None, "dm": "dm", "dc": "dc", "k-means": "k-means", "random": "random"}
DATA = ("mnist", "fashion_mnist")


def run(folder: Path, seeds: int) -> None:
    known = {(r["data"], r["method"], r["seed"]) for r in rows()}
    for seed in range(seeds):
        for data in DATA:
            problem = load_problem(folder / data / f"{data}.npz", seed=seed)
            for name, word in METHODS.items():
                if (data, name, seed) in known:
                    continue
                quick = word in ("dm", "dc")
                memory = distill(problem, word, budget=PerClass(1), network="convnet:width=32", seed=seed, quick=quick)
                sets = {key: hardened(canvas).decode() for key, canvas in memory.canvases.items()}
                own = outputs(memory.fit([0, 1]), problem.test)
                field = outputs(fit(RECIPE, problem.task, sets, [0, 1, 2]), problem.test)
                found = {
                    key: score(problem.metric, value, problem.test.targets).tolist()
                    for key, value in (("own", own), ("field", field))
                }
                row = {"data": data, "method": name, "seed": seed, "scores": found, "code": code_version()}
                append_line(ROWS, json.dumps(row))
                print(data, name, seed, found, flush=True)


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    print(
        "| ten images | of | seeds | own replay, width 32 | field's recipe, width 128, hard labels |\n|---|---|---|---|---|"
    )
    for data in DATA:
        for method in METHODS:
            own = [r for r in rows() if (r["data"], r["method"]) == (data, method)]
            if own:
                cells = [Measured.of(sum(r["scores"][k]) / len(r["scores"][k]) for r in own) for k in ("own", "field")]
                shown = " | ".join(f"{m.value:.3f} ± {m.sem:.3f}" for m in cells)
                print(f"| {data} | {method} | {len(own)} | {shown} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument(
        "--data", type=Path, help="folder that holds mnist/mnist.npz and fashion_mnist/fashion_mnist.npz"
    )
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "run" and (given.data is None or not given.data.is_dir()):
        raise SystemExit("skipped: --data names no folder with the real datasets")
    run(given.data, given.seeds) if given.what == "run" else show()
