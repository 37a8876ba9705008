"""The verdict: the first that holds, in its order, and an exit code for scripts."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from engram.cli import _program
from engram.evaluation.scores import Row, Scores
from engram.evaluation.verdict import verdict


def _scores(own, full=(0.95, 0.951, 0.949), centres=(0.5, 0.52, 0.51), constant=0.3):
    rows = {name: Row(runs, 1, 1, 0.0) for name, runs in (("engram", own), ("full", full), ("k_means_bytes", centres))}
    return Scores("accuracy", rows, constant=constant)


@pytest.mark.parametrize(
    ("own", "outcome", "word"),
    [
        ((0.31, 0.28, 0.3), "constant", "commonest class"),
        ((0.5, 0.51, 0.505), "baseline", "k-means centres"),
        ((0.951, 0.948, 0.95), "ceiling", "all data"),
        ((0.8, 0.81, 0.79), "better", "every baseline"),
        ((0.8,), "undecided", "one network"),
    ],
)
def test_the_first_that_holds(own, outcome, word):
    parts = ((0.95, 0.951, 0.949)[: len(own)], (0.5, 0.52, 0.51)[: len(own)])
    found = verdict(_scores(own, *parts))
    assert found.outcome == outcome
    assert word in found.sentence
    assert found.failed == (outcome in ("constant", "baseline"))


def test_a_small_loss_to_a_baseline_is_said():
    # Centres that win by 0.006, every time: better than a constant is not enough.
    own = (0.806, 0.812, 0.809)
    assert verdict(_scores(own, centres=tuple(run + 0.006 for run in own))).outcome == "baseline"


def test_a_diverged_baseline_is_none():
    assert verdict(_scores((0.8, 0.81, 0.79), centres=(float("nan"),) * 3)).outcome == "better"


def test_advice_reads_validation_alone():
    rising = {"history": [[0, None, 0.2], [50, 1.0, 0.4], [100, 0.9, 0.5]]}
    assert "--steps 200" in verdict(_scores((0.8, 0.81, 0.79)), rising).advice
    cut = rising | {"asked_steps": 3000}
    assert "--time" in verdict(_scores((0.8, 0.81, 0.79)), cut).advice
    flat = {"history": [[0, None, 0.2], [50, 1.0, 0.5], [100, 0.9, 0.4]]}
    assert "engram plan" in verdict(_scores((0.8, 0.81, 0.79)), flat).advice


def test_the_command_says_it_and_fails_where_asked(tmp_path):
    rng = np.random.default_rng(0)
    source = tmp_path / "noise.npz"
    np.savez(source, x=rng.normal(size=(300, 4)), y=rng.normal(size=300))
    out = tmp_path / "noise.engram"
    call = ["distill", str(source), "--items", "5", "--steps", "3", "--panel", "none", "--full-steps", "20"]
    call += ["--seeds", "3", "--json", "--strict", "--out", str(out)]
    ended = CliRunner().invoke(_program, call)
    assert ended.exit_code == 3
    found = json.loads(ended.stdout)["verdict"]
    assert found["outcome"] == "constant"
    assert "mean" in found["sentence"]
    shown = CliRunner().invoke(_program, ["inspect", str(out)])
    assert "predicting the mean" in shown.stdout
    page = CliRunner().invoke(_program, ["report", str(out)])
    assert page.exit_code == 0
    assert "predicting the mean" in out.with_suffix(".html").read_text()
