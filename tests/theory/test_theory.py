"""The theory's closed forms against the methods, with error bars; a planted wrong constant must be seen."""

import math
from dataclasses import replace

import pytest
import torch

from engram.data.sources.multi_index import MultiIndex
from engram.distillation.methods.two_phase import TwoPhase
from engram.learning.network import initialise
from engram.numerics.subspaces import overlap
from engram.samples.budget import Items, Precision
from engram.theory.first_step import (
    first_outer_step,
    noise_ratio,
    population_gradient,
    predicted_overlap,
    replayed_rows,
    second_moment,
)
from engram.theory.kernels import arc_cosine, tangent_kernel
from engram.theory.links.hermite import Hermite
from engram.theory.population import population
from engram.verification.laboratory import Bench

ONE = TwoPhase("inner-product", steps=1, readout="none")


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(MultiIndex(d=30, r=4, rows=60_000), 0, 400)


def hessian(bench: Bench) -> torch.Tensor:
    known = population(bench.task.function, bench.task.r)
    basis = bench.basis.double()
    return (basis @ known.hessian @ basis.T).float() / bench.problem.target.std[0]


def test_arc_cosine_kernels_are_the_gaussian_averages():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 3, 5, generator=generator)
    w = torch.randn(400_000, 5, generator=generator)
    one, other = w @ x.T, w @ y.T
    gates = ((one > 0).float().T @ (other > 0).float()) / len(w)
    assert torch.allclose(arc_cosine(0, x, y), gates, atol=4 * 0.5 / len(w) ** 0.5)
    assert torch.allclose(arc_cosine(1, x, y), one.relu().T @ other.relu() / len(w), atol=0.05)
    assert torch.linalg.eigvalsh(tangent_kernel(x, x))[0] > 0


def test_real_gradients_are_those_of_the_population(bench):
    """Up to the noise of the rows: the least-squares factor is one, within its error; a wrong constant is not."""
    params = initialise(bench.training.network, bench.problem.task, bench.seed, "matched", 0)
    w, a = params["embed.1.weight"], params["head.weight"][0]
    found = bench.targets[0] / (-2 * a[:, None])
    expected = population_gradient(hessian(bench), w)
    factor = float((found * expected).sum() / expected.square().sum())
    # Over 100 independent rows the noise averages to about two percent.
    assert factor == pytest.approx(1, abs=0.06)
    planted = expected * math.sqrt(2)
    assert float((found * planted).sum() / planted.square().sum()) != pytest.approx(1, abs=0.06)


def test_the_first_outer_step_is_the_arc_cosine_form(bench):
    start = torch.randn(64, 30, generator=torch.Generator().manual_seed(5))
    x, y, _ = bench.problem.train.batch(slice(None))
    wide = Bench(bench.task, 0, 2000)
    state = ONE.begin(wide.problem, wide.training, Items(64), Precision.FLOAT32, 0, wide.targets)
    state = replace(state, points=state.points.with_free({"inputs": start}))
    moved = ONE.step(state, wide.problem, wide.training)[0].points.inputs
    closed = first_outer_step(start, x, y[:, 0])
    cosine = torch.cosine_similarity(moved, closed, dim=1)
    assert float(cosine.mean()) > 0.97
    linear = start / start.norm(dim=1, keepdim=True) @ second_moment(x, y[:, 0])
    assert float(torch.cosine_similarity(closed, linear, dim=1).mean()) > 0.97, "one power iteration"
    away = (arc_cosine(1, start, x) * y[:, 0]) @ x
    assert float(torch.cosine_similarity(moved, away, dim=1).mean()) < 0.9, "a planted kernel is seen"


