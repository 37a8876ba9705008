"""Labels that are solved for teach a readout what teachers' own labels do not."""

from types import SimpleNamespace

import pytest
import torch

from engram.data.problem import Problem
from engram.distillation.label_solve import solved_labels
from engram.distillation.methods.principal_subspace import PrincipalSubspace
from engram.errors import SettingError
from engram.learning.fitting import fit
from engram.learning.networks.mlp import MLP
from engram.learning.training import Descent, Part, Phase, Ridge, Training
from engram.samples.budget import Items, Precision
from engram.samples.synthetic import Synthetic

LAZY = Training(MLP(512), (Phase(Ridge(1e-3), Part.READOUT),), bounded=True)


@pytest.fixture(scope="module")
def curved():
    x = torch.rand(600, 2, generator=torch.Generator().manual_seed(0)) * 4 - 2
    return Problem.from_arrays(x, (3 * x[:, 0]).sin() * x[:, 1], task="regression")


@pytest.fixture(scope="module")
def taught(curved):
    def labels(x):
        raw = torch.as_tensor(curved.preprocessing.decode(x))
        return curved.target.encode(((2 * raw[:, 0]).sin() * raw[:, 1]).numpy()).to(x)

    return SimpleNamespace(labels=labels)


def _error(problem, rows, labels, taught, seeds):
    fitted = fit(LAZY, problem.task, {"main": Synthetic(rows, labels)}, seeds)
    x = problem.test.batch(slice(None))[0]
    return float((fitted.outputs(x) - taught.labels(x)).square().mean())


def test_new_networks_learn_more_from_solved_labels(curved, taught):
    rows = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    own = taught.labels(rows)
    solved = solved_labels(curved, LAZY, {"main": Synthetic(rows, own)}, taught, freedom=30.0)
    fresh = [7, 8, 9]
    # Networks that solved nothing, rows that nothing was fitted to.
    reached = _error(curved, rows, solved, taught, fresh)
    assert reached < 0.5 * _error(curved, rows, own, taught, fresh)
    assert reached < 0.5 * _error(curved, rows, solved.flip(0), taught, fresh), "each label belongs to its row"


def test_without_freedom_labels_stay(curved, taught):
    rows = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    own = taught.labels(rows)
    still = solved_labels(curved, LAZY, {"main": Synthetic(rows, own)}, taught, freedom=1e-9)
    assert torch.allclose(still, own, atol=1e-5)


def test_it_is_least_squares(curved, taught):
    """At the solution the gradient of what is minimised is zero: any small change of the labels costs."""
    rows = torch.randn(12, 2, generator=torch.Generator().manual_seed(1))
    own, freedom = taught.labels(rows), 3.0
    x = curved.train.batch(slice(None))[0]
    networks = [3_000_001, 3_000_002, 3_000_003]

    def cost(labels):
        fitted = fit(LAZY, curved.task, {"main": Synthetic(rows, labels)}, networks)
        gap = (fitted.outputs(x) - taught.labels(x)).square().sum(2).mean()
        return float(gap + (labels - own).square().sum() / (freedom * len(rows)))

    solved = solved_labels(curved, LAZY, {"main": Synthetic(rows, own)}, taught, freedom)
    for k in range(3):
        change = 0.05 * torch.randn(solved.shape, generator=torch.Generator().manual_seed(k))
        assert cost(solved) < cost(solved + change)


def test_classes_keep_scores_that_sum_to_zero(wine):
    method = PrincipalSubspace(directions=1, length=0, width=64, freedom=1.0, knots=2, factors=1)
    training = method.training(None)
    state = method.init(wine, training, Items(60), Precision.FLOAT16, 0)
    samples = method.export(state)["main"].decode()
    assert float(samples.targets.sum(1).abs().max()) < 1e-5
    plain = PrincipalSubspace(directions=1, length=0, width=64, knots=2, factors=1)
    other = plain.export(plain.init(wine, training, Items(60), Precision.FLOAT16, 0))["main"].decode()
    assert torch.equal(other.inputs, samples.inputs)
    assert not torch.allclose(other.targets, samples.targets)


def test_a_readout_that_is_not_solved_is_refused(curved, taught):
    rows = torch.zeros(4, 2)
    with pytest.raises(SettingError, match="freedom=0"):
        solved_labels(
            curved,
            Training(MLP(8), (Phase(Descent(steps=1)),)),
            {"main": Synthetic(rows, taught.labels(rows))},
            taught,
            1.0,
        )
    with pytest.raises(SettingError, match="freedom are at least 0"):
        PrincipalSubspace(freedom=-1.0)
