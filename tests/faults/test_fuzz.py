"""Damaged files are read or refused in one sentence; `fuzz.py` tries a thousand of each reader, this file a dozen."""

import shutil
from pathlib import Path

import fuzz
import pytest
from readers import READERS, Reader

from engram.data.room import VARIABLE

INPUTS = 12


@pytest.mark.parametrize("name", READERS)
def test_damage_is_read_or_refused(name, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "200MB")
    whole = tmp_path / "whole"
    whole.mkdir()
    READERS[name].make(whole)
    for number in range(INPUTS):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        outcome, why = fuzz.tried(name, number, folder, whole)
        assert outcome in ("read", "refused"), f"{name} {number}: {why}"
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", READERS)
def test_what_is_whole_is_read(name, tmp_path):
    READERS[name].make(tmp_path)
    READERS[name].opens(tmp_path)


def _fails(folder: Path) -> None:
    raise KeyError(folder)


def _executes(folder: Path) -> None:
    (folder / "executed").touch()


def _waits(folder: Path) -> None:
    while True:
        pass


@pytest.mark.parametrize(("opens", "said"), [(_fails, "KeyError"), (_executes, "EXECUTED"), (_waits, "more than 1")])
def test_a_fault_is_seen(opens, said, tmp_path, monkeypatch):
    whole, folder = tmp_path / "whole", tmp_path / "folder"
    whole.mkdir(), folder.mkdir()
    npy = READERS["npy"]
    npy.make(whole)
    monkeypatch.setitem(READERS, "npy", Reader(npy.make, npy.aims, npy.damage, opens))
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    outcome, why = fuzz.tried("npy", 0, folder, whole)
    assert outcome == "bad"
    assert said in why
