"""Time series: how they are read, padded, cut into windows, and refused."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import engram
from engram.data.preprocessing.series import Series
from engram.data.series import forecast_splits, kind_of
from engram.errors import DataError, SettingError, UnknownNameError


def waves(n=60, points=40, channels=1, seed=0):
    """Two classes of sines."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    t = np.arange(points)
    x = np.sin(t * (0.2 + 0.2 * y[:, None, None]) + rng.uniform(0, 6, (n, channels, 1))) + 0.1 * rng.normal(
        size=(n, channels, points)
    )
    return x, y


def test_arrays_are_series_where_neighbours_are_alike_and_rows_elsewhere(rng):
    x, _ = waves()
    assert kind_of(x[:, 0], None)[0] == "series"
    assert kind_of(x[:, 0][:, rng.permutation(40)], None)[0] == "rows"
    assert kind_of(x[:, 0], None, names=("a",) * 40)[0] == "rows"
    assert kind_of(rng.normal(size=(50, 40)), None)[0] == "rows"
    assert kind_of(rng.normal(size=(50, 3, 40)), None)[0] == "series"
    assert kind_of(rng.normal(size=(50, 28, 28)), None)[0] == "images"
    short, gaps = x[:, 0].copy(), x[:, 0].copy()
    short[3, 30:], gaps[3, 5] = np.nan, np.nan
    assert (kind_of(short, None)[0], kind_of(gaps, None)[0]) == ("series", "rows")
    with pytest.raises(SettingError, match="no images"):
        kind_of(x[:, 0], "images")
    for name in ("breast-cancer", "wine", "diabetes"):
        assert len(engram.load_problem(name).task.shape) == 1


def test_the_choice_is_shown_and_can_be_overruled():
    x, y = waves()
    problem = engram.Problem.from_arrays(x[:, 0], y)
    assert problem.task.shape == (1, 40)
    assert "read as series of 40 points" in problem.notes[0]
    assert engram.Problem.from_arrays(x[:, 0], y, kind="rows").task.shape == (40,)
    assert engram.Problem.from_arrays(x, y, kind="images").task.shape == (1, 1, 40)


def test_shorter_series_are_padded_and_masked_and_come_back():
    x, _ = waves(n=6, channels=2)
    x[1, :, 30:] = np.nan
    series = Series.fit(x)
    stored = series.encode(x)
    assert series.shape == (3, 40)
    assert stored[1, 2].sum() == 30
    assert (stored[1, :2, 30:] == 0).all()
    known = x[:, 0][~np.isnan(x[:, 0])]
    assert stored[:, 0][stored[:, 2] > 0].mean() == pytest.approx(0, abs=1e-6)
    assert float(series.mean[0]) == pytest.approx(known.mean())
    back = series.decode(stored)
    assert np.allclose(back, x, atol=1e-6, equal_nan=True)
    # What moved between mask values is read as what is written out.
    moved = stored + 0.3 * torch.randn(stored.shape, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(series.whole(moved), series.encode(series.decode(moved)), atol=1e-5)


def test_a_longer_or_shorter_test_series_makes_all_ragged():
    x, y = waves()
    held = x.copy()
    held[3, 0, 20:] = np.nan
    problem = engram.Problem.from_arrays(x, y, test=(held, y), kind="series")
    assert problem.task.shape == (2, 40)
    assert float(problem.test.inputs[3, 1].sum()) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x[:, :, :1], "series have 1 point"),
        (lambda x: x * 0, "all series are constant"),
        (
            lambda x: np.where((np.arange(40) == 7) & (np.arange(60) == 5)[:, None, None], np.nan, x),
            "series 5: point 7 is missing",
        ),
        (lambda x: np.where(np.arange(60)[:, None, None] == 4, np.inf, x), "series 4: point 0 is infinite"),
        (lambda x: np.where(np.arange(60)[:, None, None] == 2, np.nan, x), "series 2 has 0 point"),
    ],
)
def test_what_is_no_series_is_refused_with_row_and_place(change, message):
    x, _ = waves()
    with pytest.raises(DataError, match=message):
        Series.fit(change(x))


