r"""How to differentiate the outcome of training in the synthetic samples.

The outer loss is :math:`\mathcal L(\theta_T(s), s)`, where inner training takes :math:`\theta_t` to
:math:`\theta_{t+1}(\theta_t, s)` and the outer loss may itself contain a closed-form readout in `s`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import torch
from torch import Tensor
from torch.func import grad, vjp
from torch.utils._pytree import tree_leaves

from ..errors import SettingError
from ..numerics.derivatives import grad_and_value
from ..numerics.optimizers import Moments, Params

__all__ = ["FiniteDifferences", "Hypergradient", "Implicit", "Inner", "OuterLoss", "State", "Unroll"]

State = tuple[Params, Moments]
OuterLoss = Callable[[Params, State], Tensor]
"""The outer loss: (free tensors, trained networks) to a number."""


class Inner(Protocol):
    """The learning process, a step at a time."""

    def __call__(self, free: Params, state: State) -> State:
        """One inner step: (free tensors, networks) to networks."""
        ...

    def residual(self, free: Params, params: Params) -> Tensor:
        """Outputs less targets, scaled so that the sum of their squares is the inner loss."""
        ...


class Hypergradient(Protocol):
    """A way to differentiate through training."""

    @property
    def steps(self) -> int:
        """Inner steps taken, at most."""
        ...

    def drawn(self, generator: torch.Generator) -> Self:
        """The same with whatever it leaves to chance decided."""
        ...

    def __call__(self, inner: Inner, outer: OuterLoss, free: Params, start: State) -> tuple[Params, Tensor]:
        """The derivative of the outer loss in `free`, and its value."""
        ...


@dataclass(frozen=True)
class Unroll:
    r"""Reverse mode through the last `window` of `steps` inner steps, then the outer loss.

    .. math:: \frac{d\mathcal L}{ds} = \partial_s\mathcal L + \sum_{t=T-K}^{T-1}
        \partial_s\theta_{t+1}^\top \Big(\prod_{u=t+1}^{T-1}\partial_\theta\theta_{u+1}\Big)^\top \partial_\theta\mathcal L

    With `steps=0` the networks are constants and only the readout inside the outer loss is
    differentiated: the closed form of FRePo.

    Args:
        steps: inner steps T taken from the starting networks.
        window: inner steps K that are differentiated; all of them when None.
        random: whether T is drawn uniformly from K to `steps` for each outer step, so that the window lies anywhere.
        constant: whether memory is that of one step, whatever the window: networks are kept at each step, activations
            are computed again on the way back. The gradient is the same.

    Raises:
        SettingError: a negative number, or a window longer than the steps.

    References:
        Wang et al. 2018 (full window); Feng et al. 2024, RaT-BPTT (random truncated window); Zhou et al. 2022, FRePo
        (steps 0); Cui et al. 2023, TESLA (constant memory; ours keeps every term).

    Example:
        >>> double = lambda free, state: ({"w": state[0]["w"] * free["s"]}, state[1])
        >>> loss = lambda free, state: state[0]["w"].sum()
        >>> start = ({"w": torch.ones(1)}, None)
        >>> Unroll(steps=2)(double, loss, {"s": torch.tensor(3.0)}, start)
        ({'s': tensor(6.)}, tensor(9.))
    """

    steps: int = 0
    window: int | None = None
    random: bool = False
    constant: bool = False

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.window is not None and not 0 <= self.window <= self.steps):
            raise SettingError(f"unroll takes 0 <= window <= steps, not {self.window} and {self.steps}")

    def drawn(self, generator: torch.Generator) -> "Unroll":
        """With as many steps as the generator says, where they are left to chance."""
        if not self.random:
            return self
        steps = int(torch.randint(self._window, self.steps + 1, (), generator=generator))
        return replace(self, steps=steps, window=self._window, random=False)

    @property
    def _window(self) -> int:
        return self.steps if self.window is None else self.window

    def __call__(self, inner: Inner, outer: OuterLoss, free: Params, start: State) -> tuple[Params, Tensor]:
        """Differentiate by automatic differentiation."""
        for _ in range(self.steps - self._window):
            start = _detached(inner(free, start))
        if self.constant:
            return _backwards(inner, outer, free, start, self._window)

        def outcome(moved: Params) -> Tensor:
            state = start
            for _ in range(self._window):
                state = inner(moved, state)
            return outer(moved, state)

        grads, value = grad_and_value(outcome)(free)
        return grads, value


def _backwards(inner: Inner, outer: OuterLoss, free: Params, start: State, window: int) -> tuple[Params, Tensor]:
    """The adjoint recursion: networks of every step are kept, and each step is differentiated alone."""
    path = [start]
    for _ in range(window):
        path.append(_detached(inner(free, path[-1])))

    def last(both: tuple[Params, Any]) -> Tensor:
        return outer(both[0], _joined(both[1], path[-1]))

    (total, adjoint), value = grad_and_value(last)((free, _parts(path[-1])))
    for state in reversed(path[:-1]):

        def along(both: tuple[Params, Any], state: State = state, adjoint: Any = adjoint) -> Tensor:
            ends = tree_leaves(_parts(inner(both[0], _joined(both[1], state))))
            return torch.stack(
                [(end * slope).sum() for end, slope in zip(ends, tree_leaves(adjoint), strict=True)]
            ).sum()

        (pulled, adjoint), _ = grad_and_value(along)((free, _parts(state)))
        total = {key: total[key] + pulled[key] for key in total}
    return total, value


def _parts(state: State) -> tuple[Params, Params, Params]:
    """What of the networks a step depends on smoothly: parameters and moments, not their count."""
    params, moments = state
    return (params, moments.first, moments.second) if moments is not None else (params, {}, {})


def _joined(parts: tuple[Params, Params, Params], like: State) -> State:
    params, first, second = parts
    return params, None if like[1] is None else replace(like[1], first=first, second=second)


def _detached(state: State) -> State:
    cut = tuple({key: value.detach() for key, value in part.items()} for part in _parts(state))
    return _joined(cut, state)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Implicit:
    r"""The implicit function theorem at the end of inner training, with the curvature of a convex inner problem.

    .. math:: \frac{d\mathcal L}{ds} = \partial_s\mathcal L - \partial_s \big\langle \nabla_\theta |r(\theta, s)|^2,
        v\big\rangle, \qquad (2 J^\top J + \lambda I)\, v = \partial_\theta\mathcal L, \quad J = \partial_\theta r

    The Gauss-Newton matrix is that of the network linearised where training ended (a frozen tangent kernel), so it
    is never indefinite; the system is solved by conjugate gradients, which touch it through products only.

    Args:
        steps: inner steps taken, none of which is differentiated.
        damping: :math:`\lambda > 0`; the inverse of how far inner training goes, in units of rate times steps.
        iterations: of conjugate gradients, at least 1.

    Raises:
        SettingError: a value out of range.

    References:
        Loo et al. 2023 (RCIG, arXiv 2302.06755): implicit gradients of a convexified inner problem.

    Example:
        >>> Implicit(steps=20).damping
        10.0
    """

    steps: int = 20
    damping: float = 10.0
    iterations: int = 10

    def __post_init__(self) -> None:
        if self.steps < 0 or self.iterations < 1 or not self.damping > 0:
            raise SettingError(f"{self}: steps are at least 0, iterations at least 1, damping is positive")

    def drawn(self, generator: torch.Generator) -> "Implicit":
        """Nothing is left to chance."""
        return self

    def __call__(self, inner: Inner, outer: OuterLoss, free: Params, start: State) -> tuple[Params, Tensor]:
        """Train, solve, and differentiate once."""
        for _ in range(self.steps):
            start = _detached(inner(free, start))
        params, moments = start
        by_both = grad_and_value(lambda both: outer(both[0], (both[1], moments)))
        (direct, sensitivity), value = by_both((free, params))
        curve = lambda theta: inner.residual(free, theta)  # noqa: E731
        pulled: Any = vjp(curve, params)
        # J v as the derivative of the linear map u -> J^T u.
        pushed: Any = vjp(lambda u: pulled[1](u)[0], torch.zeros_like(pulled[0]))

        def curvature(v: Params) -> Params:
            (back,) = pulled[1](pushed[1](v)[0])
            return {key: 2 * back[key] + self.damping * v[key] for key in v}

        v = _conjugate_gradients(curvature, sensitivity, self.iterations)

        def along(moved: Params) -> Tensor:
            inside = grad(lambda theta: inner.residual(moved, theta).square().sum())(params)
            return sum(((inside[key] * v[key]).sum() for key in v), start=torch.zeros((), device=value.device))

        cross = grad(along)(free)
        return {key: direct[key] - cross[key] for key in free}, value


def _conjugate_gradients(matrix: Callable[[Params], Params], right: Params, iterations: int) -> Params:
    """Solve a positive definite system by products with its matrix."""
    dot = lambda a, b: sum((a[key] * b[key]).sum() for key in a)  # noqa: E731
    found = {key: torch.zeros_like(value) for key, value in right.items()}
    rest = {key: value.detach() for key, value in right.items()}
    way, size = rest, dot(rest, rest)
    enough = 1e-12 * float(size)
    for _ in range(iterations):
        if not size > enough:
            break
        product = matrix(way)
        length = size / dot(way, product)
        found = {key: found[key] + length * way[key] for key in found}
        rest = {key: rest[key] - length * product[key] for key in rest}
        size, before = dot(rest, rest), size
        way = {key: rest[key] + (size / before) * way[key] for key in way}
    return {key: value.detach() for key, value in found.items()}


@dataclass(frozen=True)
class FiniteDifferences:
    r"""Central differences, one number at a time: the slow oracle. :math:`(\mathcal L(s+\epsilon) - \mathcal L(s-\epsilon))/2\epsilon`.

    Args:
        steps: inner steps, all of them felt.
        epsilon: the shift; 1e-5 suits float64.
    """

    steps: int = 0
    epsilon: float = 1e-5

    def drawn(self, generator: torch.Generator) -> "FiniteDifferences":
        """Nothing is left to chance."""
        return self

    def __call__(self, inner: Inner, outer: OuterLoss, free: Params, start: State) -> tuple[Params, Tensor]:
        """Differentiate by moving every number both ways."""

        def outcome(moved: Params) -> Tensor:
            state = start
            for _ in range(self.steps):
                state = inner(moved, state)
            return outer(moved, state)

        grads = {}
        for name, tensor in free.items():
            estimate = torch.zeros_like(tensor)
            for place in range(tensor.numel()):
                shift = torch.zeros_like(tensor)
                shift.view(-1)[place] = self.epsilon
                ahead, behind = (outcome(free | {name: tensor + sign * shift}) for sign in (1, -1))
                estimate.view(-1)[place] = (ahead - behind) / (2 * self.epsilon)
            grads[name] = estimate
        return grads, outcome(free)
