"""Hypergradients against central differences and closed forms in float64, and wrong versions that must be caught."""

from dataclasses import replace

import pytest
import torch
from torch.func import grad, grad_and_value, vmap

from engram.data.metrics import Metric
from engram.data.task import Task
from engram.distillation.hypergradients import FiniteDifferences, Implicit, Unroll
from engram.distillation.matcher import StepContext
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.learning.fitting import descend
from engram.learning.gradients import mean_loss
from engram.learning.network import initialise, model_of
from engram.learning.networks.mlp import MLP
from engram.learning.stacking import stack
from engram.learning.training import Descent, Loss, Phase, Training
from engram.numerics.linalg import ridge
from engram.numerics.optimizers import Adam
from engram.random import stream
from engram.samples.canvas.plain import Plain

TASK = Task((3,), 2, Metric.R2)
NETWORK = MLP(width=6, activation="tanh")
PHASE = Phase(Descent(Adam(0.05), 5))


def setting(networks=2, seed=0):
    """Free samples, starting networks and the two levels, in float64."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
    free, real_x, real_y = {"inputs": draw(4, 3), "targets": draw(4, 2)}, draw(9, 3), draw(9, 2)
    params = {k: v.double() for k, v in stack([initialise(NETWORK, TASK, s) for s in range(networks)]).items()}
    model = model_of(NETWORK, TASK)

    def inner(free, state):
        return descend(model, PHASE, *state, (free["inputs"], free["targets"], None))[:2]

    def outer(free, state):
        def one(p):
            readout = ridge(model.features(p, free["inputs"]), free["targets"], 1e-2)
            return mean_loss(Loss.SQUARED, model.features(p, real_x) @ readout[:-1] + readout[-1], real_y)

        return vmap(one)(state[0]).mean()

    return free, (params, PHASE.solver.optimizer.init(params, networks)), inner, outer


def gap(one, other):
    return max(float((one[k] - other[k]).abs().max()) for k in other)


def close(one, other, tolerance=1e-6):
    scale = max(float(v.abs().max()) for v in other.values())
    return gap(one, other) < tolerance * scale


def test_unrolled_gradient_meets_central_differences():
    for steps in (0, 1, 3):
        free, start, inner, outer = setting()
        exact, value = FiniteDifferences(steps)(inner, outer, free, start)
        found, same = Unroll(steps)(inner, outer, free, start)
        assert close(found, exact), steps
        assert torch.allclose(value, same)


def test_a_missing_chain_term_is_caught():
    free, start, inner, outer = setting()
    exact, _ = FiniteDifferences(3)(inner, outer, free, start)
    assert not close(Unroll(3, window=0)(inner, outer, free, start)[0], exact), "features treated as constants"


def test_a_window_off_by_one_is_caught():
    """Truncation must cut exactly where it says: compare with an explicit stop after T - K steps."""
    free, start, inner, outer = setting()
    state = start
    for _ in range(3):
        state = inner(free, state)
    frozen = ({k: v.detach() for k, v in state[0].items()}, state[1])
    exact, _ = FiniteDifferences(2)(inner, outer, free, frozen)
    assert close(Unroll(5, window=2)(inner, outer, free, start)[0], exact)
    for window in (1, 3):
        assert not close(Unroll(5, window=window)(inner, outer, free, start)[0], exact), window


def test_a_wrong_sign_is_caught():
    free, start, inner, outer = setting()
    exact, _ = FiniteDifferences(0)(inner, outer, free, start)
    found, _ = Unroll(0)(inner, outer, free, start)
    assert not close({k: -v for k, v in found.items()}, exact)


def test_a_stale_pool_is_caught():
    """Networks raised on other samples give another gradient than those raised on the samples at hand."""
    free, start, inner, outer = setting()
    other, *_ = setting(seed=1)
    stale, fresh = start, start
    for _ in range(3):
        stale, fresh = inner(other, stale), inner(free, fresh)
    exact, _ = FiniteDifferences(0)(inner, outer, free, fresh)
    assert close(Unroll(0)(inner, outer, free, fresh)[0], exact)
    assert not close(Unroll(0)(inner, outer, free, stale)[0], exact)


@pytest.mark.parametrize("right", [True, False])
def test_performance_matching_meets_the_closed_form_of_kernel_ridge(diabetes, right):
    """With identity features its loss is that of KIP, |Y - K_Xs (K_ss + penalty)^-1 y|^2, by hand."""
    generator = torch.Generator().manual_seed(2)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
    x, y, real_x, real_y = draw(4, 10), draw(4, 1), draw(9, 10), draw(9, 1)
    training = Training.default(MLP(depth=0), regularisation=1e-2 if right else 2e-2)
    model = model_of(training.network, diabetes.task)
    params = stack([initialise(training.network, diabetes.task, 0)])
    context = StepContext(None, diabetes, training, model, None)

    def ours(x, y):
        return PerformanceMatching()._performance(context, params, Plain(x, y), (real_x, real_y, None))

    def by_hand(x, y):
        kernel = x @ x.T + 1
        alpha = torch.linalg.inv(kernel + 1e-2 * kernel.trace() / 4 * torch.eye(4, dtype=torch.float64)) @ y
        return ((real_x @ x.T + 1) @ alpha - real_y).square().sum(1).mean()

    found, value = grad_and_value(ours, argnums=(0, 1))(x, y)
    expected, expected_value = grad_and_value(by_hand, argnums=(0, 1))(x, y)
    far = max(
        abs(float(value - expected_value)), *(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    )
    assert (far < 1e-10) == right


def test_labels_of_a_linear_model_have_the_known_optimum():
    """The loss is quadratic in the labels: at the least-squares labels the gradient is zero."""
    generator = torch.Generator().manual_seed(3)
    x, real_x = (torch.randn(n, 3, dtype=torch.float64, generator=generator) for n in (4, 20))
    real_y = torch.randn(20, 1, dtype=torch.float64, generator=generator)
    phi = torch.cat([x, torch.ones(4, 1)], 1)
    kernel = phi @ phi.T
    smoother = (
        torch.cat([real_x, torch.ones(20, 1)], 1)
        @ phi.T
        @ torch.linalg.inv(kernel + 1e-2 * kernel.trace() / 4 * torch.eye(4, dtype=torch.float64))
    )
    best = torch.linalg.lstsq(smoother, real_y).solution

    def outer(free, _):
        readout = ridge(x, free["targets"], 1e-2)
        return mean_loss(Loss.SQUARED, real_x @ readout[:-1] + readout[-1], real_y)

    slope, _ = Unroll(0)(lambda *_: None, outer, {"targets": best}, ({}, None))
    assert float(slope["targets"].abs().max()) < 1e-9
    moved, _ = Unroll(0)(lambda *_: None, outer, {"targets": best + 0.1}, ({}, None))
    assert float(moved["targets"].abs().max()) > 1e-3


def test_constant_memory_gives_the_plain_gradient():
    free, start, inner, outer = setting()
    for steps, window in ((3, None), (5, 2), (0, None)):
        plain, value = Unroll(steps, window)(inner, outer, free, start)
        found, same = Unroll(steps, window, constant=True)(inner, outer, free, start)
        assert gap(found, plain) < 1e-12, (steps, window)
        assert torch.allclose(value, same)


def test_an_adjoint_without_its_memory_is_caught():
    """Adam's moments carry the samples forward: leaving them out of the way back changes the gradient."""
    free, start, inner, outer = setting()
    exact, _ = Unroll(3)(inner, outer, free, start)

    def forgetful(free, state):
        params, moments = inner(free, state)
        return params, replace(
            moments,
            first={k: v.detach() for k, v in moments.first.items()},
            second={k: v.detach() for k, v in moments.second.items()},
        )

    assert not close(Unroll(3, constant=True)(forgetful, outer, free, start)[0], exact)


