"""All that reads a file: what whole files look like to each, how they are damaged, and how they are opened."""

import contextlib
import gzip
import io
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from mutations import Damage, bytewise, cells, gzipped, json_lines, json_values, manifest, zipped
from PIL import Image

from engram import PerClass, distill, load, load_model, load_problem
from engram.cli import main
from engram.data.source import raw_inputs
from engram.errors import EngramError
from engram.learning.networks.mlp import MLP
from engram.workflow.journey import run

__all__ = ["READERS", "Reader", "Refused"]


class Refused(EngramError):
    """A command said one line and ended with code 2."""


@dataclass(frozen=True)
class Reader:
    """What is damaged, and opened.

    Args:
        make: writes whole files into a folder.
        aims: those that are damaged, one at a time.
        damage: by whom.
        opens: reads the folder; anything but an `EngramError` that comes out of it is a fault.
    """

    make: Callable[[Path], None]
    aims: tuple[str, ...]
    damage: Damage
    opens: Callable[[Path], object]


def command(*arguments: str) -> None:
    """Run a command; a traceback comes out as itself."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main(list(arguments))
        except SystemExit as end:
            if end.code:
                # Notes come before.
                raise Refused(said.getvalue().strip().splitlines()[-1]) from end


_DICE = np.random.default_rng(0)
_X, _Y = _DICE.normal(size=(40, 3)), np.arange(40) % 2
_SERIES = np.sin(np.linspace(0, 9, 24) + _DICE.normal(size=(40, 1)))
_WORDS = ["good film", "bad film", "a long sentence about nothing", "nothing good here"]


def _frame() -> pd.DataFrame:
    dates = pd.date_range("2020-01-01", periods=40).strftime("%Y-%m-%d")
    return pd.DataFrame(
        {"a": _X[:, 0], "b": np.array(list("uvwx") * 10), "when": dates, "text": _WORDS * 10, "n": range(40), "y": _Y}
    )


def _table(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        frame = _frame()
        if name.endswith("parquet"):
            frame.to_parquet(folder / name)
        elif name.endswith("jsonl"):
            frame.to_json(folder / name, orient="records", lines=True)
        else:
            frame.to_csv(folder / name, index=False)

    return make


def _long(folder: Path) -> None:
    days = pd.date_range("2020-01-01", periods=8).strftime("%Y-%m-%d")
    rows = [{"who": f"p{k}", "when": d, "a": k * j, "y": "uv"[k % 2]} for k in range(20) for j, d in enumerate(days)]
    pd.DataFrame(rows).to_csv(folder / "d.csv", index=False)


def _npy(folder: Path) -> None:
    np.save(folder / "d.npy", _X)


def _npz(folder: Path) -> None:
    np.savez(folder / "d.npz", x=_X, y=_Y)


def _idx(ending: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        images = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8)
        parts = {"images-idx3": (b"\0\0\x08\x03", images), "labels-idx1": (b"\0\0\x08\x01", _Y.astype(np.uint8))}
        for part in ("train", "t10k"):
            for name, (magic, values) in parts.items():
                content = magic + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
                path = folder / f"{part}-{name}-ubyte{ending}"
                path.write_bytes(gzip.compress(content) if ending else content)

    return make


def _ts(folder: Path) -> None:
    lines = ["@problemName d", "@timeStamps false", "@univariate true", "@classLabel true a b", "@data"]
    lines += [",".join(f"{v:.3f}" for v in row) + ":" + "ab"[k % 2] for k, row in enumerate(_SERIES)]
    (folder / "d.ts").write_text("\n".join(lines))


def _arff(folder: Path) -> None:
    lines = ["@relation d", *(f"@attribute a{k} numeric" for k in range(24)), "@attribute target {a,b}", "@data"]
    lines += [",".join(f"{v:.3f}" for v in row) + "," + "ab"[k % 2] for k, row in enumerate(_SERIES)]
    (folder / "d.arff").write_text("\n".join(lines))


def _pictures(folder: Path) -> None:
    for k in range(12):
        place = folder / "d" / "ab"[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) + k)
        image.save(place / f"{k}.{('png', 'bmp', 'gif', 'jpg', 'tiff', 'webp')[k % 6]}")


def _texts(folder: Path) -> None:
    for k in range(12):
        place = folder / "d" / "ab"[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{k}.txt").write_text(_WORDS[k % 4] + f" {k}")


def _cifar(folder: Path) -> None:
    (folder / "d").mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        batch = {"data": np.zeros((4, 3072), np.uint8), "labels": [0, 1, 0, 1]}
        (folder / "d" / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = pickle.dumps({"label_names": ["cat", "dog"]}, protocol=2)
    (folder / "d" / "batches.meta").write_bytes(names)


def _arrow(folder: Path) -> None:
    place = folder / "d"
    place.mkdir()
    table = pa.Table.from_pandas(_frame(), preserve_index=False)
    with (
        pa.OSFile(str(place / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, table.schema) as out,
    ):
        out.write_table(table)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_data_files": None}
    names = {"y": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    (place / "state.json").write_text(json.dumps(state))
    (place / "dataset_info.json").write_text(json.dumps({"features": names, "splits": {"train": {"num_examples": 40}}}))


def _shards(folder: Path) -> None:
    place = folder / "d" / "data"
    place.mkdir(parents=True)
    for part in ("train", "test"):
        _frame().to_parquet(place / f"{part}-00000-of-00001.parquet", index=False)


def _image_parquet(folder: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(file, "PNG")
    rows = [{"image": {"bytes": file.getvalue(), "path": "x.png"}, "label": k % 2} for k in range(12)]
    pd.DataFrame(rows).to_parquet(folder / "d.parquet")


_SMALL = MLP(width=8)


def _engram(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        if name == "wine":
            problem = load_problem("wine")
        elif name == "digits":
            problem = load_problem("digits")
        elif name == "table":
            _table("t.csv")(folder)
            problem = load_problem(folder / "t.csv", target="y")
        else:
            problem = load_problem("diabetes")
        from engram.distillation.methods.kernel_matching import KernelMatching
        from engram.learning.training import Training

        budget = PerClass(1) if problem.classes else 5
        memory = distill(
            problem, KernelMatching(steps=1), budget=budget, training=Training.default(_SMALL, steps=2), seed=0
        )
        memory.save(folder / "d.engram")

    return make


def _opened_engram(folder: Path) -> None:
    path = folder / "d.engram"
    memory = load(path)
    repr(memory)
    memory.replay(seed=0)
    command("inspect", str(path))
    command("inspect", str(path), "--json")
    command("export", str(path), "--format", "npz", "--force", "--out", str(folder / "o.npz"))
    command("report", str(path), "--force")


def _predicted(folder: Path) -> None:
    command("predict", str(folder / "d.engram"), str(folder / "t.csv"), "--force", "--out", str(folder / "p.csv"))


def _run_folder(folder: Path) -> None:
    problem = load_problem("wine")
    from engram.distillation.methods.kernel_matching import KernelMatching

    method = KernelMatching(steps=2)
    run(
        problem,
        method,
        out=folder / "d.engram",
        budget=PerClass(1),
        network=_SMALL,
        seeds=1,
        full_steps=5,
        panel="none",
    )


def _reported(folder: Path) -> None:
    command("report", str(folder / "d.engram"), "--force")
    command("compare", str(folder / "d.engram"), str(folder / "d.engram"))


def _model(folder: Path) -> None:
    _engram("table")(folder)
    load(folder / "d.engram").replay(seed=0).save(folder / "d.safetensors")


def _opened_model(folder: Path) -> None:
    model = load_model(folder / "d.safetensors")
    model.predict(_frame().drop(columns="y"))


def _results(folder: Path) -> None:
    row = {"dataset": "wine", "budget": "1 per class", "network": "", "status": "done", "message": "", "soft": True}
    row |= {
        "recipe": {
            "kind": "benchmark:Recipe",
            "quick": True,
            "steps": None,
            "networks": 2,
            "judges": [],
            "device": "cpu",
        }
    }
    row |= {"scores": {"own": [0.9, 0.8], "hard": [0.95, 0.9]}, "settings": "x", "metric": "accuracy", "select": 0.8}
    row |= {"items": 3, "bytes": 100, "steps": 5, "wall": 1.0, "memory": 900, "code": "0.1.0 b488bd5f893faac3"}
    row |= {
        "seconds": {"prepare": 0.0, "distill": 1.0, "judge": 1.0},
        "versions": {"engram": "0", "torch": "2", "python": "3"},
    }
    row |= {"hardware": {"machine": "x86_64", "processor": "x", "cores": 2, "gpu": None}}
    rows = [
        row | {"key": f"{m}{k}", "method": m, "seed": k} for m in ("performance-matching", "random") for k in (0, 1)
    ]
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _shown_results(folder: Path) -> None:
    command("benchmark", "show", str(folder / "d.jsonl"), "--out", str(folder / "shown"))


def _diary(folder: Path) -> None:
    life = {"memory": "engram", "way": "alone", "seed": 0, "score": 0.9, "select": 0.8, "forgetting": 0.1}
    life |= {"forward": None, "bytes": 10, "seconds": 1.0}
    lines = [{"settings": {"a": 1}}, life, life | {"seed": 1}]
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))


def _read_diary(folder: Path) -> None:
    from engram.reuse.continual import Continual
    from engram.reuse.diary import Diary

    lives = Diary(folder / "d.jsonl", {"a": 1}).lives
    if any(life.memory == "engram" for life in lives):
        json.dumps(Continual("accuracy", tuple(lives)).as_json())


def _cells(folder: Path) -> None:
    rows = [{"key": str(k), "version": "1", "result": {"a": 0.5}, "seconds": 1.0} for k in range(3)]
    (folder / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _read_cells(folder: Path) -> None:
    from engram.verification.cells import Cells

    cells = Cells(folder / "d.jsonl", "1")
    cells.load()
    _ = cells.stale


def _vectors(folder: Path) -> None:
    from engram.data.vector_cache import VectorCache

    VectorCache(folder / "d.sqlite", 4).put([b"a" * 16, b"b" * 16], np.ones((2, 4), np.float32))


def _read_vectors(folder: Path) -> None:
    from engram.data.vector_cache import VectorCache

    cache = VectorCache(folder / "d.sqlite", 4)
    cache.get([b"a" * 16, b"b" * 16])
    cache.put([b"c" * 16], np.zeros((1, 4), np.float32))


def _word(folder: Path) -> None:
    (folder / "word").write_bytes(b"mlp:width=64,depth=2,activation=relu")


def _parsed(folder: Path) -> None:
    from engram.distillation.published import method_of
    from engram.spec import parse

    text = (folder / "word").read_bytes().decode(errors="replace")
    with contextlib.suppress(EngramError):
        method_of(text.replace("mlp", "distribution-matching"))
    parse("networks", text)


def _loaded(name: str, **settings: object) -> Callable[[Path], object]:
    return lambda folder: load_problem(folder / name, **settings)


def _looked_at(name: str) -> Callable[[Path], object]:
    def opens(folder: Path) -> None:
        load_problem(folder / name, target="y")
        command("inspect", str(folder / name))

    return opens


READERS: dict[str, Reader] = {
    "npy": Reader(_npy, ("d.npy",), bytewise, lambda folder: raw_inputs(str(folder / "d.npy"))),
    "npz": Reader(_npz, ("d.npz",), zipped, _loaded("d.npz")),
    "csv": Reader(_table("d.csv"), ("d.csv",), cells, _looked_at("d.csv")),
    "csv of series": Reader(_long, ("d.csv",), cells, _loaded("d.csv", target="y", series_id="who", time="when")),
    "jsonl": Reader(_table("d.jsonl"), ("d.jsonl",), json_lines, _looked_at("d.jsonl")),
    "parquet": Reader(_table("d.parquet"), ("d.parquet",), bytewise, _looked_at("d.parquet")),
    "parquet of images": Reader(_image_parquet, ("d.parquet",), bytewise, _loaded("d.parquet")),
    "shards": Reader(
        _shards,
        ("d/data/train-00000-of-00001.parquet", "d/data/test-00000-of-00001.parquet"),
        bytewise,
        _loaded("d", target="y"),
    ),
    "arrow": Reader(_arrow, ("d/data-00000-of-00001.arrow",), bytewise, _loaded("d", target="y")),
    "arrow's json": Reader(_arrow, ("d/state.json", "d/dataset_info.json"), json_values, _loaded("d", target="y")),
    "idx": Reader(_idx(""), ("train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"), bytewise, _loaded("")),
    "idx.gz": Reader(_idx(".gz"), ("train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"), gzipped, _loaded("")),
    "ts": Reader(_ts, ("d.ts",), cells, _loaded("d.ts")),
    "arff": Reader(_arff, ("d.arff",), cells, _loaded("d.arff")),
    "images": Reader(
        _pictures,
        tuple(f"d/{'ab'[k % 2]}/{k}.{e}" for k, e in enumerate(("png", "bmp", "gif", "jpg", "tiff", "webp"))),
        bytewise,
        _loaded("d", size=8),
    ),
    "texts": Reader(_texts, ("d/a/0.txt", "d/b/1.txt"), cells, _loaded("d")),
    "cifar": Reader(_cifar, ("d/data_batch_1", "d/test_batch", "d/batches.meta"), bytewise, _loaded("d")),
    "engram": Reader(_engram("wine"), ("d.engram",), manifest, _opened_engram),
    "engram of images": Reader(_engram("digits"), ("d.engram",), manifest, _opened_engram),
    "engram of a table": Reader(_engram("table"), ("d.engram",), manifest, _predicted),
    "new rows": Reader(_engram("table"), ("t.csv",), cells, _predicted),
    "model": Reader(_model, ("d.safetensors",), manifest, _opened_model),
    "run folder": Reader(_run_folder, ("d.run/results.jsonl", "d.run/run.json"), json_lines, _reported),
    "results": Reader(_results, ("d.jsonl",), json_lines, _shown_results),
    "diary": Reader(_diary, ("d.jsonl",), json_lines, _read_diary),
    "cells": Reader(_cells, ("d.jsonl",), json_lines, _read_cells),
    "vectors": Reader(_vectors, ("d.sqlite",), bytewise, _read_vectors),
    "words": Reader(_word, ("word",), cells, _parsed),
}