def test_windows_never_look_ahead():
    values = np.arange(200.0)
    parts = forecast_splits(values, 12, 3)
    first = {part: y.min() for part, (_, y) in parts.items()}
    last = {part: y.max() for part, (_, y) in parts.items()}
    assert last["train"] < first["select"] <= last["select"] < first["test"]
    for x, y in parts.values():
        assert (y[:, 0] == x[:, 0, -1] + 1).all()
    assert last["test"] == 199
    several = forecast_splits(np.stack([values, -values]), 12, 3, targets=(1,))
    assert several["test"][1].shape[1] == 3
    assert several["test"][1].max() < 0
    with pytest.raises(DataError, match="shorten --window"):
        forecast_splits(values, 150, 3)


def long_table(x, y):
    n, channels, points = x.shape
    frame = pd.DataFrame(
        {
            "id": np.repeat([f"s{k}" for k in range(n)], points),
            "t": np.tile(np.arange(points), n),
            "y": np.repeat(y, points),
        }
    )
    for c in range(channels):
        frame[f"c{c}"] = x[:, c].reshape(-1)
    return frame


def test_long_and_wide_tables_hold_the_same_series(tmp_path):
    x, y = waves(channels=1)
    frame = long_table(x, y).sample(frac=1, random_state=0)
    # The order of series is that of their first points; of points, that of time.
    frame = frame.sort_values("id", key=lambda ids: ids.str[1:].astype(int), kind="stable")
    frame.to_csv(tmp_path / "long.csv", index=False)
    wide = pd.DataFrame(x[:, 0], columns=[f"p{k}" for k in range(40)]).assign(y=y)
    wide.to_csv(tmp_path / "wide.csv", index=False)
    read = engram.load_problem(tmp_path / "long.csv", target="y", series_id="id", time="t")
    other = engram.load_problem(tmp_path / "wide.csv", target="y", kind="series")
    assert torch.allclose(read.train.inputs, other.train.inputs, atol=1e-5)
    assert torch.equal(read.train.targets, other.train.targets)
    assert engram.load_problem(tmp_path / "wide.csv", target="y").task.shape == (40,)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda f: pd.concat([f, f.iloc[[5]]]), {}, "stands twice in column 't'"),
        (lambda f: f.drop(index=10), {}, "nothing stands between 9 and 11"),
        (lambda f: f.assign(y=np.arange(len(f)) % 2), {}, "target 'y' changes within series"),
        (lambda f: f.assign(word="a"), {}, "column 'word' of a series holds words"),
        (lambda f: f, {"series_id": "ids"}, "did you mean id"),
        (lambda f: f, {"target": None}, "0 targets are named"),
    ],
)
def test_long_tables_are_refused_in_a_sentence(tmp_path, change, settings, message):
    change(long_table(*waves(n=12))).to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises((DataError, UnknownNameError), match=message):
        engram.load_problem(tmp_path / "long.csv", **({"target": "y", "series_id": "id", "time": "t"} | settings))


def test_a_table_of_one_series_is_forecast_by_time(tmp_path):
    t = pd.date_range("2026-01-01", periods=300, freq="h")
    frame = pd.DataFrame({"when": t, "load": np.sin(np.arange(300) / 4), "heat": np.cos(np.arange(300) / 4)})
    frame.sample(frac=1, random_state=0).to_csv(tmp_path / "load.csv", index=False)
    how = {"time": "when", "window": 24, "horizon": 6}
    problem = engram.load_problem(tmp_path / "load.csv", target="load", **how)
    assert (problem.task.shape, problem.task.outputs) == ((2, 24), 6)
    first = problem.target.decode(problem.train.targets[:1])
    assert first[0] == pytest.approx(np.sin(np.arange(24, 30) / 4), abs=1e-5)
    frame.drop(index=100).to_csv(tmp_path / "gap.csv", index=False)
    with pytest.raises(DataError, match="nothing stands between 2026-01-05 03:00:00 and 2026-01-05 05:00:00"):
        engram.load_problem(tmp_path / "gap.csv", target="load", **how)
    with pytest.raises(SettingError, match="how many points are seen"):
        engram.load_problem(tmp_path / "load.csv", target="load", horizon=3)


