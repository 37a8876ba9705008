"""Samples in other formats say the same numbers."""

import io

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import engram
from engram.data.metrics import score
from engram.errors import SettingError
from engram.learning.networks.mlp import MLP
from engram.memory.export import example, export, grid, table


@pytest.fixture(scope="module")
def pictures(digits):
    return engram.distill(digits, steps=2, network=MLP(width=8))


@pytest.fixture(scope="module")
def numbers(diabetes):
    return engram.distill(diabetes, steps=2, network=MLP(width=8))


def test_tables_round_trip(numbers, tmp_path):
    for kind, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        path = tmp_path / f"x.{kind}"
        export(numbers, kind, path)
        found = read(path)
        assert list(found.columns[:2]) == ["age", "sex"]
        assert np.allclose(found.to_numpy(dtype=float), table(numbers).to_numpy(dtype=float), rtol=1e-5)
    raw = numbers.preprocessing.encode(found.iloc[:, :10].to_numpy())
    assert np.allclose(raw, numbers.samples.inputs, atol=1e-4)


def test_images_round_trip(pictures, tmp_path):
    export(pictures, "npz", tmp_path / "x.npz")
    content = np.load(tmp_path / "x.npz")
    expected = pictures.preprocessing.decode(pictures.samples.inputs)
    assert np.array_equal(content["x"], expected)
    assert content["y"].dtype.kind == "i", "labels have the type they had"
    assert np.allclose(content["y_prob"].sum(1), 1, atol=1e-6)
    assert content["y_prob"].min() >= 0
    for soft in ("y_prob", "y_score"):
        assert np.array_equal(content[soft].argmax(1), content["y"])
    export(pictures, "parquet", tmp_path / "x.parquet")
    first = pd.read_parquet(tmp_path / "x.parquet")["image"][0]["bytes"]
    with Image.open(io.BytesIO(first)) as picture:
        assert np.allclose(np.asarray(picture), expected[0].astype(float) * 255 / 16, atol=1)
    assert grid(pictures).size == (10 * 68 + 4, 72)


def test_rows_are_no_picture(numbers, tmp_path):
    with pytest.raises(SettingError, match="not images"):
        export(numbers, "png", tmp_path / "x.png")


def test_the_example_trains_a_network_without_this_library(digits, diabetes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for problem, least in ((digits, 0.7), (diabetes, 0.1)):
        memory = engram.distill(problem, "k-means")
        export(memory, "npz", tmp_path / "x.npz")
        names = {"np": np, "torch": torch, "nn": torch.nn}
        exec(example(memory, "x"), names)
        with torch.no_grad():
            found = names["model"](problem.select.batch(slice(None))[0].flatten(1))
        if problem.classes is None:
            raw = found * names["data"]["y"].std() + names["data"]["y"].mean()
            found = (raw - problem.target.mean[0]) / problem.target.std[0]
        assert float(score(problem.metric, found, problem.select.targets)) > least


def test_the_example_for_a_table_reads_its_columns(rng, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"size": rng.normal(size=60), "town": ["a", "b"] * 30, "t": [True, False] * 30})
    memory = engram.distill(engram.Problem.from_frame(frame, "t"), "k-means")
    export(memory, "parquet", tmp_path / "x.parquet")
    names = {"pd": pd}
    exec(example(memory, "x"), names)
    assert list(names["x"]) == ["size", "town"]
    assert names["y"].tolist() == [False, True], "labels are what they were"


def test_a_folder_for_the_hub_is_a_problem_again(wine, tmp_path):
    memory = engram.distill(wine, budget=engram.PerClass(5), steps=1)
    export(memory, "hf", tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    head = card.split("---")[1]
    assert "data/train-*.parquet" in head
    assert "tabular-classification" in head
    again = engram.load_problem(tmp_path / "out", target="label", columns=tuple(wine.names))
    assert len(again.train) + len(again.select) + len(again.test) == 15
