"""The bytes of ten or a hundred images under the field's own recipe: what they teach whoever trains another way than our replay.

ConvNet-3/128/instance, SGD at 0.01 with momentum 0.9 and weight decay 5e-4, cross-entropy with hard labels, 300 steps on
all samples, no augmentation (`field`); an MLP by the same recipe; learners of scikit-learn. With --slow also the same ConvNet with
probabilities, and with DSA's augmentation (no flip) and 1,000 steps, one network each. ``any`` and ``replay`` are the defaults of
``--teaches``; the others leave out a part of ``any``.

python benchmarks/field_recipe.py run --data FOLDER [--only DATA] [--method NAME] [--per-class N] [--seeds N] [--slow]
python benchmarks/field_recipe.py show
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

from engram import PerClass, distill, load_problem
from engram.data import Problem
from engram.distillation import Combined, Method, defaults
from engram.evaluation.baselines import scores_on_test
from engram.evaluation.learners import LEARNERS
from engram.learning import ConvNet
from engram.memory.files import append_line
from engram.memory.lesson import Lesson
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "field_recipe.jsonl"
METHODS = {
    "any": None,
    "any, eight bits": None,
    "any, a label an image": None,
    "any, whole images": None,
    "performance + distribution": None,
    "any, before four bits": None,
    "performance + distribution, before four bits": None,
    "replay": None,
    "dm": "dm",
    "dc": "dc",
    "k-means": "k-means",
    "random": "random",
}
LESS: dict[str, Callable[[Combined], Combined]] = {
    "any, eight bits": lambda m: replace(m, coarse=False, own_labels=False),
    "any, a label an image": lambda m: replace(m, own_labels=False),
    "any, whole images": lambda m: replace(m, formation=1, own_labels=False),
    "performance + distribution": lambda m: replace(m, terms=m.terms[:2], weights=m.weights[:2]),
}
OTHERS = ("field", "mlp-sgd", "linear", "1-nn", "svm", "mlp", "forest")
SLOW = ("field-soft", "field-dsa")
LEARNERS_SHOWN = ("own", "own at 128", *OTHERS, *SLOW)
FORMER = {"field-dsa": "augmented", "mlp-sgd": "mlp"}
"""Names of learners in rows that have no learners of scikit-learn."""
DATA = ("mnist", "fashion_mnist", "cifar10")


def run(folder: Path, seeds: int, only: list[str], methods: list[str], per_class: int, slow: bool) -> None:
    for seed in range(seeds):
        for data in only:
            problem = load_problem(folder / data / f"{data}.npz", seed=seed)
            for name in methods:
                if (data, name, per_class, seed) not in {(*key(r), r["seed"]) for r in rows()}:
                    row = {"data": data, "method": name, "per_class": per_class, "seed": seed}
                    row |= measure(problem, name, per_class, seed, slow)
                    append_line(ROWS, json.dumps(row | {"code": code_version()}))
                    print(row, flush=True)


def measure(problem: Problem, name: str, per_class: int, seed: int, slow: bool) -> dict:
    method: Method | str | None = METHODS[name]
    every = defaults.method(problem, most=per_class)
    if name in LESS:
        assert isinstance(every, Combined)
        method = LESS[name](every)
    begun = time.perf_counter()
    memory = distill(
        problem,
        method,
        budget=PerClass(per_class),
        network="convnet:width=32",
        seed=seed,
        quick=isinstance(method, str),
        teaches="replay" if name == "replay" else "any",
    )
    seconds = time.perf_counter() - begun
    lessons = [Lesson.of(memory)] * 2
    scores = {
        learner: list(scores_on_test(memory.fit([0, 1], network), problem))
        for learner, network in (("own", None), ("own at 128", ConvNet()))
    }
    for learner in OTHERS:
        scores[learner] = LEARNERS[learner].judge(lessons, problem, [0, 1], problem.test)
    for learner in SLOW if slow else ():
        scores[learner] = LEARNERS[learner].judge(lessons[:1], problem, [0], problem.test)
    return {"scores": scores, "seconds": seconds, "bytes": memory.canvas_bytes, "items": memory.items}


def key(row: dict) -> tuple[str, str, int]:
    return row["data"], row["method"], row.get("per_class", 1)


def score(row: dict, learner: str) -> float | None:
    old = "linear" not in row["scores"]
    runs = row["scores"].get(FORMER.get(learner, learner) if old else learner)
    return sum(runs) / len(runs) if runs and not (old and learner == "mlp") else None


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.is_file() else []


def show() -> None:
    print(f"| data | images | samples | seeds | distilling, s | {' | '.join(LEARNERS_SHOWN)} |")
    print("|---|---|---|---|---|" + "---|" * len(LEARNERS_SHOWN))
    for data in DATA:
        for per_class, method in product((1, 10), METHODS):
            if own := [r for r in rows() if key(r) == (data, method, per_class)]:
                found = [[s for r in own if (s := score(r, learner)) is not None] for learner in LEARNERS_SHOWN]
                cells = [plus_minus(Measured.of(runs)) for runs in found]
                times = [r["seconds"] for r in own if "seconds" in r]
                spent = f"{sum(times) / len(times):.0f}" if times else ""
                print(f"| {data} | {10 * per_class} | {method} | {len(own)} | {spent} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["run", "show"])
    parser.add_argument("--data", type=Path, help="folder that holds mnist/mnist.npz and the others")
    parser.add_argument("--only", action="append", choices=DATA, help="one of them; repeat")
    parser.add_argument("--method", action="append", choices=list(METHODS), help="one of them; repeat")
    parser.add_argument("--per-class", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slow", action="store_true", help="the two learners that take longest, too")
    given = parser.parse_args()
    if given.what == "run" and (given.data is None or not given.data.is_dir()):
        raise SystemExit("skipped: --data names no folder with the real datasets")
    if given.what == "run":
        run(
            given.data,
            given.seeds,
            given.only or list(DATA),
            given.method or [name for name in METHODS if "before" not in name],
            given.per_class,
            given.slow,
        )
    else:
        show()
