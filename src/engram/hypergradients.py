r"""How to differentiate the outcome of training in the synthetic samples.

The outer loss is :math:`\mathcal L(\theta_T(s), s)`, where inner training takes :math:`\theta_t` to
:math:`\theta_{t+1}(\theta_t, s)` and the outer loss may itself contain a closed-form readout in `s`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.func import grad_and_value

from .errors import SettingError
from .optimizers import Moments, Params

__all__ = ["FiniteDifferences", "Hypergradient", "Inner", "Outer", "Unroll"]

State = tuple[Params, Moments]
Inner = Callable[[Params, State], State]
"""One inner step: (free tensors, networks) to networks."""
Outer = Callable[[Params, State], Tensor]
"""The outer loss: (free tensors, trained networks) to a number."""


class Hypergradient(Protocol):
    """A way to differentiate through training."""

    def __call__(self, inner: Inner, outer: Outer, free: Params, start: State) -> tuple[Params, Tensor]:
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

    Raises:
        SettingError: a negative number, or a window longer than the steps.

    References:
        Wang et al. 2018 (full window); Feng et al. 2024, RaT-BPTT (truncated); Zhou et al. 2022, FRePo (steps 0).

    Example:
        >>> double = lambda free, state: ({"w": state[0]["w"] * free["s"]}, state[1])
        >>> loss = lambda free, state: state[0]["w"].sum()
        >>> start = ({"w": torch.ones(1)}, None)
        >>> Unroll(steps=2)(double, loss, {"s": torch.tensor(3.0)}, start)
        ({'s': tensor(6.)}, tensor(9.))
    """

    steps: int = 0
    window: int | None = None

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.window is not None and not 0 <= self.window <= self.steps):
            raise SettingError(f"unroll takes 0 <= window <= steps, not {self.window} and {self.steps}")

    def __call__(self, inner: Inner, outer: Outer, free: Params, start: State) -> tuple[Params, Tensor]:
        """Differentiate by automatic differentiation."""
        window = self.steps if self.window is None else self.window
        for _ in range(self.steps - window):
            start = inner(free, start)

        def outcome(moved: Params) -> Tensor:
            state = start
            for _ in range(window):
                state = inner(moved, state)
            return outer(moved, state)

        grads, value = grad_and_value(outcome)(free)
        return grads, value


@dataclass(frozen=True)
class FiniteDifferences:
    r"""Central differences, one number at a time: the slow oracle. :math:`(\mathcal L(s+\epsilon) - \mathcal L(s-\epsilon))/2\epsilon`.

    Args:
        steps: inner steps, all of them felt.
        epsilon: the shift; 1e-5 suits float64.
    """

    steps: int = 0
    epsilon: float = 1e-5

    def __call__(self, inner: Inner, outer: Outer, free: Params, start: State) -> tuple[Params, Tensor]:
        """Differentiate by moving every number both ways."""

        def outcome(moved: Params) -> Tensor:
            state = start
            for _ in range(self.steps):
                state = inner(moved, state)
            return outer(moved, state)

        grads = {}
        for name, tensor in free.items():
            slopes = torch.zeros_like(tensor)
            for place in range(tensor.numel()):
                shift = torch.zeros_like(tensor)
                shift.view(-1)[place] = self.epsilon
                ahead, behind = (outcome(free | {name: tensor + sign * shift}) for sign in (1, -1))
                slopes.view(-1)[place] = (ahead - behind) / (2 * self.epsilon)
            grads[name] = slopes
        return grads, outcome(free)
