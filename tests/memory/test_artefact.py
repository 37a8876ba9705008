"""The file: what comes back is what was saved, and a damaged or hostile file is refused."""

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import engram
from engram.errors import ArtefactError, EngramError, NetworkError, OutputError
from engram.learning.networks.custom import Custom
from engram.learning.networks.mlp import MLP
from engram.memory.container import read_tensors, write_tensors
from engram.memory.engram import Engram, load
from engram.memory.quantisation import restore, store
from engram.samples.budget import Items, PerClass, Precision


@pytest.fixture(scope="module")
def memory(wine) -> Engram:
    return engram.distill(wine, budget=PerClass(2), steps=10, network=MLP(width=16))


@pytest.fixture
def file(memory, tmp_path) -> Path:
    return memory.save(tmp_path / "w.engram")


@pytest.mark.parametrize("precision", Precision)
def test_what_is_scored_is_what_is_stored(digits, tmp_path, precision):
    memory = engram.distill(digits, budget=Items(10), steps=7, precision=precision, network=MLP(width=8))
    again = load(memory.save(tmp_path / "d.engram"))
    assert torch.equal(again.samples.inputs, memory.samples.inputs)
    assert torch.equal(again.samples.targets, memory.samples.targets)
    assert again.training == memory.training
    assert again.provenance == json.loads(json.dumps(dict(memory.provenance)))
    assert again.bytes == memory.bytes
    number, label = precision.bytes, max(2, precision.bytes)
    scale = 8 if precision is Precision.UINT8 else 0
    assert memory.canvas_bytes == 10 * 64 * number + 100 * label + scale
    raw = digits.preprocessing.decode(digits.test.batch(slice(0, 9))[0])
    assert (again.replay(3).predict(raw) == memory.replay(3).predict(raw)).all()


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=30))
@settings(deadline=None)
def test_storing_twice_changes_nothing(numbers):
    value = torch.tensor(numbers)
    for precision in Precision:
        once = restore(store("inputs", value, precision))
        scale = store("inputs", value, precision)[1:]
        assert torch.equal(restore(store("inputs", once, precision, *scale)), once)
        step = {
            "float32": 0.0,
            "float16": 1e-3 * float(value.abs().max()),
            "uint8": float(value.max() - value.min()) / 255,
        }
        assert float((once - value).abs().max()) <= 0.51 * step[precision.value] * 2 + 1e-4


def test_bytes_count_labels_scales_and_preprocessing(memory):
    assert memory.canvas_bytes == 6 * (13 * 2 + 3 * 2)
    assert memory.bytes == memory.canvas_bytes + 13 * 8


def test_replay_predicts_names_from_raw_rows_and_repeats(file, wine):
    memory = load(file)
    raw = wine.preprocessing.decode(wine.test.inputs)
    one, two = memory.replay(1).predict(raw), memory.replay(1).predict(raw)
    assert (one == two).all()
    assert set(one) <= set(wine.target.names)
    assert np.mean(one == wine.target.decode(wine.target.scores(wine.test.targets))) > 0.7


def test_another_network_and_plain_modules(file, wine, tmp_path):
    model = load(file).replay(0, MLP(width=9, depth=2))
    found = model.module(wine.test.inputs)
    assert torch.allclose(found, model.fitted.outputs(wine.test.inputs)[0], atol=1e-5)
    model.save(tmp_path / "m.safetensors")
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "m.safetensors")["head.bias"], model.fitted.params["head.bias"][0])


def test_any_safetensors_reader_opens_it(file):
    from safetensors.numpy import load_file

    assert load_file(file)["canvases.main.inputs"].dtype == np.float16


def test_a_custom_network_is_named_but_not_carried(wine, tmp_path):
    from torch import nn

    def mine():
        return nn.Sequential(nn.Linear(13, 8), nn.ReLU(), nn.Linear(8, 3))

    memory = engram.distill(wine, network=Custom(mine, head="2"), steps=2)
    again = load(memory.save(tmp_path / "c.engram"))
    with pytest.raises(NetworkError, match="custom network 'mine'"):
        again.replay()
    assert again.replay(network=Custom(mine, head="2")) is not None
    assert again.replay(network=MLP(width=8)) is not None


def flip(path, where):
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)


def rewrite(path, change):
    tensors, manifest = read_tensors(path)
    change(manifest)
    write_tensors(path, tensors, manifest, force=True)


DAMAGE = {
    "truncated": (lambda p: p.write_bytes(p.read_bytes()[:-10]), "truncated"),
    "cut in the header": (lambda p: p.write_bytes(p.read_bytes()[:50]), "truncated"),
    "empty": (lambda p: p.write_bytes(b""), "truncated"),
    "last bit": (lambda p: flip(p, -1), "checksum"),
    "not one": (lambda p: p.write_text("hello"), "not an engram"),
    "pickle": (lambda p: torch.save({"a": 1}, p), "not an engram"),
    "huge header": (lambda p: p.write_bytes(struct.pack("<Q", 2**60) + b"{}"), "not an engram"),
    "no manifest": (
        lambda p: __import__("safetensors.torch").torch.save_file({"a": torch.ones(1)}, p),
        "without an engram's manifest",
    ),
    "newer": (lambda p: rewrite(p, lambda m: m.update(format=99)), "format 99"),
    "hostile kind": (
        lambda p: rewrite(p, lambda m: m["value"]["map"]["training"].update(kind="os:system")),
        "not a value",
    ),
    "hostile type": (
        lambda p: rewrite(p, lambda m: m["value"]["map"]["training"].update(network=3)),
        "does not describe|not a value|takes",
    ),
    "missing part": (lambda p: rewrite(p, lambda m: m["value"]["map"].pop("training")), "does not describe"),
    "missing tensor": (
        lambda p: rewrite(p, lambda m: m["value"]["map"]["canvases"]["map"]["main"].update(inputs={"tensor": "x"})),
        "missing",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_files_are_refused(case, file):
    damage, message = DAMAGE[case]
    damage(file)
    with pytest.raises(ArtefactError, match=message):
        load(file)


def test_every_single_flipped_byte_is_refused(file):
    original = file.read_bytes()
    for where in range(0, len(original), max(1, len(original) // 150)):
        flip(file, where)
        with pytest.raises(EngramError):
            load(file)
        file.write_bytes(original)


def test_files_are_never_overwritten_unasked_and_written_whole(memory, file, tmp_path, monkeypatch):
    before = file.read_bytes()
    with pytest.raises(OutputError, match="--force"):
        memory.save(file)
    with pytest.raises(OutputError, match="does not exist"):
        memory.save(tmp_path / "no" / "x.engram")
    with pytest.raises(OutputError, match="is a folder"):
        memory.save(tmp_path)

    (tmp_path / "link").symlink_to(file)
    memory.save(tmp_path / "link", force=True)
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "link").unlink()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        memory.save(file, force=True)
    assert file.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["w.engram"], "no temporary file stays behind"
