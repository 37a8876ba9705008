"""Directions and labels of drawn rows: what they teach, what they cost, when they are chosen."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import one_hot

import engram
from engram.data.metrics import Metric, row_losses, score
from engram.data.problem import Problem
from engram.data.sources.multi_index import MultiIndex
from engram.distillation import choice, defaults
from engram.distillation.choice import choose
from engram.distillation.methods import principal_subspace
from engram.distillation.methods.principal_subspace import PrincipalSubspace
from engram.distillation.plan import Plan
from engram.distillation.teachers import _convex, teachers
from engram.errors import ArtefactError, BudgetError, SettingError
from engram.learning.fitting import outputs
from engram.samples.budget import Items, PerClass, Precision
from engram.samples.canvas.copula import Copula

FAST = PrincipalSubspace(directions=2, length=200)


@pytest.fixture(scope="module")
def problem():
    return MultiIndex(d=20, r=2, rows=4000).load(0)


@pytest.fixture(scope="module")
def memory(problem):
    return engram.distill(problem, FAST, budget=Items(50))


@pytest.fixture(scope="module")
def mixed():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=1200), "b": rng.lognormal(size=1200)})
    frame["city"] = rng.choice(["Oslo", "Rome", "Bonn"], 1200, p=[0.7, 0.2, 0.1])
    frame["label"] = np.where(frame.a + (frame.city == "Rome") + 0.2 * rng.normal(size=1200) > 0.3, "yes", "no")
    return Problem.from_frame(frame, "label")


def _r2(memory: engram.Engram, problem: Problem) -> float:
    found = outputs(memory.fit([0, 1]), problem.validation)
    return float(score(problem.metric, found, problem.validation.targets).mean())


def test_directions_are_what_teaches(problem, memory, monkeypatch):
    right = _r2(memory, problem)
    assert right > 0.7
    without = engram.distill(problem, replace(FAST, directions=0), budget=Items(50))
    assert 1 - right < 0.6 * (1 - _r2(without, problem))
    # Planted: directions that say nothing of the target.
    taught = teachers(problem, 0)
    wrong = replace(taught, directions=taught.directions.flip(1))
    monkeypatch.setattr(principal_subspace, "teachers", lambda *_: wrong)
    assert _r2(engram.distill(problem, FAST, budget=Items(50)), problem) < right - 0.1


def test_it_costs_what_the_budget_says_and_survives_its_file(problem, memory, tmp_path):
    plain = engram.distill(problem, "random", budget=Items(50))
    assert 0.9 * plain.canvas_bytes < memory.canvas_bytes <= plain.canvas_bytes
    again = engram.load(memory.save(tmp_path / "a.engram"))
    assert again.fingerprint == memory.fingerprint
    assert again.canvas_bytes == memory.canvas_bytes
    assert (again.replay(1).predict(np.zeros((2, 20))) == memory.replay(1).predict(np.zeros((2, 20)))).all()
    odd = replace(memory.canvases["main"], coarse_targets=torch.zeros(4, 2))
    broken = replace(memory, canvases={"main": odd}).save(tmp_path / "b.engram")
    with pytest.raises(ArtefactError):
        engram.load(broken)


def test_runs_repeat_and_no_stored_number_is_a_row(problem, memory):
    again = engram.distill(problem, FAST, budget=Items(50))
    assert again.fingerprint == memory.fingerprint
    canvas = memory.canvases["main"]
    real = problem.train.batch(slice(None))[0]
    assert float(torch.cdist(canvas.decode().inputs, real).min()) > 0
    assert (canvas.knots[-1] < real.max(0).values).all()
    assert (canvas.knots[0] > real.min(0).values).all()


def test_columns_keep_kinds_and_shares(mixed, tmp_path):
    memory = engram.distill(mixed, PrincipalSubspace(directions=1, length=100), budget=PerClass(60))
    samples = memory.samples
    assert samples.inputs[:, 2:].sum(1).eq(1).all()
    assert samples.inputs[:, 2:].unique().tolist() == [0, 1]
    real = mixed.train.batch(slice(None))[0]
    assert (samples.inputs[:, 2:].mean(0) - real[:, 2:].mean(0)).abs().max() < 0.08
    assert samples.targets.sum(1).abs().max() < 1e-5
    assert samples.targets.shape[1] == 2
    assert memory.canvases["main"].coarse_targets.shape[1] == 1
    assert _r2(memory, mixed) > 0.85
    found = memory.replay(0).predict(pd.DataFrame({"a": [3.0, -3.0], "b": [1.0, 1.0], "city": ["Oslo", None]}))
    assert found.tolist() == ["yes", "no"]
    assert engram.load(memory.save(tmp_path / "mixed.engram")).fingerprint == memory.fingerprint


def test_other_learners_are_taught_by_the_drawn_rows(mixed):
    memory = engram.distill(mixed, PrincipalSubspace(directions=1, length=100), budget=PerClass(60))
    scores = engram.evaluate(memory, mixed, engram.Protocol(seeds=2, full_steps=30))
    assert scores.panel is not None
    assert "linear" in scores.panel.rows
    assert scores.rows["random_bytes"].runs[0] > 0.5, "baselines learn without the phase that reads directions"


def test_what_cannot_be_is_one_sentence(problem, digits):
    with pytest.raises(BudgetError, match="ask for more items"):
        engram.distill(problem, FAST, budget=Items(2))
    with pytest.raises(SettingError, match="inputs of digits have shape"):
        engram.distill(digits, FAST, budget=PerClass(5))
    for wrong in ({"directions": -1}, {"knots": 1}, {"most": 999}, {"rate": 0.0}, {"decay": -1.0}):
        with pytest.raises(SettingError):
            PrincipalSubspace(**wrong)
    blank = torch.zeros(2, 1)
    with pytest.raises(SettingError, match="make no rows"):
        Copula(blank, torch.zeros(0), torch.zeros(3, 1), blank, (), 0, 0)
    with pytest.raises(SettingError, match="make no rows"):
        Copula(blank, torch.zeros(0), torch.zeros(1, 1), torch.zeros(10**8, 1), (), 0, 0)


def test_the_default_learns_features_where_the_task_needs_it(problem, wine, monkeypatch):
    # Candidates that others test are left small: the comparison itself is what is tested.
    monkeypatch.setattr(choice, "_WIDE", 256)
    monkeypatch.setattr(choice, "_MANY", 10**6)
    plan = Plan.of(problem, budget=Items(50))
    assert isinstance(plan.method, PrincipalSubspace)
    assert plan.method.directions >= 2
    assert "without directions" in plan.reason
    assert len(plan.tried) > 3
    assert plan.provenance(problem)["chosen"]["reason"] == plan.reason
    # What names a part of the work, or leaves no room, is not compared.
    assert not Plan.of(problem, budget=Items(50), steps=3).reason
    assert not Plan.of(problem, "random", budget=Items(50)).reason
    assert not Plan.of(wine, budget=PerClass(1)).reason


@pytest.mark.parametrize(("missed", "stays"), [(1, True), (12, False)])
def test_samples_stay_unless_rows_say_otherwise(wine, monkeypatch, missed, stays):
    targets = wine.validation.targets
    right = one_hot(targets, 3).float().expand(3, -1, -1)
    some = right.clone()
    some[:, :missed] = right[:, :missed].roll(1, -1)
    monkeypatch.setattr(choice, "_answers", lambda method, *_: right if isinstance(method, PrincipalSubspace) else some)
    usual = defaults.method(wine, most=5)
    found = choose(wine, usual, defaults.training(wine), PerClass(5), Precision.FLOAT16, 0)
    assert found is not None
    assert (found.method is usual) == stays
    assert found.reason.startswith("samples") == stays


@pytest.mark.parametrize("metric", [Metric.ACCURACY, Metric.BALANCED_ACCURACY, Metric.R2, Metric.MAE])
def test_losses_of_rows_mean_one_less_the_score(metric):
    generator = torch.Generator().manual_seed(0)
    answers = torch.randn(2, 30, 3, generator=generator)
    targets = torch.randint(3, (30,), generator=generator)
    if not metric.of_classes:
        targets = torch.randn(30, 3, generator=generator)
    assert torch.allclose(1 - row_losses(metric, answers, targets).mean(-1), score(metric, answers, targets), atol=1e-5)


def test_teachers_blend_by_least_squares():
    wanted = torch.arange(10.0)
    weights = _convex(torch.stack([wanted + 1, wanted - 1, torch.full((10,), 1e-8)], 1), wanted)
    assert abs(weights.sum() - 1) < 1e-6
    assert weights[:2] == pytest.approx([0.5, 0.5], abs=0.02)