def test_archives_of_series_are_forecast(tmp_path):
    x, y = waves()
    np.savez(tmp_path / "many.npz", x_train=x[:40, 0], y_train=y[:40], x_test=x[40:, 0], y_test=y[40:])
    problem = engram.load_problem(tmp_path / "many.npz", horizon=8)
    assert (problem.task.shape, problem.task.outputs, len(problem.test)) == ((1, 32), 8, 20)
    np.save(tmp_path / "one.npy", np.sin(np.arange(400) / 5))
    assert engram.load_problem(tmp_path / "one.npy", horizon=8, window=20).task.outputs == 8
    with pytest.raises(SettingError, match="no horizon"):
        engram.load_problem(tmp_path / "one.npy", window=20)


TS = """# a comment
@problemName waves
@timeStamps false
@univariate false
@classLabel true low high
@data
"""


def test_files_of_archives_are_read_with_their_test_split(tmp_path):
    x, y = waves(n=30, points=30, channels=2)

    def line(row, short=0):
        channels = [",".join(f"{v:.6f}" for v in channel[: 30 - short]) for channel in x[row]]
        return ":".join([*channels, ("low", "high")[y[row]]])

    (tmp_path / "W_TRAIN.ts").write_text(TS + "\n".join(line(k, short=k % 3) for k in range(20)))
    (tmp_path / "W_TEST.ts").write_text(TS + "\n".join(line(k) for k in range(20, 30)))
    problem = engram.load_problem(tmp_path / "W_TRAIN.ts")
    assert problem.name == "W"
    assert (problem.task.shape, problem.target.names, len(problem.test)) == ((3, 30), ("high", "low"), 10)
    arff = "@relation w\n" + "".join(f"@attribute p{k} numeric\n" for k in range(30)) + "@attribute c {1,2}\n@data\n"
    rows = "\n".join(",".join([*(f"{v:.5f}" for v in x[k, 0]), str(y[k] + 1)]) for k in range(30))
    (tmp_path / "w.arff").write_text(arff + rows)
    assert engram.load_problem(tmp_path / "w.arff").task.shape == (1, 30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "line 1 stands before @data"),
        (TS, "holds no series"),
        (TS + "1,2,x:1,2,3:low", "line 7: 'x' at point 2 is no number"),
        (TS + "1,2,3:1,2:low", "channels of different lengths"),
        (TS + "1,2:1,2:low\n1,2:low", "line 8 has 1 channels and the first 2"),
        (TS.replace("true low high", "false") + "1,2,3", "names no class"),
        (TS.replace("timeStamps false", "timeStamps true") + "(0,1):low", "stamps of time"),
    ],
)
def test_broken_files_are_refused_by_line(tmp_path, text, message):
    (tmp_path / "w.ts").write_text(text)
    with pytest.raises(DataError, match=message):
        engram.load_problem(tmp_path / "w.ts")
    (tmp_path / "w.arff").write_text(text)
    with pytest.raises(DataError, match=r"w\.arff"):
        engram.load_problem(tmp_path / "w.arff")


