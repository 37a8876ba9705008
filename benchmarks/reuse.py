"""What engrams are good for afterwards: memory of a life of tasks, a start for related ones, a bench for architectures.

Every row is a command's own: ``engram continual``, ``engram transfer`` and ``engram search`` as a user types them.

python benchmarks/reuse.py continual --data FOLDER [--only NAME]     lives, to results/continual/NAME.jsonl
python benchmarks/reuse.py transfer --data FOLDER [--only NAME]      pairs, to results/transfer.jsonl
python benchmarks/reuse.py search --data FOLDER [--only NAME]        rankings, to results/search.jsonl
python benchmarks/reuse.py show
"""

import argparse
import json
from pathlib import Path

from engram import PerClass, distill, load_problem, search, transfer
from engram.cli import main
from engram.memory.files import append_line
from engram.memory.provenance import code_version
from engram.reuse.continual import Continual
from engram.reuse.diary import read
from engram.reuse.transfer import source_of

RESULTS = Path(__file__).parent / "results"
LIVES, TRANSFER, SEARCH = RESULTS / "continual", RESULTS / "transfer.jsonl", RESULTS / "search.jsonl"
SEEDS = 5

_SMALL = ["--network", "convnet:width=16", "--steps", "200"]
_BOTH = ["--memory", "engram", "--memory", "herding"]
CONTINUAL = {
    "digits": ["digits"],
    "mnist": ["mnist/mnist.npz", *_SMALL],
    "mnist-mlp": ["mnist/mnist.npz", "--network", "mlp", *_BOTH],
    "fashion-mnist": ["fashion_mnist/fashion_mnist.npz", *_SMALL],
    "fashion-mnist-mlp": ["fashion_mnist/fashion_mnist.npz", "--network", "mlp", *_BOTH],
    "swedish-leaf": ["ucr/SwedishLeaf.npz", "--kind", "series", "--network", "mlp"],
    "face-all": ["ucr/FaceAll.npz", "--kind", "series", "--network", "mlp"],
    "melbourne-pedestrian": ["ucr/MelbournePedestrian.npz", "--kind", "series", "--network", "mlp"],
}
"""Class-incremental in five experiences; a memory of 20 rows' bytes of each class for images, of two for series."""

_LOW, _HIGH = "01234", "56789"
PAIRS = {
    "digits 0-4 to 5-9": ("digits", {"classes": list(_LOW)}, "digits", {"classes": list(_HIGH)}, 5),
    "mnist 0-4 to 5-9": ("mnist/mnist.npz", {"classes": list(_LOW)}, "mnist/mnist.npz", {"classes": list(_HIGH)}, 1),
    "mnist to fashion-mnist": ("mnist/mnist.npz", {}, "fashion_mnist/fashion_mnist.npz", {}, 1),
    "fashion-mnist to mnist": ("fashion_mnist/fashion_mnist.npz", {}, "mnist/mnist.npz", {}, 1),
    "pedestrians to power": (
        "ucr/MelbournePedestrian.npz",
        {"kind": "series"},
        "ucr/ItalyPowerDemand.npz",
        {"kind": "series"},
        5,
    ),
    "devices to heartbeats": ("ucr/ElectricDevices.npz", {"kind": "series"}, "ucr/ECG200.npz", {"kind": "series"}, 5),
}
"""Source, how it is read, target, how it is read, samples of each class of the engram."""
SHOTS = (1, 5, 20)

SPACES = {
    "digits": ("digits", "mlp", 10),
    "digits-convnet": ("digits", "convnet", 10),
    "fashion-mnist": ("fashion_mnist/fashion_mnist.npz", "convnet", 1),
}
"""Data, space, samples of each class of the engram."""


def place(data: Path, name: str) -> str:
    return str(data / name) if "/" in name else name


def run_continual(data: Path, only: str | None) -> None:
    LIVES.mkdir(exist_ok=True)
    for name, (source, *options) in CONTINUAL.items():
        if only in (None, name):
            arguments = [
                "continual",
                place(data, source),
                *options,
                "--seeds",
                str(SEEDS),
                "--out",
                str(LIVES / f"{name}.jsonl"),
            ]
            try:
                main([*arguments, "-q"])
            except SystemExit as left:
                if left.code:
                    raise


def run_transfer(data: Path, only: str | None) -> None:
    known = {(row["pair"], row["shots"]) for row in rows(TRANSFER)}
    for name, (source, how, target, told, budget) in PAIRS.items():
        if only not in (None, name) or all((name, shots) in known for shots in SHOTS):
            continue
        problem = load_problem(place(data, source), **how)
        memory = distill(problem, budget=PerClass(budget))
        task = load_problem(place(data, target), **told)
        origin = source_of(memory, place(data, source), kind=how.get("kind"))
        for shots in SHOTS:
            if (name, shots) not in known:
                found = transfer(memory, task, shots=shots, seeds=SEEDS, source=origin)
                row = {"pair": name, "bytes": memory.canvas_bytes, "items": memory.items, "code": code_version()}
                append_line(TRANSFER, json.dumps(row | found.as_json()))
                print(name, shots, found.verdict, flush=True)


def run_search(data: Path, only: str | None) -> None:
    known = {row["name"] for row in rows(SEARCH)}
    for name, (source, space, budget) in SPACES.items():
        if only in (None, name) and name not in known:
            problem = load_problem(place(data, source))
            memory = distill(problem, budget=PerClass(budget))
            found = search(memory, space, problem=problem)  # type: ignore[arg-type]
            append_line(
                SEARCH,
                json.dumps({"name": name, "bytes": memory.canvas_bytes, "code": code_version()} | found.as_json()),
            )


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def show() -> None:
    for name in CONTINUAL:
        path = LIVES / f"{name}.jsonl"
        if path.is_file():
            print(f"\n{name}\n")
            print("| memory | bytes | score | engram minus it | forgetting | way |\n|---|---|---|---|---|---|")
            found = Continual("accuracy", tuple(read(path)))
            plain = found.as_json()
            for memory in found.memories:
                row = plain["scores"][memory]
                gap = said(row["difference"], signed=True) if "difference" in row else ""
                forgot = said(plain["forgetting"][memory])
                print(f"| {memory} | {plain['bytes'][memory]:,} | {said(row)} | {gap} | {forgot} | {row['way']} |")
            print(f"\n{found.verdict}")
    for row in rows(TRANSFER):
        scores = row["scores"]
        told = "; ".join(f"{name} {said(own)} ({own['way']})" for name, own in scores.items())
        print(f"\n{row['pair']}, {row['shots']} shots: {told}. {row['verdict']}")
    for row in rows(SEARCH):
        print(f"\n{row['name']}: {row['agreement']}, share of time {row['share_of_time']:.2f}")


def said(row: dict, signed: bool = False) -> str:
    mean = f"{row['mean']:{'+' if signed else ''}.3f}"
    return mean if row["sem"] is None else f"{mean} ± {row['sem']:.3f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["continual", "transfer", "search", "show"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only")
    given = parser.parse_args()
    if given.what == "show":
        show()
    elif given.data is None or not given.data.is_dir():
        print("skipped: no folder of data sets (--data FOLDER)")
    else:
        {"continual": run_continual, "transfer": run_transfer, "search": run_search}[given.what](given.data, given.only)
