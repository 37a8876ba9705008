"""The forecast: a law that finds what was planted, a curve that rises, a recommendation that follows."""

import json

import pytest
from click.testing import CliRunner

from engram.cli import _program
from engram.data.problem import Problem
from engram.distillation import forecast as module
from engram.distillation.choice import sampling_error
from engram.distillation.forecast import Forecast, Point, _rising, forecast
from engram.distillation.law import Measured, law
from engram.errors import DataError, SettingError
from engram.samples.budget import PerClass


@pytest.mark.parametrize("exponent", [0.25, 0.5, 1.0, 2.0])
def test_the_law_finds_what_was_planted(exponent):
    items = [1, 5, 20, 50]
    plateau, scale, found = law(items, [0.9 - 0.4 * k**-exponent for k in items])
    assert (plateau, scale, found) == pytest.approx((0.9, 0.4, exponent), abs=1e-6)


def test_a_falling_curve_has_no_slope():
    assert law([1, 5, 20], [0.9, 0.8, 0.7])[1] == 0
    found = _rising([Point(k, s, s - 0.1, s + 0.1) for k, s in ((1, 0.5), (2, 0.4), (5, 0.6))])
    assert [point.score for point in found] == [0.5, 0.5, 0.6]


def test_the_smallest_budget_near_the_plateau_is_recommended(wine, monkeypatch):
    reached = {PerClass(1): 0.6, PerClass(2): 0.9, PerClass(5): 0.905}
    monkeypatch.setattr(module, "_samples", lambda p, budget, *_: Measured(reached[budget], 0.0, 1.0))
    monkeypatch.setattr(module, "_drawn_rows", lambda *_: Measured(0.1, 0.0, 1.0))
    found = forecast(wine, within=0.02)
    assert found.recommended == next(p.items for p in found.points if p.score >= found.points[-1].score - 0.02)
    assert found.budget == PerClass(found.recommended)
    assert all(point.low <= point.score <= point.high <= 1 for point in found.points)
    strict = forecast(wine, within=1e-6)
    assert strict.recommended == 5
    with pytest.raises(SettingError, match="positive"):
        forecast(wine, within=0)


def test_the_score_leaps_where_bytes_hold_a_distribution(diabetes, monkeypatch):
    monkeypatch.setattr(module, "_samples", lambda p, budget, *_: Measured(0.2, 0.0, 1.0))
    monkeypatch.setattr(module, "_drawn_rows", lambda *_: Measured(0.9, 0.0, 1.0))
    monkeypatch.setattr(module, "drawable", lambda p, budget, precision: budget.count >= 20)
    scores = {point.items: point.score for point in forecast(diabetes).points}
    assert [scores[k] for k in (5, 10, 20, 50)] == pytest.approx([0.2, 0.2, 0.9, 0.9])


def test_a_mean_over_classes_is_as_sure_as_its_rarest_class():
    import numpy as np

    x = np.random.default_rng(0).normal(size=(1000, 2))
    uneven = Problem.from_arrays(x, (np.arange(1000) < 20).astype(int))
    even = Problem.from_arrays(x, np.arange(1000) % 2)
    assert sampling_error(uneven, 0.8) > 3 * sampling_error(even, 0.8)


def test_too_few_rows_are_refused():
    few = Problem.from_arrays([[float(k)] for k in range(12)], [float(k % 5) for k in range(12)], task="regression")
    with pytest.raises(DataError, match="too few"):
        forecast(few)


def test_the_command_draws_the_curve(tmp_path):
    page = tmp_path / "plan.html"
    ended = CliRunner().invoke(_program, ["plan", "wine", "--json", "--page", str(page)], catch_exceptions=False)
    found = json.loads(ended.stdout)
    assert found["recommended"]["per_class"]
    assert found["recommended"]["items"] in {p["items"] for p in found["curve"]}
    assert {"plateau", "seconds", "bytes"} <= set(found)
    text = page.read_text()
    assert "<svg" in text
    assert "how many samples" in text
    assert "script" not in text
    assert CliRunner().invoke(_program, ["plan", "wine", "--page", str(page)]).exit_code, "nothing is overwritten"


def test_the_forecast_is_the_budget_where_it_is_asked_for(wine, tmp_path, monkeypatch):
    planned = Forecast((Point(2, 0.9, 0.8, 1.0),), True, 2, 0.01, 0.9, 0.5, 2, 1.0, 96, "accuracy", 1.0)
    monkeypatch.setattr("engram.workflow.journey.forecast", lambda *_, **__: planned)
    out = str(tmp_path / "a.engram")
    call = ["distill", "wine", "--auto", "--steps", "5", "--seeds", "0", "--json", "--out", out]
    assert json.loads(CliRunner().invoke(_program, call, catch_exceptions=False).stdout)["items"] == 6
    assert CliRunner().invoke(_program, [*call, "--items", "3"]).exit_code == 2
