"""An engram of series predicts from tables of the shape it was made from."""

import json

import numpy as np
import pandas as pd
import pytest

from engram.cli import main
from engram.memory.engram import load

FEW = ["--steps", "3", "--seeds", "0"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def points(series, channels, long=12):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(series, channels, long)).cumsum(2)
    table = pd.DataFrame({f"c{k}": x[:, k].ravel() for k in range(channels)})
    place = np.repeat(np.arange(series), long)
    table.insert(0, "pid", [f"p{k:03d}" for k in place])
    table.insert(1, "when", np.tile(np.arange(long), series))
    table["sick"] = np.where(place % 2 == 0, "no", "yes")
    return table, x


def test_one_point_a_row(capsys):
    table, x = points(40, 2)
    table.to_csv("points.csv", index=False)
    assert (
        call(
            "distill", "points.csv", "--target", "sick", "--series-id", "pid", "--time", "when", "--per-class", 1, *FEW
        )
        == 0
    )
    # In another order of rows, and without a class.
    new = table[table.pid.isin(["p003", "p007", "p010"])].sample(frac=1, random_state=0).drop(columns="sick")
    new.to_csv("new.csv", index=False)
    capsys.readouterr()
    assert call("predict", "points.engram", "new.csv", "--series-id", "pid", "--time", "when", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    places = [int(name[1:]) for name in found["pid"]]
    assert sorted(places) == [3, 7, 10]
    assert found["predictions"] == load("points.engram").replay(0).predict(x[places]).tolist()
    # A number that is no channel: named, and left out by its name.
    new.assign(ward=1.0).to_csv("more.csv", index=False)
    assert call("predict", "points.engram", "more.csv", "--series-id", "pid", "--time", "when") == 2
    assert "3 columns of numbers (c0, c1, ward)" in capsys.readouterr().err
    assert (
        call("predict", "points.engram", "more.csv", "--series-id", "pid", "--time", "when", "--columns", "c0,c1") == 0
    )
    assert call("predict", "points.engram", "more.csv", "--series-id", "patient") == 2
    assert "'patient' is not in the table" in capsys.readouterr().err


def test_what_follows_a_long_series(capsys):
    hours = pd.date_range("2025-01-01", periods=200, freq="h")
    table = pd.DataFrame({"hour": hours.astype(str), "load": np.sin(np.arange(200) / 4)})
    table.to_csv("load.csv", index=False)
    assert call("distill", "load.csv", "--time", "hour", "--window", 16, "--horizon", 4, "--items", 3, *FEW) == 0
    table[::-1].to_csv("back.csv", index=False)
    capsys.readouterr()
    assert call("predict", "load.engram", "back.csv", "--time", "hour", "--json") == 0
    found = json.loads(capsys.readouterr().out)["predictions"]
    window = table["load"].to_numpy()[None, None, -16:]
    np.testing.assert_allclose(found, load("load.engram").replay(0).predict(window), rtol=1e-6)
    table[:9].to_csv("short.csv", index=False)
    assert call("predict", "load.engram", "short.csv") == 2
    assert "9 rows; the engram sees 16 points" in capsys.readouterr().err


def test_options_of_series_are_refused_elsewhere(capsys):
    assert call("distill", "wine", *FEW) == 0
    pd.DataFrame(np.ones((2, 13))).to_csv("new.csv", index=False)
    assert call("predict", "wine.engram", "new.csv", "--time", "0") == 2
    assert "tables of series" in capsys.readouterr().err