def test_overlap_is_as_predicted_over_width_and_rows():
    known = population(MultiIndex(d=40).function, 4)
    for rows, width in ((1600, 400), (6400, 400), (6400, 80)):
        runs = []
        for seed in range(6):
            bench = Bench(MultiIndex(d=40, r=4, rows=rows), seed, width)
            runs.append(float(overlap(bench.points(ONE, 64), bench.basis).mean()))
        mean = sum(runs) / len(runs)
        sem = (sum((r - mean) ** 2 for r in runs) / (len(runs) - 1) / len(runs)) ** 0.5
        told = predicted_overlap(known, 40, rows, neurons=width / 4 * 4)
        assert abs(mean - told) < 3 * sem + 0.03, (rows, width)
        planted = predicted_overlap(known, 40, rows // 4, neurons=width)
        assert abs(mean - planted) > 3 * sem + 0.03, "four times fewer rows would be told apart"


def test_overlap_has_its_limits():
    """Everything of the signal, the noise alone, a single direction by draws; the plain chance r/d is told apart."""
    known = population(Hermite(), 4)
    assert predicted_overlap(known, 40, 10**12) == pytest.approx(1, abs=1e-3)
    share = known.excess * 4 / (36 + known.excess * 4)
    assert predicted_overlap(known, 40, 1) == pytest.approx(share, abs=0.02)
    unseen = population(Hermite((3,), (1.0,)), 4)
    assert unseen.excess == pytest.approx(2.5, abs=1e-6), "(E he_3(z)^2 z^2 + 3)/4"
    assert predicted_overlap(unseen, 80, 51_200) == pytest.approx(0.109, abs=3e-3), "as five seeds gave"
    assert predicted_overlap(unseen, 80, 51_200, noise=10.0) == pytest.approx(0.05, abs=3e-3), (
        "plain noise knows nothing"
    )
    g = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)).double().square()
    one = population(Hermite((2,), (1.0,)), 1)
    rho = noise_ratio(1000, 1_000_000, one.strength)
    inside = g * (1 + rho * one.excess / 1000)
    drawn = float((inside / (inside + rho * 999 / 1000)).mean())
    assert predicted_overlap(one, 1000, 1_000_000) == pytest.approx(drawn, abs=3e-3)
    assert predicted_overlap(population(lambda z: z[:, 0], 2), 40, 1000) == 0.05, "a linear link leaves nothing"


def test_blind_links_leave_what_the_formula_says():
    """A link of third degree: the noise's own share, measured; the plain chance r/d is seen to be wrong."""
    link, runs = Hermite((3,), (1.0,)), []
    for seed in range(6):
        bench = Bench(MultiIndex(d=40, r=4, rows=6400, link=link), seed, 400)
        runs.append(float(overlap(bench.points(ONE, 64), bench.basis).mean()))
    mean = sum(runs) / len(runs)
    assert mean == pytest.approx(predicted_overlap(population(link, 4), 40, 6400, neurons=400), abs=0.04)
    assert mean > 4 / 40 + 0.04


def test_replayed_rows_are_as_predicted(bench):
    """Many points drawn as H N(0, I), replayed in a fresh network; the error falls like sqrt(r / M)."""
    h = hessian(bench)
    params = initialise(bench.training.network, bench.problem.task, 1)
    w = params["embed.1.weight"]
    errors = []
    for count in (200, 20_000):
        points = torch.randn(count, 30, generator=torch.Generator().manual_seed(1)) @ h
        rows = ((w @ points.T) > 0).float() @ points / count
        told = replayed_rows(h, w)
        errors.append(float((rows - told).norm() / told.norm()))
    assert errors[1] < 3 * math.sqrt(4 / 20_000)
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.5)
    planted = torch.cosine_similarity(((w @ points.T) > 0).float() @ points, w @ h, dim=1)
    right = torch.cosine_similarity(((w @ points.T) > 0).float() @ points, replayed_rows(h, w), dim=1)
    # To what single precision tells apart: how many threads sum decides the last digit.
    assert float(right.mean()) >= float(planted.mean()) - 1e-6


def test_performance_and_gradient_matching_agree_to_first_order(bench):
    reference = bench.points(ONE, 64)
    gaps = [
        float((bench.points(TwoPhase("performance", steps=1, inner_rate=rate), 64) - reference).norm())
        for rate in (1e-4, 1e-3)
    ]
    assert math.log10(gaps[1] / gaps[0]) == pytest.approx(1, abs=0.1)
