"""Several splits of one table, and runs that stop at a time."""

import json

import pytest

import engram
from engram.errors import SettingError
from engram.memory.engram import load
from engram.workflow.folds import run_folds


def test_every_split_is_a_run_of_its_own_and_counts_once(tmp_path):
    how = {"steps": 2, "panel": "none", "network": "mlp:width=8"}
    found = run_folds("wine", 2, out=tmp_path / "w.engram", seed=3, seeds=2, **how)
    alone = engram.run("wine", out=tmp_path / "alone.engram", seed=4, seeds=2, **how)
    second = tmp_path / "w.folds" / "1.engram"
    assert load(second).provenance["fingerprint"] == alone.engram.provenance["fingerprint"]
    runs = found.scores.as_json()["engram"]["runs"]
    assert len(runs) == 2
    assert runs[1] == pytest.approx(sum(alone.scores.rows["engram"].runs) / 2)
    json.dumps(found.as_json())
    # What is finished is not done again.
    before = second.stat().st_mtime_ns
    again = run_folds("wine", 2, out=tmp_path / "w.engram", seed=3, seeds=2, resume=True, **how)
    assert again.scores.as_json()["engram"]["runs"] == runs
    assert second.stat().st_mtime_ns == before


def test_data_that_are_split_already_have_no_folds(tmp_path, rng):
    import numpy as np

    parts = {
        f"{k}_{part}": v for part in ("train", "test") for k, v in (("x", rng.normal(size=(20, 3))), ("y", [0, 1] * 10))
    }
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(SettingError, match="test split of their own"):
        run_folds(str(tmp_path / "a.npz"), 2, out=tmp_path / "a.engram", steps=1)


def test_a_run_stops_at_its_time_and_keeps_its_best(tmp_path, caplog):
    caplog.set_level("INFO", "engram")
    outcome = engram.run("wine", "performance-matching", out=tmp_path / "w.engram", steps=10**6, seconds=0.5, seeds=0)
    assert 0 < outcome.engram.provenance["steps"] < 10**6
    assert outcome.status == "done"
    assert outcome.engram.provenance["history"][-1][0] == outcome.engram.provenance["steps"]
    assert "time was over after" in caplog.text
    with pytest.raises(SettingError, match="no time to distil"):
        engram.run("wine", out=tmp_path / "x.engram", seconds=0)