def test_series_are_distilled_written_exported_and_predicted(tmp_path, monkeypatch, capsys):
    from engram.cli import main

    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        assert stop.value.code == 0, capsys.readouterr().err
        return capsys.readouterr().out

    x, y = waves()
    whole = x.copy()
    x[::5, :, 30:] = np.nan
    np.savez("w.npz", x_train=x[:40], y_train=y[:40], x_test=x[40:], y_test=y[40:])
    made = json.loads(
        call(
            "distill",
            "w.npz",
            "--steps",
            120,
            "--seeds",
            2,
            "--panel",
            "none",
            "--report",
            "--network",
            "random-convolutions:width=32",
            "--json",
        )
    )
    assert made["scores"]["engram"]["mean"] > 0.8
    assert "<svg" in (tmp_path / "w.html").read_text()
    call("export", "w.engram", "--format", "npz", "--out", "out.npz")
    assert np.load("out.npz")["x"].shape[1:] == (40,)
    call("export", "w.engram", "--format", "csv", "--out", "out.csv")
    np.savez("new.npz", x=x[:7])
    found = call("predict", "w.engram", "new.npz")
    assert len(found.strip().splitlines()) == 8
    call("inspect", "w.engram")
    call("replay", "w.engram", "--out", "w.safetensors")
    assert call("predict", "w.safetensors", "new.npz") == found
    np.savez("v.npz", x=whole)
    made = json.loads(
        call(
            "distill",
            "v.npz",
            "--horizon",
            6,
            "--steps",
            5,
            "--items",
            8,
            "--seeds",
            2,
            "--panel",
            "none",
            "--json",
            "--out",
            "f.engram",
            "--report",
            "--show-real",
        )
    )
    assert made["metric"] == "R2"
    assert "Forecasts of held-out windows" in (tmp_path / "f.html").read_text()


def test_a_wide_table_and_onnx_say_what_python_says(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    from engram.memory.onnx import save_onnx

    x, y = waves(channels=2)
    problem = engram.Problem.from_arrays(3 * x + 2, y, kind="series")
    replay = engram.distill(problem, steps=20, network="random-convolutions:width=16").replay()
    session = onnxruntime.InferenceSession(save_onnx(replay, tmp_path / "m.onnx"))
    new = (3 * x + 2).astype(np.float32)
    labels, *_ = session.run(None, {"x": new})
    assert (labels == replay.predict(new)).all()


def test_wide_tables_are_predicted_by_their_columns_of_numbers(tmp_path, monkeypatch, capsys):
    from engram.cli import main

    monkeypatch.chdir(tmp_path)
    x, y = waves()
    problem = engram.Problem.from_arrays(x[:, 0], y)
    engram.distill(problem, steps=20, network="random-convolutions:width=16").save("w.engram")
    frame = pd.DataFrame(x[:, 0]).assign(who=[f"n{k}" for k in range(60)])
    frame.to_csv("new.csv", index=False)
    frame.drop(columns=3).to_csv("short.csv", index=False)
    for table, code, words in (("new.csv", 0, "n0,"), ("short.csv", 2, "39 columns of numbers")):
        with pytest.raises(SystemExit) as stop:
            main(["predict", "w.engram", table, "--id", "who"])
        assert stop.value.code == code
        shown = capsys.readouterr()
        assert words in shown.out + shown.err


def test_forecasts_name_their_outputs_and_know_their_channels(tmp_path):
    from engram.data.posing_series import forecast_channels

    x, y = waves(n=30, channels=2)
    frame = long_table(x, y).drop(columns="y")
    frame.to_csv(tmp_path / "many.csv", index=False)
    how = {"series_id": "id", "time": "t", "horizon": 3}
    problem = engram.load_problem(tmp_path / "many.csv", target="c1", **how)
    assert problem.target.names == ("c1 +1", "c1 +2", "c1 +3")
    assert forecast_channels(problem.target) == (1,)
    found = problem.target.decode(problem.target.scores(problem.train.targets))
    assert {tuple(row) for row in found.round(3)} <= {tuple(row) for row in x[:, 1, -3:].round(3)}
    both = engram.load_problem(tmp_path / "many.csv", **how)
    assert (both.task.outputs, forecast_channels(both.target)) == (6, (0, 1))
    memory = engram.distill(problem, steps=2, budget=engram.Items(4))
    memory.save(tmp_path / "f.engram")
    assert forecast_channels(engram.load(tmp_path / "f.engram").target) == (1,)
    from engram.report.page import page

    assert "channel 1" in page(memory, tmp_path / "f.engram")
    assert forecast_channels(engram.load_problem("diabetes").target) == ()
    frame[~((frame["id"] == "s4") & (frame["t"] > 30))].to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(DataError, match="series 's4' ends before others"):
        engram.load_problem(tmp_path / "short.csv", **how)
    with pytest.raises(DataError, match="no channel of numbers"):
        engram.load_problem(tmp_path / "many.csv", target="id", **how)
