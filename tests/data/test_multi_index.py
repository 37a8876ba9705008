"""Multi-index tasks: what is drawn is what was asked, in memory or streamed; the population in closed form."""

import math

import pytest
import torch

from engram.data.problem import Problem
from engram.data.source import find, load_problem
from engram.data.sources.multi_index import MultiIndex
from engram.errors import DataError, SettingError
from engram.learning.fitting import Fitted, fit
from engram.learning.gradients import gradient
from engram.learning.network import initialise, model_of
from engram.learning.networks.two_layer import TwoLayer
from engram.learning.stacking import stack
from engram.learning.training import Loss, Part, Training
from engram.spec import load, names
from engram.theory.link import hermite
from engram.theory.links.hermite import Hermite
from engram.theory.links.product import Product
from engram.theory.links.radial import Radial
from engram.theory.links.smooth import Smooth
from engram.theory.population import population


def test_hermite_polynomials_are_orthonormal():
    z = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for p in range(5):
        for q in range(5):
            product = hermite(p, z) * hermite(q, z)
            assert abs(float(product.mean()) - (p == q)) < 6 * float(product.std()) / len(z) ** 0.5 + 1e-9, (p, q)


@pytest.mark.parametrize("name", names("links"))
def test_every_link_takes_rows_to_numbers_and_comes_back_from_a_word(name):
    link = load("links", name)()
    r = link.indices or 3
    z = torch.randn(5, r)
    assert link(z).shape == (5,)
    assert torch.isfinite(link(z)).all()
    assert link == type(link)()


def test_populations_have_known_values():
    """Polynomials by hand; a wrong Hermite normalisation (sqrt 2 in H) would be seen."""
    base = population(Hermite(), 4)
    assert base.variance == pytest.approx(1, abs=1e-9)
    assert base.spectrum.tolist() == pytest.approx([math.sqrt(0.6 * 2 / 4)] * 4, abs=1e-9)
    mixed = population(Product(), 3)
    expected = torch.tensor([[0.8 * 2**0.5, 0, 0], [0, 0, 1], [0, 1, 0]]).double()
    assert torch.allclose(mixed.hessian, expected, atol=1e-9)
    assert mixed.variance == pytest.approx(0.64 + 1 + 0.09, abs=1e-9)
    assert [population(Hermite((p,), (1.0,)), 2).exponent for p in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert population(Product(((1.0, (1, 1, 1)),)), 3).exponent == 3
    assert population(Hermite((2,), (1.0,)), 1).excess == pytest.approx(5, abs=1e-6), "E he_2(z)^2 z^2"
    radial = population(Radial(), 2)
    assert radial.mean == pytest.approx(math.sqrt(math.pi / 2), abs=10 * radial.error + 1e-3)


def test_many_indices_are_drawn_with_an_honest_error():
    known = population(Hermite(), 6)
    assert "draws" in known.rule
    assert float((known.hessian - torch.eye(6).double() * math.sqrt(0.2)).abs().max()) < 6 * known.error
    assert known.exponent == 2


def test_a_link_of_ones_own_works_and_a_broken_one_is_refused():
    problem = MultiIndex(d=10, r=2, rows=500, link=lambda z: z[:, 0] * z[:, 1]).load(0)
    assert len(problem.train) == 500
    with pytest.raises(DataError, match="takes \\(N, 2\\) to \\(N,\\)"):
        population(lambda z: z, 2)


def test_labels_depend_on_the_subspace_alone():
    task = MultiIndex(d=12, r=2, rows=200, residual=False, anisotropy=9.0)
    x, y = task.draw(0, 3)
    basis = task.subspace(3)
    apart = torch.linalg.qr(torch.cat([basis, torch.randn(12, 10)], 1))[0][:, 2:]
    root = task._root(3, -0.5)
    moved = x + torch.randn(len(x), 10) @ apart.T
    assert torch.allclose(task.function(moved @ root @ task.directions(3)), y[:, 0], atol=1e-3)
    spread = torch.linalg.eigvalsh(x.T @ x / len(x))
    assert float(spread[-1] / spread[0]) > 5


def test_inputs_have_mean_zero_and_variance_one():
    for kind in ("gaussian", "uniform", "rademacher", "laplace", "student"):
        x, _ = MultiIndex(d=50, r=2, inputs=kind).draw(0, 0)
        assert float(x.mean().abs()) < 0.02, kind
        assert float(x.var()) == pytest.approx(1, abs=0.05), kind


def test_streamed_rows_are_the_rows_in_memory():
    held, streamed = (MultiIndex(d=8, r=2, rows=9000, streamed=s).load(1) for s in (False, True))
    assert torch.allclose(held.linear, streamed.linear)
    together = torch.cat([y for _, y, _ in streamed.train.batches(1000)])
    assert torch.allclose(together, held.train.targets, atol=1e-6)
    some = torch.tensor([8999, 3, 4096, 3])
    assert torch.equal(streamed.train.batch(some)[0], held.train.inputs[some])
    assert streamed.train.inputs.numel() == 0, "nothing is held"
    assert len({float(streamed.train.sample(64, step, 0)[0][0, 0]) for step in range(20)}) == 20
    assert streamed.fingerprint == MultiIndex(d=8, r=2, rows=9000, streamed=True).load(1).fingerprint
    assert streamed.fingerprint != MultiIndex(d=8, r=2, rows=9000, streamed=True).load(2).fingerprint


def test_the_linear_part_is_gone_from_the_very_rows_and_comes_back():
    problem = MultiIndex(d=10, r=2, rows=1500, link=lambda z: z[:, 0] + z[:, 1] ** 2).load(0)
    x, y, _ = problem.train.batch(slice(None))
    assert float((x.T @ y / len(x)).abs().max()) < 1e-5
    assert float(y.mean().abs()) < 1e-5
    with pytest.raises(DataError, match="only once"):
        problem.residual()
    with pytest.raises(DataError, match="only a number"):
        load_problem("wine").residual()


def test_an_engram_of_residuals_predicts_whole_targets_and_survives_a_file(tmp_path):
    import engram

    task = MultiIndex(d=6, r=1, rows=2000, link=lambda z: 3 * z[:, 0] + hermite(2, z[:, 0]))
    problem = task.load(0)
    memory = engram.distill(problem, budget=engram.Items(5), steps=20)
    memory.save(tmp_path / "a.engram")
    again = engram.load(tmp_path / "a.engram")
    x, y = task.draw(0, 0, "test")
    found = torch.from_numpy(again.replay(0).predict(x.numpy()))
    assert float((found - y[:, 0]).square().mean() / y.var()) < 0.2
    assert again.bytes == memory.bytes
    assert again.numbers["linear part"] == 7
    plain = MultiIndex(d=6, r=1, rows=2000, link=task.link, residual=False).load(0)
    one = engram.evaluate(again, problem, engram.Protocol(seeds=2, baselines=False)).rows["engram"].runs
    other = engram.evaluate(again, plain, engram.Protocol(seeds=2, baselines=False)).rows["engram"].runs
    assert one == pytest.approx(other, abs=1e-3), "other data lose the engram's linear part"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d": 3, "r": 4}, "1 <= r <= d"),
        ({"noise": -1.0}, "noise >= 0"),
        ({"link": "smooth", "r": 2}, "reads 4 indices and r is 2"),
        ({"link": 3}, "takes a link"),
        ({"rows": 1}, "rows >= 2"),
    ],
)
def test_bad_tasks_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        MultiIndex(**settings)


