"""Distillation of two phases: both sets through distil, file, replay and evaluation; what its options mean."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import engram
from engram.data.source import load_problem
from engram.data.sources.multi_index import MultiIndex
from engram.distillation.checkpoint import load_checkpoint, save_checkpoint
from engram.distillation.distiller import _warnings, distill
from engram.distillation.first_layer import real_gradients, start_networks
from engram.distillation.loop import Run, iterate, run
from engram.distillation.methods.two_phase import TwoPhase
from engram.distillation.plan import Plan
from engram.errors import BudgetError, SettingError
from engram.learning.fitting import fit
from engram.learning.network import model_of
from engram.learning.networks.mlp import MLP
from engram.learning.networks.two_layer import TwoLayer
from engram.learning.training import Ridge, Training
from engram.memory.engram import load
from engram.numerics.linalg import ridge, solve
from engram.numerics.subspaces import overlap
from engram.random import integer
from engram.samples.budget import Bytes, Items, PerClass, Precision
from engram.samples.canvas.points import Coefficients, Points
from engram.samples.canvas.seeded import Seeded
from engram.samples.synthetic import Synthetic
from engram.theory.links.product import Product
from engram.verification.laboratory import Bench

SMALL = TwoLayer(80, antithetic=True)
FAST = TwoPhase(steps=20, networks=2, labels=60, label_networks=2)


@pytest.fixture(scope="module")
def problem():
    return MultiIndex(d=12, r=2, rows=4000).load(0)


@pytest.fixture(scope="module")
def training():
    return Training.two_phase(SMALL)


def test_distil_save_load_replay_evaluate(problem, training, tmp_path):
    memory = engram.distill(problem, FAST, budget=Items(8), training=training)
    assert memory.numbers == {"features": 96, "readout": 60, "linear part": 13}
    assert memory.bytes == 2 * (96 + 60) + 4 * 13 + 8 * 12 + 8
    memory.save(tmp_path / "two.engram")
    again = engram.load(tmp_path / "two.engram")
    x = torch.randn(5, 12)
    assert (again.replay(3).predict(x) == memory.replay(3).predict(x)).all()
    scores = engram.evaluate(again, problem, engram.Protocol(seeds=2, full_steps=50))
    assert scores.rows["engram"].runs[0] > 0.6
    fits = scores.rows["random_bytes"]
    assert fits.bytes <= memory.canvas_bytes < scores.rows["random"].bytes, "equal bytes hold fewer real rows"


def test_runs_repeat_and_resume_bit_for_bit(problem, training, tmp_path):
    arguments = (Plan(FAST, training, Items(8)), problem)
    states = [state for state, _ in run(*arguments)]
    save_checkpoint(tmp_path / "c", states[7], "same")
    final = [state for state, _ in run(*arguments, start=load_checkpoint(tmp_path / "c", "same"))][-1]
    for name, canvas in FAST.export(states[-1].state).items():
        for key, value in canvas.free.items():
            assert torch.equal(value, FAST.export(final.state)[name].free[key]), (name, key)


@pytest.mark.parametrize("objective", ["inner-product", "performance", "cosine", "squared"])
def test_every_objective_writes_the_subspace(problem, training, objective):
    steps = 1 if objective in ("inner-product", "performance") else 60
    method = TwoPhase(objective, steps=steps, readout="none", inner_rate=1e-3)
    state = method.init(problem, training, Items(16), Precision.FLOAT32, 0)
    before = float(overlap(state.points.inputs, MultiIndex(d=12, r=2).subspace(0)).mean())
    *_, (state, _) = iterate(method, problem, training, Items(16), state=state)
    after = float(overlap(state.points.inputs, MultiIndex(d=12, r=2).subspace(0)).mean())
    assert before < 0.35
    assert after > 0.7, "and a step uphill would not"


def test_the_push_is_the_hypergradient_by_finite_differences(problem, training):
    """One inner-product step against the loss it descends, in float64, one number at a time."""
    method = replace(FAST, objective="inner-product", steps=1, readout="none")
    params = {k: v.double() for k, v in start_networks(problem, training, 0, method.networks).items()}
    real = real_gradients(problem, training, 0, method.networks).double()
    model = model_of(SMALL, problem.task)
    key = model.first_layer()[0]

    def correlation(x):
        pushes = []
        for k in range(2):
            w, a = params[key][k], params["head.weight"][k, 0]
            pushes.append(-2 * a[:, None] * (((x @ w.T) > 0).double().T @ x) / len(x))
        return (torch.stack(pushes) * real).sum()

    x = torch.randn(3, 12, dtype=torch.float64)
    slopes = torch.zeros_like(x)
    for place in range(x.numel()):
        shift = torch.zeros_like(x)
        shift.view(-1)[place] = 1e-6
        slopes.view(-1)[place] = (correlation(x + shift) - correlation(x - shift)) / 2e-6
    state = method.begin(problem, training, Items(3), Precision.FLOAT32, 0, real.float())
    state = replace(state, points=Points(x.float()))
    moved = method.step(state, problem, training)[0].points.inputs
    assert torch.allclose(moved, (slopes / slopes.square().mean().sqrt()).float(), atol=1e-3)
    assert not torch.allclose(-moved, (slopes / slopes.square().mean().sqrt()).float(), atol=1e-1), "a sign is seen"


def test_labels_by_descent_reach_the_closed_form(problem, training):
    closed, descended = (
        [s for s, _ in iterate(replace(FAST, label_steps=n, steps=5), problem, training, Items(8))][-1].labels.targets
        for n in (None, 4000)
    )
    sets = {"features": Points(torch.randn(8, 12)).decode()}
    found = [
        fit(training, problem.task, sets | {"readout": Seeded(y, (12,), 0).decode()}, [5]).outputs(problem.test.inputs)
        for y in (closed, descended)
    ]
    assert float((found[0] - found[1]).norm() / found[0].norm()) < 0.5
    assert float(closed.norm()) > 0


def test_performance_labels_beat_others_on_their_own_objective(problem, training):
    def error(readout):
        method = replace(FAST, readout=readout, labels=80)
        sets = {
            k: c.decode()
            for k, c in method.export([s for s, _ in iterate(method, problem, training, Items(8))][-1]).items()
        }
        seeds = [integer(0, "label network", k, bits=31) for k in range(method.label_networks)]
        fitted = fit(training, problem.task, sets, seeds)
        return float((fitted.outputs(problem.train.inputs) - problem.train.targets).square().mean())

    errors = {readout: error(readout) for readout in ("performance", "gradient", "teacher", "none")}
    assert errors["performance"] == min(errors.values())
    assert errors["none"] == pytest.approx(float(problem.train.targets.square().mean()), rel=1e-3)


def test_ridge_by_gradient_descent_goes_to_the_closed_form():
    generator = torch.Generator().manual_seed(0)
    for rows in (6, 30):
        phi = torch.randn(rows, 10, generator=generator, dtype=torch.float64)
        y = torch.randn(rows, 1, generator=generator, dtype=torch.float64)
        closed = ridge(phi, y, 0.1)
        gaps = [float((ridge(phi, y, 0.1, steps=n) - closed).norm()) for n in (5, 50, 5000)]
        assert gaps[0] > gaps[1] > gaps[2]
        assert gaps[2] < 1e-6
    assert solve(torch.eye(2), torch.ones(2, 1), steps=1).flatten().tolist() == pytest.approx([1.0, 1.0])
    with pytest.raises(SettingError, match="positive number, or None"):
        Ridge(steps=0)


def test_canvases_decode_to_what_they_store():
    free = torch.randn(3, 4)
    pairs = Points(free, mirrored=True).decode()
    assert torch.equal(pairs.inputs[3:], -pairs.inputs[:3])
    assert pairs.targets.flatten().tolist() == [1.0] * 6
    mixed = Points(free, coefficients=Coefficients(10, seed=5))
    assert mixed.decode().inputs.shape == (10, 4)
    assert torch.linalg.matrix_rank(mixed.decode().inputs) == 3
    assert torch.equal(mixed.decode().inputs, mixed.decode().inputs)
    seeded = Seeded(torch.zeros(4, 1), (2, 3), seed=1)
    assert torch.equal(seeded.decode().inputs, seeded.with_free({"targets": torch.ones(4, 1)}).decode().inputs)
    for broken in (
        lambda: Coefficients(0, 1),
        lambda: Points(torch.zeros(1, 10**5), coefficients=Coefficients(10**6, 1)).decode(),
        lambda: Seeded(torch.zeros(10**6, 1), (10**6,), 0),
    ):
        with pytest.raises(SettingError):
            broken()


def test_budgets_are_spelt_out_and_checked(problem, training):
    count = lambda method, budget: len(  # noqa: E731
        method.init(problem, training, budget, Precision.FLOAT16, 0).points.decode().inputs
    )
    assert count(FAST, Items(6)) == 6
    assert count(replace(FAST, mirrored=True), Items(6)) == 6
    assert count(replace(FAST, vectors=True, mixtures=5), Items(2)) == 10
    assert count(FAST, Bytes(60 * 2 + 7 * 24)) == 7
    for method, budget, message in (
        (replace(FAST, mirrored=True), Items(5), "even number"),
        (FAST, Bytes(100), "do not hold 60 labels"),
        (FAST, PerClass(1), "no classes"),
    ):
        with pytest.raises(BudgetError, match=message):
            count(method, budget)


def test_what_it_cannot_distil_is_refused_with_the_reason(problem, training):
    with pytest.raises(SettingError, match=r"use Training.two_phase"):
        FAST.init(problem, Training.default(SMALL), Items(4), Precision.FLOAT32, 0)
    with pytest.raises(SettingError, match="one real target"):
        FAST.init(load_problem("wine"), training, Items(4), Precision.FLOAT32, 0)
    for bad in ({"steps": 0}, {"rate": 0.0}, {"labels": 0}):
        with pytest.raises(SettingError):
            TwoPhase(**bad)


def test_other_networks_and_data_work_too(diabetes):
    memory = engram.distill(diabetes.residual(), FAST, budget=Items(6), network=MLP(width=40, activation="gelu"))
    assert torch.isfinite(memory.samples.inputs).all()
    assert isinstance(memory.sets["readout"], Synthetic)


def test_the_command_line_does_it_all(tmp_path):
    from engram.cli import _program

    out = str(tmp_path / "m.engram")
    words = ["multi-index:d=10,r=2,rows=3000", "--method", "two-phase:steps=15,labels=50", "--network"]
    words += ["two-layer:width=80,antithetic=true", "--items", "8", "--seeds", "2", "--full-steps", "50", "--out", out]
    runner = CliRunner()
    assert runner.invoke(_program, ["distill", *words], catch_exceptions=False).exit_code == 0
    text = runner.invoke(_program, ["inspect", out], catch_exceptions=False).output
    assert "features 80, readout 50, linear part 11" in text
    assert "r^2 d + L = 120 with r = 2, d = 10, L = 80" in text
    table = str(tmp_path / "m.csv")
    assert (
        runner.invoke(_program, ["export", out, "--format", "csv", "--out", table], catch_exceptions=False).exit_code
        == 0
    )
    assert Path(table).read_text().count("readout") == 50
    found = [runner.invoke(_program, ["predict", out, t], catch_exceptions=False).stdout for t in _permuted(table)]
    assert found[0] == found[1], "columns are known by their names"
    page = str(tmp_path / "m.html")
    assert runner.invoke(_program, ["report", out, "--out", page], catch_exceptions=False).exit_code == 0
    assert "whose inputs a seed gives" in Path(page).read_text()


def _permuted(table):
    import pandas as pd

    frame = pd.read_csv(table).head(5)
    other = Path(table).with_name("other.csv")
    first = Path(table).with_name("first.csv")
    frame.to_csv(first, index=False)
    frame[sorted(frame.columns, reverse=True)].to_csv(other, index=False)
    return str(first), str(other)


def test_a_run_that_only_made_things_worse_says_so():
    noise = MultiIndex(d=8, r=2, rows=200, noise=50.0).load(0)
    method = TwoPhase(steps=5, labels=150, networks=1, label_networks=1)
    runs = [Run(None, 9, {}, 0.5, ((0, 1.0, start), (9, 0.5, 0.2))) for start in (0.5, 0.1)]
    assert ["no step did better" in " ".join(_warnings(one)) for one in runs] == [True, False]
    with pytest.raises(BudgetError, match="201 labels were asked for"):
        engram.distill(noise, replace(method, labels=201), budget=Items(4), network=SMALL)


def test_labels_are_no_more_than_rows_when_none_are_asked_for():
    few = MultiIndex(d=8, r=2, rows=60).load(0)
    memory = engram.distill(few, TwoPhase(steps=2, networks=1, label_networks=1), budget=Items(4), network=SMALL)
    assert len(memory.sets["readout"]) == len(few.train) < SMALL.width


def test_labels_of_both_signs_see_an_indefinite_hessian(tmp_path):
    """z_1 z_2 has the eigenvalues 1 and -1: points labelled one see the first alone."""
    bench = Bench(MultiIndex(d=20, r=2, rows=6000, link=Product(((1.0, (1, 1)),))), 0, 200)
    one, both = (bench.first_set(TwoPhase(negative=negative), 8) for negative in (0, 4))
    assert bench.replay(both.decode()) < 0.2 < bench.replay(one.decode())
    assert both.decode().targets.flatten().tolist() == [1.0] * 4 + [-1.0] * 4
    mirrored = Points(torch.ones(2, 3), mirrored=True, negative=1).decode().targets.flatten().tolist()
    assert mirrored == [1.0, -1.0, 1.0, -1.0]
    memory = distill(bench.problem, TwoPhase(negative=4, labels=50, steps=2), budget=Items(8))
    memory.save(tmp_path / "signed.engram")
    kept = load(tmp_path / "signed.engram").canvases["features"]
    assert kept.negative == 4
    assert torch.equal(kept.decode().inputs, memory.canvases["features"].decode().inputs)
    for odd in (-1, 9):
        with pytest.raises(SettingError, match=r"negative is"):
            bench.first_set(TwoPhase(negative=odd), 8)
    with pytest.raises(SettingError, match="3 of 2 points"):
        Points(torch.ones(2, 3), negative=3)