def test_a_random_window_lies_where_the_generator_says():
    method = Unroll(10, window=2, random=True)
    steps = [method.drawn(stream(0, "window", k)).steps for k in range(200)]
    assert set(steps) == set(range(2, 11))
    assert method.drawn(stream(0, "window", 3)) == method.drawn(stream(0, "window", 3))
    assert Unroll(4).drawn(stream(0)) == Unroll(4)


class Linear:
    """Ridge regression by long gradient descent: the one problem where implicit and unrolled must agree."""

    def __init__(self, damping):
        self.damping = damping

    def residual(self, free, params):
        return free["inputs"] @ params["w"] - free["targets"]

    def __call__(self, free, state):
        params, moments = state
        slope = grad(lambda p: self.residual(free, p).square().sum() + self.damping / 2 * p["w"].square().sum())(params)
        return {"w": params["w"] - 0.02 * slope["w"]}, moments


def test_implicit_meets_the_closed_form_of_a_linear_model():
    generator = torch.Generator().manual_seed(4)
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64, generator=generator)  # noqa: E731
    free, real_x, real_y = {"inputs": draw(6, 3), "targets": draw(6, 2)}, draw(9, 3), draw(9, 2)
    start = ({"w": torch.zeros(3, 2, dtype=torch.float64)}, None)

    def outer(free, state):
        return (real_x @ state[0]["w"] - real_y).square().mean()

    def closed(free):
        x, y = free["inputs"], free["targets"]
        return outer(free, ({"w": torch.linalg.solve(x.mT @ x + 0.5 * torch.eye(3).double() / 2, x.mT @ y)}, None))

    expected, value = grad_and_value(closed)(free)
    found, same = Implicit(steps=3000, damping=0.5, iterations=20)(Linear(0.5), outer, free, start)
    assert abs(float(value - same)) < 1e-10
    assert gap(found, expected) < 1e-8
    unrolled, _ = Unroll(3000, constant=True)(Linear(0.5), outer, free, start)
    assert gap(unrolled, expected) < 1e-8
    wrong, _ = Implicit(steps=3000, damping=5.0, iterations=20)(Linear(0.5), outer, free, start)
    assert not close(wrong, expected), "another damping is another problem"


def test_implicit_does_not_break_where_networks_have_no_readout_yet():
    free, start, _, outer = setting()
    found, _ = Implicit(steps=0, iterations=20)(Still(), outer, free, start)
    assert all(torch.isfinite(value).all() for value in found.values())


class Still:
    """Outputs that do not depend on the parameters: the curvature is the damping alone."""

    def residual(self, free, params):
        return 0 * params["head.weight"].sum() + free["targets"]

    def __call__(self, free, state):
        return state
