"""What a file gives away is said, and found where it was planted."""

import json
from pathlib import Path

import pytest
import torch

import engram
from engram import PerClass, distill, load_problem
from engram.cli import main
from engram.errors import DataError, SettingError
from engram.memory.run_folder import RunFolder
from engram.workflow import auditing
from engram.workflow.auditing import audit, distances


def test_rows_of_the_data_are_called_so(wine):
    found = audit(distill(wine, "random", budget=PerClass(2)), wine, shadows=0)
    assert found.leaks
    assert found.nearest["samples"][0] == 0
    assert found.nearest["copies"] == 6
    assert "rows of the data" in found.verdict
    assert "whoever has the file" in found.verdict


def test_halves_hold_half_of_every_class_and_pairs_are_whole(wine):
    first, second = (auditing._half(wine, k, 0) for k in (0, 1))
    assert torch.equal(first, ~second)
    for group in wine.train.by_class:
        assert abs(int(first[group].sum()) - len(group) / 2) <= 0.5


def test_shadows_are_attacked_and_kept(wine, tmp_path, monkeypatch):
    memory = distill(wine, budget=PerClass(1), steps=3)
    folder = RunFolder(tmp_path / "w.run")
    told = []
    first = audit(memory, wine, 4, folder, told.append)
    assert {(t, b) for t, own in first.attacks.items() for b in own} == {
        ("engram", "replay"), ("engram", "nearness"), ("random", "replay"), ("random", "nearness"), ("network", "replay"),
    }  # fmt: skip
    assert [p.done for p in told] == [0.25, 0.5, 0.75, 1.0]
    # A shadow that is damaged is made again, the others are not.
    made = []
    usual = auditing._shadow
    monkeypatch.setattr(auditing, "_shadow", lambda *given: made.append(given[3]) or usual(*given))
    place = tmp_path / "w.run" / "shadow-2.safetensors"
    place.write_bytes(place.read_bytes()[:-20])
    again = audit(memory, wine, 4, folder)
    assert made == [2]
    assert again.as_json() == first.as_json()
    # Those of another engram are not taken.
    other = distill(wine, budget=PerClass(1), steps=4)
    audit(other, wine, 4, folder)
    assert made == [2, 0, 1, 2, 3]


def test_a_method_that_copies_is_found(wine, monkeypatch):
    """An objective that hands on its rows, planted under the name of one that does not."""
    memory = distill(wine, "random", budget=PerClass(8))
    honest = auditing.replace(memory, provenance=dict(memory.provenance) | {"real_rows": False})
    found = audit(honest, wine, 6)
    assert found.leaks
    assert sum(found.attacks["engram"]["nearness"].area) / 6 > 0.55
    assert "it leaks" in found.verdict


def test_other_data_and_other_engrams_are_refused(wine, diabetes):
    memory = distill(wine, budget=PerClass(1), steps=2)
    with pytest.raises(DataError, match="not the data that the engram was distilled from"):
        audit(memory, load_problem("wine", seed=1), 0)
    with pytest.raises(SettingError, match="give at least 4"):
        audit(memory, wine, 3)
    silent = auditing.replace(memory, provenance={"fingerprint": wine.fingerprint})
    with pytest.raises(SettingError, match="does not say how it was distilled"):
        audit(silent, wine, 4)
    numbers = audit(distill(diabetes, steps=2), diabetes, 4)
    assert 0 <= numbers.attacks["engram"]["replay"].area[0] <= 1


def test_distances_are_those_of_a_plain_search(wine):
    memory = distill(wine, budget=PerClass(1), steps=2)
    x, own = wine.train.inputs, memory.samples.inputs
    plain = sorted(min(float((a - b).norm()) for b in x) / 13**0.5 for a in own)
    assert distances(memory, wine)["samples"] == pytest.approx([plain[0], plain[1], plain[2]], abs=1e-3)


def test_the_command_says_all_and_promises_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    engram.run("wine", steps=2, seeds=0)
    for words in (["--shadows", "4"], ["--shadows", "4", "--json"], ["--shadows", "0"]):
        with pytest.raises(SystemExit) as stop:
            main(["audit", "wine.engram", "--on", "wine", *words])
        assert stop.value.code == 0
        out = capsys.readouterr().out
        if "--json" in words:
            found = json.loads(out)
            assert {"raw_content", "nearest", "attacks", "verdict", "shadows"} <= set(found)
        else:
            assert "verdict" in out
            assert "is private" not in out
    assert len(list(Path("wine.run").glob("shadow-*"))) == 4
