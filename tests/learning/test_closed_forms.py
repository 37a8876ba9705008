"""Learners in closed form do what the learners of other libraries do."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from engram.learning.closed_forms import CLOSED_FORMS, additive, gaussian, laplace, linear, neighbour
from engram.random import stream


@pytest.fixture
def lesson(rng):
    return tuple(torch.from_numpy(rng.normal(size=size)).float() for size in ((12, 5), (12, 2), (30, 5)))


def test_linear_is_ridge_regression(lesson):
    samples, targets, rows = lesson
    for penalty in (1.0, 10.0):
        expected = Ridge(alpha=penalty).fit(samples, targets).predict(rows)
        assert np.allclose(linear(samples, targets, rows, penalty), expected, atol=1e-4)


def test_kernels_are_kernel_ridge_regression_about_the_mean_target(lesson):
    samples, targets, rows = lesson
    level = targets.mean(0)
    width = 5 * samples.var()
    for ours, settings in (
        (gaussian(samples, targets, rows, 0.4), {"kernel": "rbf", "gamma": 1 / float(width), "alpha": 0.4}),
        (laplace(samples, targets, rows), {"kernel": "laplacian", "gamma": 1 / 5, "alpha": 0.1}),
    ):
        expected = KernelRidge(**settings).fit(samples, targets - level).predict(rows) + level.numpy()
        assert np.allclose(ours, expected, atol=1e-4)


def test_neighbours_far_apart_vote_alone(lesson):
    samples, targets, _ = lesson
    rows = samples + 0.01
    expected = KNeighborsRegressor(1).fit(samples, targets).predict(rows)
    assert np.allclose(neighbour(samples, targets, rows), expected, atol=1e-3)


def test_columns_are_drawn_where_there_are_many(rng):
    samples, rows = (torch.from_numpy(rng.normal(size=(n, 40))).float() for n in (6, 9))
    targets = torch.eye(6)
    one, same, other = (additive(samples, targets, rows, stream(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_all_are_differentiable_in_samples_and_targets(name, lesson):
    samples, targets, rows = lesson
    function = lambda x, y: CLOSED_FORMS[name](x.float(), y.float(), rows).double().square().mean()  # noqa: E731
    grads = torch.func.grad(function, argnums=(0, 1))(samples, targets)
    for grad, value, place in zip(grads, (samples, targets), (0, 1), strict=True):
        assert torch.isfinite(grad).all()
        step = torch.zeros_like(value)
        step[0, 0] = 1e-2
        ends = [
            function(*(v + sign * step if k == place else v for k, v in enumerate((samples, targets))))
            for sign in (1, -1)
        ]
        # The widths that follow the samples are constants to the gradient: a tenth of it at most.
        assert abs(float(ends[0] - ends[1]) / 2e-2 - float(grad[0, 0])) < 0.1 * float(grad.abs().max()) + 1e-3
