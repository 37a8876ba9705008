"""What the README and the docs say can be typed."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from engram.cli import main
from engram.distillation import defaults
from engram.verification.study import ORDER

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


def test_two_commands_do_all_the_set_up():
    commands = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("engram distill digits --per-class 1")
    assert commands[1].endswith("pytest")


def test_the_python_example_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # What is typed is run as it stands, in fewer steps.
    usual = defaults.method
    monkeypatch.setattr(defaults, "method", lambda *given: replace(usual(*given), steps=40))
    exec(compile("\n".join(blocks("python")), "README.md", "exec"), {})
    assert "class_" in capsys.readouterr().out


def write_series(rng):
    """Two classes of noisy waves in every layout that is shown, and a long one."""
    y = np.arange(40) % 2
    x = np.sin(np.arange(36) * (0.3 + 0.3 * y[:, None])) + 0.1 * rng.normal(size=(40, 36))
    head = "@timeStamps false\n@classLabel true 0 1\n@data\n"
    for part, rows in (("TRAIN", range(28)), ("TEST", range(28, 40))):
        text = "\n".join(",".join(f"{v:.4f}" for v in x[k]) + f":{y[k]}" for k in rows)
        Path(f"ECG_{part}.ts").write_text(head + text)
    np.savez("signals.npz", x=x, y=y)
    when = pd.date_range("2026-01-01", periods=36, freq="h")
    points = {"patient": np.repeat(np.arange(40), 36), "when": np.tile(when, 40), "ill": np.repeat(y, 36)}
    pd.DataFrame(points | {"pulse": x.reshape(-1)}).to_csv("points.csv", index=False)
    hours = pd.date_range("2026-01-01", periods=400, freq="h")
    pd.DataFrame({"hour": hours, "load": np.sin(np.arange(400) / 4)}).to_csv("load.csv", index=False)


def test_the_commands_on_ones_own_data_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.normal(size=80), "city": rng.choice(["a", "b"], 80), "churned": rng.choice([0, 1], 80)}
    )
    frame.insert(0, "customer", [f"c-{k:04}" for k in range(80)])
    frame.to_csv("customers.csv", index=False)
    frame.drop(columns="churned").to_csv("new.csv", index=False)
    frame.rename(columns={"churned": "stayed"}).to_parquet("visits.parquet")
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "cache"))
    np.savez("scans.npz", x=rng.integers(0, 255, (60, 8, 8)).astype("uint8"), y=np.arange(60) % 2)
    for name in ("cat", "dog"):
        Path("photos", name).mkdir(parents=True)
        for k in range(8):
            Image.fromarray(rng.integers(0, 255, (8, 8)).astype("uint8")).save(f"photos/{name}/{k}.png")
    write_series(rng)
    said = {0: ["slow", "cold", "late", "never", "again"], 1: ["warm", "kind", "quick", "lovely", "again"]}
    stars = np.arange(80) % 2
    rows = [{"said": " ".join(rng.choice(said[star], 4)), "stars": int(star)} for star in stars]
    Path("reviews.jsonl").write_text("\n".join(map(json.dumps, rows)))
    lines = [
        line.split("#")[0].split()
        for block in blocks("bash")
        for line in block.splitlines()
        if line.startswith("engram ")
    ]
    assert len(lines) == 29
    for words in lines:
        # No cluster runs here; test_engines.py starts one.
        words = ["local" if word.startswith("ray:") else word for word in words]
        if words[1] == "study":
            # Minutes of work: what they name must exist; test_study.py runs one.
            assert set(words[2:]) <= {"all", "--quick", *ORDER}
            continue
        quick = {
            "distill": ["--steps", "3", "--seeds", "2", "--full-steps", "30", "--panel", "none"],
            "evaluate": ["--seeds", "2"],
            "continual": ["--steps", "3", "--seeds", "1", "--memory", "random"],
            "transfer": ["--seeds", "1"],
            "search": ["--seeds", "1"],
            # Minutes of work: test_benchmark.py runs every kind of method.
            "benchmark": ["--steps", "2", "--seeds", "1", "--evaluations", "1", "--method", "random", "--method", "dm"],
        }.get(words[1] if words[2] != "show" else "", [])
        if "cylinder-bell-funnel" in words:
            # test_series.py judges series.
            quick += ["--seeds", "0"]
        if "64kB" in words:
            quick += ["--bytes", "400"]
        with pytest.raises(SystemExit) as stop:
            main([*words[1:], *quick])
        assert stop.value.code == 0, (words, capsys.readouterr().err)
