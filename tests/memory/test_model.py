"""A trained network in a file of its own predicts as it did, on mixed columns with gaps and values never seen."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import engram
from engram import PerClass, load_model
from engram.cli import main
from engram.data.problem import Problem
from engram.distillation.methods.principal_subspace import PrincipalSubspace
from engram.errors import ArtefactError, SettingError
from engram.memory.container import read_tensors, write_tensors


def call(capsys, *arguments):
    """Exit code and standard output and error of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return ended.value.code, shown.out, shown.err


def mixed(n=600):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 10, n), "town": rng.choice(["Oslo", "Rome"], n)})
    frame["since"] = pd.date_range("2020", periods=n).strftime("%Y-%m-%d")
    frame["said"] = [f"{'good' if k % 2 else 'bad'} food and service number {k}" for k in range(n)]
    frame["ref"] = [f"R-{k:05}" for k in range(n)]
    frame["again"] = (frame.age + 10 * (np.arange(n) % 2) > 45).to_numpy()
    return frame


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    frame = mixed()
    memory = engram.distill(
        Problem.from_frame(frame, "again"), PrincipalSubspace(directions=0, length=60), budget=PerClass(40)
    )
    memory.save(folder / "m.engram")
    model = memory.replay(0)
    model.save(folder / "m.safetensors")
    new = frame.drop(columns="again").iloc[:8].copy()
    new.loc[0, "age"] = np.nan
    new.loc[1, "town"] = "Atlantis"
    new.loc[2, ["since", "said"]] = None
    new.to_csv(folder / "new.csv", index=False)
    return folder, model, new


def test_python_command_and_file_say_the_same(saved, capsys):
    folder, model, new = saved
    expected, chances = model.predict(new), model.predict_proba(new)
    assert expected.dtype == bool
    assert np.allclose(chances.sum(1), 1)
    assert (model.classes_[chances.argmax(1)] == expected).all()
    again = load_model(folder / "m.safetensors")
    assert np.array_equal(again.predict_proba(new), chances)
    assert (engram.load(folder / "m.engram").replay(0).predict(new) == expected).all()
    for file in ("m.safetensors", "m.engram"):
        args = ["predict", folder / file, folder / "new.csv", "--proba", "--id", "ref", "--json"]
        found = json.loads(call(capsys, *args)[1])
        assert found["predictions"] == expected.tolist()
        assert found["ref"] == new.ref.tolist()
        assert found["classes"] == [False, True]
        assert np.allclose(found["probabilities"], chances, atol=1e-6)


def test_values_never_seen_are_told(saved, capsys):
    folder, _, _ = saved
    _, out, err = call(capsys, "predict", folder / "m.engram", folder / "new.csv")
    assert out.splitlines()[0] == "prediction"
    assert "'town' holds in 1 rows" in err.replace("\n", " ")


def test_the_file_is_read_by_anyone_and_refused_when_altered(saved, tmp_path):
    folder, model, _ = saved
    tensors, manifest = read_tensors(folder / "m.safetensors")
    assert torch.equal(tensors["head.bias"], model.fitted.params["head.bias"][0])
    for changed, match in (
        ({**manifest, "model": 99}, "no model of this version"),
        ({**manifest, "parameters": ["head.bias"]}, "does not describe a model"),
        ({**manifest, "value": {"network": 3}}, "does not describe a model"),
    ):
        write_tensors(tmp_path / "x.safetensors", tensors, changed, force=True)
        with pytest.raises(ArtefactError, match=match):
            load_model(tmp_path / "x.safetensors")
    with pytest.raises(ArtefactError, match="is an engram: engram replay"):
        load_model(folder / "m.engram")