def test_the_command_line_word_makes_the_task():
    assert find("multi-index:d=50,r=2,link=smooth".replace("r=2", "r=4")).load(0).task.shape == (50,)
    with pytest.raises(SettingError, match="takes no target"):
        find("multi-index:d=50", target="y")


def test_a_full_step_over_batches_is_the_step_over_all_rows():
    """The streamed gradient, against one batch; a wrong weight of the last batch would be seen."""
    problem = MultiIndex(d=10, r=2, rows=9000).load(0)
    network = TwoLayer(16, antithetic=True)
    model = model_of(network, problem.task)
    params = stack([initialise(network, problem.task, s) for s in (0, 1)])
    found = gradient(model, Loss.SQUARED, Part.FIRST_LAYER, params, problem.train)["embed.1.weight"]
    x, y, _ = problem.train.batch(slice(None))
    for k in range(2):
        w, a = params["embed.1.weight"][k], params["head.weight"][k, 0]
        gates = ((x @ w.T) > 0).float()
        assert torch.allclose(found[k], -2 * a[:, None] * ((gates * y).T @ x) / len(x), atol=1e-5)
    training = Training.two_phase(network)
    sets = {"features": problem.train, "readout": problem.train}
    fitted = fit(training, problem.task, sets, [0, 1])
    assert isinstance(fitted, Fitted)
    size = fitted.params["embed.1.weight"].square().sum(-1).mean(-1)
    assert torch.allclose(size, torch.ones(2), atol=1e-4), "rows are of unit size"
    assert float(fitted.params["embed.1.bias"].std()) > 0.5, "biases are drawn anew"


def test_an_antithetic_network_starts_at_zero_with_opposite_rows():
    problem = Problem.from_arrays(torch.randn(60, 5), torch.randn(60), task="regression")
    params = initialise(TwoLayer(8, antithetic=True), problem.task, 0)
    w, a = params["embed.1.weight"], params["head.weight"][0]
    assert torch.equal(w[:2], -w[2:4])
    assert torch.equal(w[:4], w[4:])
    assert torch.equal(a[:2], a[2:4])
    assert torch.equal(a[:4], -a[4:])
    with pytest.raises(SettingError, match="multiple of 4"):
        TwoLayer(6, antithetic=True)


def test_smooth_has_the_hessian_of_its_formula():
    known = population(Smooth(), 4)
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0)).double()
    slope = 2 * (1 - (2 * z).tanh() ** 2)
    assert float(known.hessian[0, 1]) == pytest.approx(1, abs=1e-6)
    assert float(known.hessian[2, 3]) == pytest.approx(float(slope.mean()), abs=4e-3)


def test_what_one_step_cannot_see_is_said():
    third = MultiIndex(d=6, r=2, rows=300, link=Hermite((3,), (1.0,))).load(0)
    assert "H = E hess f* is zero (information exponent 3)" in third.notes[0]
    half = MultiIndex(d=6, r=2, rows=300, link=Hermite(quadratic=1)).load(0)
    assert "has rank 1 of 2" in half.notes[0]
    assert MultiIndex(d=6, r=2, rows=300).load(0).notes == ()
