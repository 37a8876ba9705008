"""Principal subspaces: known answers, any network, and intervals that cover."""

import pytest
import torch

from engram.data.intrinsic_dimension import dimension, label_weighted_covariance
from engram.data.metrics import Metric
from engram.data.sources.multi_index import MultiIndex
from engram.data.task import Task
from engram.distillation import defaults
from engram.errors import DataError, SettingError
from engram.learning.fitting import fit
from engram.learning.network import initialise, model_of
from engram.learning.networks.mlp import MLP
from engram.learning.responses import gradient_outer_product
from engram.numerics.subspaces import overlap, principal_angles, principal_directions
from engram.samples.synthetic import Synthetic
from engram.theory.links.hermite import Hermite


def test_angles_and_overlap_have_known_values():
    eye = torch.eye(4)
    turned = torch.stack([eye[0], (eye[1] + eye[2]) / 2**0.5], 1)
    angles = principal_angles(eye[:, :2], turned)
    assert angles.rad2deg().tolist() == pytest.approx([0, 45], abs=1e-3)
    tiny = torch.stack([eye[0] + 1e-6 * eye[3]], 1)
    assert float(principal_angles(eye[:, :1], tiny)[0]) == pytest.approx(1e-6, rel=1e-2), "the cosine has lost it"
    assert principal_angles(eye[:, :1], eye[:, :3]).shape == (1,)
    random = torch.randn(4000, 50, generator=torch.Generator().manual_seed(0))
    assert float(overlap(random, torch.eye(50)[:, :10]).mean()) == pytest.approx(0.2, abs=0.01)


def test_the_label_weighted_covariance_is_the_hessian():
    task = MultiIndex(d=10, r=2, rows=20_000)
    problem = task.load(0)
    found = label_weighted_covariance(problem.train)[0]
    expected = task.directions(0) @ torch.eye(2) * (0.6) ** 0.5 @ task.directions(0).T
    assert float((found - expected).norm() / expected.norm()) < 0.25
    assert float(principal_angles(principal_directions(found, 2), task.subspace(0)).max()) < 0.2
    with pytest.raises(SettingError, match="there are 10"):
        principal_directions(found, 11)


def test_the_outer_product_is_that_of_finite_differences():
    network, task = MLP(width=6, activation="tanh"), Task((3,), 2, Metric.R2)
    model, params = model_of(network, task), initialise(network, task, 0)
    x = torch.randn(5, 3)
    from engram.learning.fitting import Fitted

    found = gradient_outer_product(
        Fitted(model, {k: v[None] for k, v in params.items()}), Synthetic(x, torch.zeros(5, 2))
    )
    shift = 1e-3 * torch.eye(3)
    slopes = torch.stack(
        [(model.outputs(params, x + e) - model.outputs(params, x - e)) / 2e-3 for e in shift], -1
    ).flatten(0, 1)
    assert torch.allclose(found, slopes.T @ slopes / 5, atol=1e-4)


def test_a_trained_network_responds_to_the_subspace():
    task = MultiIndex(d=15, r=2, rows=6000, link=Hermite((2,), (1.0,)))
    problem = task.load(0)
    fitted = fit(defaults.training(problem, MLP(width=128)), problem.task, {"main": problem.train}, [0, 1])
    top = principal_directions(gradient_outer_product(fitted, problem.train, 200), 2)
    assert float(overlap(top.T, task.subspace(0)).mean()) > 0.8


def test_intervals_cover_and_narrow_ones_are_right():
    inside = exact = 0
    runs = [(r, seed) for r in (1, 2, 3) for seed in range(5)]
    for r, seed in runs:
        problem = MultiIndex(d=15, r=r, rows=3000).load(seed)
        found = dimension(problem.train, seed)
        inside += found.low <= r <= found.high
        exact += found.estimate == r
        assert float(overlap(found.directions.T[:r], MultiIndex(d=15, r=r).subspace(seed)).mean()) > 0.9
    assert inside >= 14, "a rule without the 95 % quantile would count noise"
    assert exact >= 13


def test_linear_tasks_anisotropic_inputs_and_classes_count_too(digits, wine):
    linear = MultiIndex(d=12, r=3, rows=3000, link=lambda z: z @ torch.tensor([1.0, 1.0, 1.0]), residual=False).load(0)
    assert dimension(linear.train).estimate == 1, "three indices that act as one"
    tilted = MultiIndex(d=15, r=2, rows=6000, anisotropy=20.0)
    found = dimension(tilted.load(0).train)
    assert found.estimate == 2
    assert float(overlap(found.directions.T, tilted.subspace(0)).mean()) > 0.9
    assert dimension(wine.train).estimate == 2, "three classes"
    assert 7 <= dimension(digits.train).estimate <= 9


def test_nothing_is_found_where_there_is_nothing():
    generator = torch.Generator().manual_seed(3)
    x, y = torch.randn(1000, 8, generator=generator), torch.randn(1000, 1, generator=generator)
    found = [dimension(Synthetic(x, y[torch.randperm(1000, generator=generator)]), s).estimate for s in range(10)]
    assert sum(n > 0 for n in found) <= 3


def test_too_few_rows_or_shuffles_are_refused():
    with pytest.raises(DataError, match="give at least 40"):
        dimension(Synthetic(torch.randn(30, 20), torch.randn(30, 1)))
    with pytest.raises(SettingError, match="at least 10"):
        dimension(Synthetic(torch.randn(90, 20), torch.randn(90, 1)), shuffles=2)
