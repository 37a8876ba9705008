"""Learners in closed form do what the learners of other libraries do."""

import numpy as np
import pytest
import torch
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.svm import SVC, SVR

from engram.learning.closed_forms import CLOSED_FORMS, laplace, linear, neighbour, perceptron, svm
from engram.theory.kernels import tangent_kernel


@pytest.fixture
def lesson(rng):
    return tuple(torch.from_numpy(rng.normal(size=size)).float() for size in ((12, 5), (12, 2), (30, 5)))


def test_linear_is_ridge_regression(lesson):
    samples, targets, rows = lesson
    for classes, penalty in ((False, 1.0), (True, 10.0)):
        expected = Ridge(alpha=penalty).fit(samples, targets).predict(rows)
        assert np.allclose(linear(samples, targets, rows, classes), expected, atol=1e-4)


def test_kernels_are_kernel_ridge_regression_about_the_mean_target(lesson):
    samples, targets, rows = lesson
    level = targets.mean(0)
    expected = KernelRidge(kernel="laplacian", gamma=1 / 5, alpha=0.1).fit(samples, targets - level).predict(rows)
    assert np.allclose(laplace(samples, targets, rows), expected + level.numpy(), atol=1e-4)
    kernel = lambda one, other: 2 * tangent_kernel(one, other)  # noqa: E731
    found = kernel(rows, samples) @ torch.linalg.solve(kernel(samples, samples) + 0.1 * torch.eye(12), targets - level)
    assert np.allclose(perceptron(samples, targets, rows), found + level, atol=1e-2)


def test_support_vectors_are_those_of_scikit_learn(diabetes, wine):
    few, rows = torch.arange(25), diabetes.select.inputs
    x, y = diabetes.train.inputs[few], diabetes.train.targets[few]
    expected = SVR().fit(x, y[:, 0]).predict(rows)
    assert np.corrcoef(svm(x, y, rows)[:, 0], expected)[0, 1] > 0.98
    # Of large targets the coefficients are bounded: ridge regression would follow them.
    assert float(svm(x, 10 * y, rows).std()) < 4 * float(svm(x, y, rows).std())
    few = torch.arange(0, len(wine.train), 5)
    x, labels = wine.train.inputs[few], wine.train.targets[few]
    scores = torch.nn.functional.one_hot(labels, 3) - 1 / 3
    found = svm(x, scores, wine.select.inputs, True).argmax(1)
    assert (found.numpy() == SVC().fit(x, labels).predict(wine.select.inputs)).mean() > 0.9


def test_neighbours_far_apart_vote_alone(lesson):
    samples, targets, _ = lesson
    rows = samples + 0.01
    expected = KNeighborsRegressor(1).fit(samples, targets).predict(rows)
    assert np.allclose(neighbour(samples, targets, rows), expected, atol=1e-3)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_all_are_differentiable_in_samples_and_targets(name, lesson):
    samples, targets, rows = lesson
    function = lambda x, y: CLOSED_FORMS[name](x.float(), y.float(), rows, False).double().square().mean()  # noqa: E731
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
