"""The command line as a user meets it: results, JSON, and one clear line for everything that is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from engram.cli import main
from engram.memory.engram import load

FAST = ["--steps", "4", "--seeds", "2", "--network", "mlp:width=8"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def customers(n=80):
    rng = np.random.default_rng(0)
    age = rng.normal(40, 9, n)
    return pd.DataFrame(
        {"age": age, "city": rng.choice(["Oslo", "Rome"], n), "churned": np.where(age > 40, "yes", "no")}
    )


@pytest.fixture
def wine_file(capsys):
    assert call("distill", "wine", *FAST, "--out", "w.engram") == 0
    capsys.readouterr()
    return Path("w.engram")


def test_distill_prints_one_json_object_with_every_row(capsys):
    assert call("distill", "wine", *FAST, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["file"] == "wine.engram"
    assert result["metric"] == "accuracy"
    rows = {"full", "engram", "random", "random_soft", "k_means", "herding", "k_center"}
    assert set(result["scores"]) == rows | {f"{r}_bytes" for r in rows - {"full", "engram"}}
    for row in result["scores"].values():
        assert row["n"] == len(row["runs"]) == 2
        assert row["mean"] == pytest.approx(np.mean(row["runs"]))
        assert row["sem"] == pytest.approx(np.std(row["runs"], ddof=1) / 2**0.5)
    random = result["scores"]["random"]
    assert random["difference"]["mean"] == pytest.approx(result["scores"]["engram"]["mean"] - random["mean"])
    assert result["scores"]["random_bytes"]["bytes"] <= result["scores"]["engram"]["bytes"]
    assert result["items"] == 3
    assert result["ratio"] == pytest.approx(result["bytes"]["data"] / result["bytes"]["engram"])
    assert set(result["seconds"]) == {"distill", "judge", "train_engram", "train_full"}
    assert {p.name for p in Path("wine.run").iterdir()} == {"results.jsonl", "run.json"}


def test_the_same_seed_writes_the_same_samples(capsys):
    from engram import load

    for name in ("a", "b"):
        assert call("distill", "wine", "--steps", 5, "--seeds", 2, "--out", f"{name}.engram") == 0
    a, b = load("a.engram"), load("b.engram")
    assert (a.samples.inputs == b.samples.inputs).all()
    assert Path("a.engram").read_bytes() == Path("b.engram").read_bytes()


def test_every_command_on_an_engram(wine_file, capsys):
    for arguments in (
        ["inspect", wine_file],
        ["replay", wine_file, "--out", "m.safetensors"],
        ["report", wine_file],
        ["evaluate", wine_file, "--on", "wine", "--seeds", 2, "--no-baselines"],
        *(["export", wine_file, "--format", kind] for kind in ("csv", "npz", "parquet")),
    ):
        assert call(*arguments) == 0, arguments
        assert capsys.readouterr().out
    for arguments in (
        ["inspect", wine_file, "--json"],
        ["replay", wine_file, "--json", "--network", "two-layer:width=8"],
        ["evaluate", wine_file, "--on", "wine", "--seeds", 2, "--no-baselines", "--json"],
        ["list", "--json"],
        ["export", wine_file, "--format", "csv", "--out", "x.csv", "--json"],
        ["report", wine_file, "--out", "x.html", "--json"],
    ):
        assert call(*arguments) == 0, arguments
        assert json.loads(capsys.readouterr().out)
    assert "mlp" in subprocess_free_list(capsys)


def subprocess_free_list(capsys):
    assert call("list") == 0
    return capsys.readouterr().out


def test_tables_from_raw_rows_to_predictions(capsys):
    customers().to_csv("c.csv", index=False)
    assert call("distill", "c.csv", "--target", "churned", "--items", 4, "--steps", 60, "--seeds", 0) == 0
    customers().drop(columns="churned").head(9).to_csv("new.csv", index=False)
    capsys.readouterr()
    assert call("predict", "c.engram", "new.csv") == 0
    lines = capsys.readouterr().out.split()
    assert lines[0] == "prediction"
    assert np.mean(np.array(lines[1:]) == customers().churned.head(9)) >= 7 / 9
    assert call("predict", "c.engram", "new.csv", "--json") == 0
    assert json.loads(capsys.readouterr().out)["predictions"] == lines[1:]
    assert call("evaluate", "c.engram", "--on", "c.csv", "--target", "churned", "--seeds", 2) == 0


def test_an_engram_can_be_judged_on_other_data_of_its_kind(capsys):
    customers().to_csv("c.csv", index=False)
    assert call("distill", "c.csv", "--target", "churned", "--items", 4, *FAST) == 0
    customers(60).assign(age=lambda f: f.age + 1).to_csv("other.csv", index=False)
    assert call("evaluate", "c.engram", "--on", "other.csv", "--target", "churned", "--seeds", 2, "--no-baselines") == 0
    assert "not those that the engram was distilled from" in capsys.readouterr().err


def test_classes_in_another_order_are_the_same_classes(wine):
    from engram import Protocol, distill, evaluate
    from engram.data.problem import Problem

    x = wine.preprocessing.recover(wine.train.inputs)
    test = (wine.preprocessing.recover(wine.test.inputs), wine.test.targets.numpy())
    y = wine.train.targets.numpy()
    one = Problem.from_arrays(x, np.array(["a", "b", "c"])[y], test=(test[0], np.array(["a", "b", "c"])[test[1]]))
    other = Problem.from_arrays(x, y, test=test, class_names=("c", "b", "a"))
    memory = distill(one, steps=30)
    same = evaluate(memory, one, Protocol(seeds=2, baselines=False))
    swapped = evaluate(memory, other, Protocol(seeds=2, baselines=False))
    assert np.mean(same.rows["engram"].runs) > 0.8
    assert np.mean(swapped.rows["engram"].runs) < 0.5, "a is c there: names decide, not their order"


def images(folder, size=(8, 8), n=8):
    rng = np.random.default_rng(0)
    for k, name in enumerate(("bright", "dark")):
        Path(folder, name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(rng.integers(120 * k, 120 * k + 120, (*size, 3)).astype("uint8")).save(
                Path(folder, name, f"{i}.png")
            )


def test_folders_of_images(capsys):
    images("photos")
    assert call("distill", "photos", *FAST) == 0
    assert call("export", "photos.engram", "--format", "png") == 0
    with Image.open("photos.png") as picture:
        assert picture.size[0] > 60
    capsys.readouterr()
    assert call("predict", "photos.engram", "photos/dark") == 0
    assert set(capsys.readouterr().out.split()[1:]) <= {"bright", "dark"}


def test_archives_with_given_splits(capsys, digits):
    x = digits.preprocessing.decode(digits.train.batch(slice(0, 200))[0])
    y = digits.train.targets[:200].numpy()
    np.savez(
        "d.npz", x_train=x[:120], y_train=y[:120], x_test=x[120:160], y_test=y[120:160], x_val=x[160:], y_val=y[160:]
    )
    assert call("distill", "d.npz", *FAST, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scores"]["full"]["items"] == 120
    np.savez("e.npz", x=x, y=y)
    assert call("distill", "e.npz", "--items", 10, "--dtype", "float32", "--seeds", 0, *FAST[:2]) == 0


def broken_npz():
    Path("b.npz").write_bytes(b"PK nonsense")


BAD = {
    "unknown source": (["distill", "digit"], None, "did you mean digits"),
    "unknown method": (["distill", "wine", "--method", "gradient-machine"], None, "did you mean gradient-matching"),
    "unknown network": (["distill", "wine", "--network", "convent"], None, "did you mean convnet"),
    "unknown field": (["distill", "wine", "--network", "mlp:widht=3"], None, "did you mean width"),
    "bad value": (["distill", "wine", "--method", "performance-matching:rate=-1"], None, "at least 0"),
    "convnet on rows": (["distill", "wine", "--network", "convnet"], None, "use mlp or two-layer"),
    "too large a budget": (["distill", "wine", "--per-class", "99"], None, "ask for fewer"),
    "too small a budget": (["distill", "wine", "--items", "2"], None, "at least 3"),
    "too few bytes": (["distill", "wine", "--bytes", "9"], None, "hold 0 items"),
    "no size": (["distill", "wine", "--bytes", "lots"], None, "is not a size"),
    "classes of a number": (["distill", "diabetes", "--per-class", "1"], None, "in items or bytes"),
    "two budgets": (["distill", "wine", "--items", "3", "--per-class", "1"], None, "exclude one another"),
    "cuda": (["distill", "wine", "--device", "cuda:7"], None, "use --device cpu"),
    "no device": (["distill", "wine", "--device", "toaster"], None, "is not a device"),
    "no target": (["distill", "c.csv"], lambda: customers().to_csv("c.csv"), "Pass --target"),
    "wrong target": (["distill", "c.csv", "--target", "churnt"], lambda: customers().to_csv("c.csv"), "did you mean churned"),
    "constant target": (["distill", "c.csv", "--target", "k"], lambda: customers().assign(k=1).to_csv("c.csv"), "constant"),
    "target of wine": (["distill", "wine", "--target", "x"], None, "takes no target"),
    "empty table": (["distill", "c.csv", "--target", "a"], lambda: Path("c.csv").write_text(""), "not a readable table"),
    "no rows": (["distill", "c.csv", "--target", "a"], lambda: Path("c.csv").write_text("a,b\n"), "no rows"),
    "broken parquet": (["distill", "c.parquet", "--target", "a"], lambda: Path("c.parquet").write_text("x"), "not a readable table"),
    "broken npz": (["distill", "b.npz"], broken_npz, "not a readable NumPy archive"),
    "object npz": (["distill", "b.npz"], lambda: np.savez("b.npz", x=np.array([{}] * 9), y=np.arange(9)), "object array"),
    "nameless npz": (["distill", "b.npz"], lambda: np.savez("b.npz", a=np.ones(3)), "it needs x_train"),
    "nan npz": (["distill", "b.npz"], lambda: np.savez("b.npz", x=np.full((20, 2), np.nan), y=np.arange(20) % 2), "NaN or infinite"),
    "strings": (["distill", "b.npz"], lambda: np.savez("b.npz", x=np.full((20, 2), "a"), y=np.arange(20) % 2), "where numbers are expected"),
    "kind of file": (["distill", "b.docx"], lambda: Path("b.docx").write_text("x"), "are not data"),
    "no classes": (["distill", "p"], lambda: Path("p").mkdir(), "one sub-folder of images for each class"),
    "sizes": (["distill", "p"], lambda: (images("p"), Image.new("RGB", (9, 9)).save("p/dark/z.png")), "pass --size 64"),
    "broken image": (["distill", "p"], lambda: (images("p"), Path("p/dark/z.png").write_text("x")), "not a readable image"),
    "empty class": (["distill", "p"], lambda: (images("p"), Path("p/none").mkdir()), "has no image"),
    "one image": (["distill", "p"], lambda: images("p", n=1), "at least"),
    "output exists": (["distill", "wine"], lambda: Path("wine.engram").write_text("mine"), "pass --force"),
    "no folder": (["distill", "wine", "--out", "a/b.engram"], None, "does not exist"),
    "not an engram": (["inspect", "x"], lambda: Path("x").write_text("x"), "not an engram"),
    "no file": (["report", "x.engram"], None, "no such file"),
    "negative seeds": (["distill", "wine", "--seeds", "-1"], None, "at least 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_one_line_and_nothing_is_written(case, capsys):
    arguments, prepare, message = BAD[case]
    if prepare:
        prepare()
    before = {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()}
    assert call(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert {p: p.read_bytes() for p in Path().rglob("*") if p.is_file()} == before
    assert not list(Path().glob("*.run"))


def test_wrong_inputs_after_distillation(wine_file, capsys):
    np.savez("new.npz", x=np.ones((2, 4)))
    for arguments, message in (
        (["predict", wine_file, "new.npz"], "13"),
        (["predict", wine_file, "wine"], "give a file or a folder"),
        (["evaluate", wine_file, "--on", "digits"], "digits has inputs of shape"),
        (["export", wine_file, "--format", "png"], "not images"),
        (["replay", wine_file, "--network", "resnet"], "use mlp or two-layer"),
    ):
        assert call(*arguments) == 2, arguments
        assert message in capsys.readouterr().err


def test_import_and_help_stay_light():
    code = "import sys, engram; from engram.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\nassert not {'torch', 'pandas', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_ctrl_c_saves_and_resume_ends_where_an_unbroken_run_ends(capsys, monkeypatch):
    from engram.distillation.matcher import Matcher

    settings = ["distill", "digits", "--steps", "40", "--seeds", "0", "--network", "mlp:width=32"]
    assert call(*settings, "--out", "whole.engram") == 0
    step = Matcher.step

    def pressed(self, state, *rest):
        if state.step == 23:
            raise KeyboardInterrupt
        return step(self, state, *rest)

    monkeypatch.setattr(Matcher, "step", pressed)
    capsys.readouterr()
    assert call(*settings, "--out", "half.engram") == 130
    said = " ".join(capsys.readouterr().err.split())
    assert "interrupted at step 23 of 40" in said
    assert "repeat the command with --resume" in said
    assert not Path("half.engram").exists()
    monkeypatch.setattr(Matcher, "step", step)
    assert call(*settings, "--out", "half.engram", "--seed", "1", "--resume") == 2, "other settings are refused"
    assert call(*settings, "--out", "half.engram", "--resume") == 0
    assert Path("whole.engram").read_bytes() == Path("half.engram").read_bytes()
    capsys.readouterr()
    assert not Path("half.run/checkpoint.safetensors").exists()


def test_an_evaluation_interrupted_is_resumed_too(capsys, monkeypatch):
    import engram.evaluation.protocol as protocol

    whole = protocol.train_full

    def pressed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(protocol, "train_full", pressed)
    assert call("distill", "wine", *FAST) == 130
    assert Path("wine.engram").exists(), "it is written before it is judged"
    assert call("distill", "wine", *FAST) == 2, "an interrupted run is not overwritten unasked"
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(protocol, "train_full", whole)
    assert call("distill", "wine", *FAST, "--resume") == 0
    assert Path("wine.engram").exists()
    assert not Path("wine.run/checkpoint.safetensors").exists()


def test_a_report_never_shows_another_runs_results(capsys):
    assert call("distill", "wine", *FAST, "--out", "a.engram") == 0
    assert call("distill", "diabetes", "--seeds", 0, *FAST[:2], "--out", "a.engram", "--force") == 0
    assert call("report", "a.engram") == 0
    assert "learning process replayed" not in Path("a.html").read_text()
    for name in ("m.v1", "m.v2"):
        assert call("distill", "wine", "--seeds", 0, *FAST[:2], "--out", name) == 0
    assert Path("m.v1.run").is_dir()
    assert Path("m.v2.run").is_dir()


def test_files_in_the_way_are_refused_before_any_work(capsys):
    Path("x.run").write_text("mine")
    assert call("distill", "wine", "--out", "x.engram") == 2
    assert "is a file" in capsys.readouterr().err
    Path("y.run").mkdir()
    Path("y.run/results.jsonl").write_text("mine")
    assert call("distill", "wine", "--out", "y.engram") == 2
    assert Path("y.run/results.jsonl").read_text() == "mine"
    os.mkfifo("p.engram")
    assert call("distill", "wine", "--out", "p.engram", "--force") == 2
    assert "a device or a pipe" in capsys.readouterr().err


def test_semicolons_marks_and_double_columns(capsys):
    customers().to_csv("c.csv", index=False, sep=";", encoding="utf-8-sig")
    assert call("distill", "c.csv", "--target", "churned", "--items", 4, *FAST) == 0
    Path("d.csv").write_text("a,t,t\n" + "1,0,0\n2,1,1\n" * 20)
    assert call("distill", "d.csv", "--target", "t") == 2
    assert "stands twice" in capsys.readouterr().err


def test_pixels_that_would_be_clipped_are_refused(capsys):
    for name in ("a", "b"):
        Path("p", name).mkdir(parents=True)
        for k in range(4):
            Image.fromarray(np.full((6, 6), 999, dtype=np.uint16)).save(f"p/{name}/{k}.png")
    assert call("distill", "p") == 2
    assert "8 bits" in capsys.readouterr().err


def test_compare_puts_scores_side_by_side_and_says_why_they_do_not_compare(wine_file, capsys):
    assert call("distill", "wine", *FAST, "--metric", "f1", "--time", "30s", "--out", "f.engram") == 0
    capsys.readouterr()
    assert call("compare", wine_file, "f.engram", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    own = found["files"][str(wine_file)]
    assert own["test, engram"]["n"] == 2
    assert (own["metric"], found["files"]["f.engram"]["metric"]) == ("accuracy", "F1")
    assert found["notes"] == ["f.engram: another metric than w.engram"]
    assert call("compare", wine_file, "f.engram") == 0
    assert "validation" in capsys.readouterr().out
    assert call("compare", wine_file) == 2


def test_folds_print_errors_of_splits(capsys):
    assert call("distill", "wine", *FAST, "--folds", "2", "--panel", "none") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "standard error over 2 splits" in shown
    assert Path("wine.folds/1.engram").is_file()


@pytest.mark.parametrize("span", ["0", "-1s", "0.0h"])
def test_a_span_of_time_is_a_number_and_a_unit(span, capsys):
    assert call("distill", "wine", "--time", span) == 2
    assert "write 90s, 10m or 2h" in capsys.readouterr().err


FEW = ["--steps", "3", "--seeds", "0"]


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