def test_nothing_private_is_in_file_or_folder(tmp_path, capsys):
    frame = mixed()
    frame.loc[:3, "town"] = "Hidden Valley"
    frame.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "t.engram"
    args = ["distill", tmp_path / "t.csv", "--target", "again", "--out", out, "--steps", 2, "--seeds", 1]
    assert call(capsys, *args, "--panel", "none", "--report")[0] == 0
    files = [out, out.with_suffix(".html"), *(p for p in out.with_suffix(".run").rglob("*") if p.is_file())]
    assert len(files) > 2
    for file in files:
        content = file.read_bytes()
        for secret in (b"R-00", b"Hidden Valley", b"service", b"2020-0", b"food"):
            assert secret not in content, (file.name, secret)
    assert b"left out as ids: ref" in out.read_bytes()
    assert not (out.with_suffix(".run") / "real.safetensors").exists()
    assert call(capsys, *args, "--panel", "none", "--show-real", "--force")[0] == 0
    assert (out.with_suffix(".run") / "real.safetensors").exists()


def test_methods_that_choose_rows_say_so(saved, capsys, tmp_path):
    problem = Problem.from_frame(mixed(), "again")
    for method, holds in (("herding", True), ("k-means", False)):
        memory = engram.distill(problem, method, budget=PerClass(2))
        assert any("are rows of the data (4)" in note for note in memory.provenance["notes"]) == holds
        file = memory.save(tmp_path / f"{method}.engram")
        shown = call(capsys, "inspect", file)[1]
        assert ("raw content  rows of the data, 2 class names, 2 categories of town" in shown) == holds


def test_a_table_is_inspected_before_work_begins(saved, capsys):
    folder, _, _ = saved
    mixed().to_csv(folder / "all.csv", index=False)
    found = json.loads(call(capsys, "inspect", folder / "all.csv", "--json")[1])
    assert {name: fact["kind"] for name, fact in found["columns"].items()} == {
        "age": "number",
        "town": "category",
        "since": "date",
        "said": "text",
        "ref": "id",
        "again": "category",
    }
    assert "left out" in call(capsys, "inspect", folder / "all.csv")[1]


def test_a_number_has_no_probabilities(diabetes):
    memory = engram.distill(diabetes, steps=1)
    with pytest.raises(SettingError, match="no probabilities"):
        memory.replay(0).predict_proba(np.zeros((1, 10)))


def _fed(model, new):
    """Raw columns, or prepared ones, as a graph takes them."""
    columns = model.preprocessing
    encoded = columns.decode(columns.encode(new))
    feed = {}
    for name in columns.prepared:
        values = (new if name in new else encoded)[name].to_numpy()
        words = values.dtype == object or values.dtype.kind in "OUT"
        feed[name] = (
            np.array([str(v) for v in values], dtype=object)[:, None] if words else values[:, None].astype("float32")
        )
    return feed


def test_onnx_says_the_same_on_mixed_columns(saved, tmp_path, capsys):
    runtime = pytest.importorskip("onnxruntime")
    folder, model, new = saved
    assert call(capsys, "replay", folder / "m.engram", "--out", tmp_path / "m.onnx")[0] == 0
    session = runtime.InferenceSession((tmp_path / "m.onnx").read_bytes())
    label, chances = session.run(["label", "probabilities"], _fed(model, new))
    assert np.allclose(chances, model.predict_proba(new), atol=1e-5)
    assert (label.astype(bool) == model.predict(new)).all()
    assert np.isnan(_fed(model, new)["age"]).any()
    assert any("Atlantis" in row for row in _fed(model, new)["town"].tolist())


def test_onnx_of_numbers_and_of_images(diabetes, digits, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    from engram.memory.onnx import save_onnx

    memory = engram.distill(diabetes, steps=1)
    model = memory.replay(0)
    session = runtime.InferenceSession(save_onnx(model, tmp_path / "d.onnx").read_bytes())
    raw = diabetes.preprocessing.decode(diabetes.test.inputs[:5])
    found = session.run(["value"], {"x": raw.astype("float32")})[0][:, 0]
    assert np.allclose(found, model.predict(raw), rtol=1e-4)
    model = engram.distill(digits, steps=1).replay(0)
    session = runtime.InferenceSession(save_onnx(model, tmp_path / "i.onnx").read_bytes())
    x = digits.test.batch(slice(0, 5))[0]
    raw = digits.preprocessing.decode(x)
    assert (session.run(["label"], {"encoded": x.numpy()})[0] == model.predict(raw)).all()
