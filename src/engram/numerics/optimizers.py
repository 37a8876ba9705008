"""Gradient descent as pure functions of (parameters, gradients, state), for the inner and the outer loop.

Parameters are mappings of tensors. They may carry a leading axis of networks: every operation is
elementwise, and the step counter may hold one entry per network. All steps are differentiable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import SettingError

__all__ = ["SGD", "Adam", "Moments", "Optimizer", "Params"]

Params = dict[str, Tensor]


@dataclass(frozen=True)
class Moments:
    """What an optimizer remembers: averages by parameter name and the number of steps taken."""

    first: Params
    second: Params
    count: Tensor


@dataclass(frozen=True)
class SGD:
    r"""Gradient descent with momentum: :math:`m \leftarrow \mu m + g + \omega\theta,\ \theta \leftarrow \theta - \eta m`.

    Args:
        rate: step size :math:`\eta > 0`.
        momentum: :math:`\mu` in [0, 1).
        decay: :math:`\omega \ge 0`, added to the gradient; 1/rate forgets the old parameters in one step.

    Raises:
        SettingError: a value out of range.

    Example:
        >>> sgd = SGD(rate=0.5)
        >>> theta = {"w": torch.tensor([2.0])}
        >>> sgd.step(theta, {"w": torch.tensor([1.0])}, sgd.init(theta))[0]
        {'w': tensor([1.5000])}
    """

    rate: float = 0.1
    momentum: float = 0.0
    decay: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate > 0, "rate", self.rate, "a positive number")
        _check(0 <= self.momentum < 1, "momentum", self.momentum, "a number in [0, 1)")
        _check(self.decay >= 0, "decay", self.decay, "a nonnegative number")

    def init(self, params: Params, networks: int | None = None) -> Moments:
        """Start with nothing remembered; `networks` gives the counter one entry per leading index."""
        velocity = {k: torch.zeros_like(v) for k, v in params.items()} if self.momentum else {}
        return Moments(velocity, {}, _counter(params, networks))

    def step(
        self, params: Params, grads: Mapping[str, Tensor], state: Moments, scale: float | Tensor = 1.0
    ) -> tuple[Params, Moments]:
        """Take one step; `scale` multiplies the rate (a schedule, or a learned step size)."""
        drift = {k: g + self.decay * params[k] if self.decay else g for k, g in grads.items()}
        if self.momentum:
            drift = {k: self.momentum * state.first[k] + g for k, g in drift.items()}
        moved = {k: params[k] - scale * self.rate * g for k, g in drift.items()}
        state = replace(state, first=state.first | drift if self.momentum else {}, count=state.count + 1)
        return params | moved, state


@dataclass(frozen=True)
class Adam:
    r"""Adam with decoupled decay: :math:`\theta \leftarrow (1-\eta\omega)\theta - \eta\,\hat m/(\sqrt{\hat v}+\epsilon)`.

    Args:
        rate: step size :math:`\eta > 0`.
        beta1: memory of the mean, in [0, 1).
        beta2: memory of the square, in [0, 1).
        epsilon: positive floor of the denominator.
        decay: decoupled weight decay :math:`\omega \ge 0`.

    Raises:
        SettingError: a value out of range.

    References:
        Kingma & Ba 2015; Loshchilov & Hutter 2019.

    Example:
        >>> adam = Adam(rate=0.5)
        >>> theta = {"w": torch.tensor([2.0])}
        >>> adam.step(theta, {"w": torch.tensor([3.0])}, adam.init(theta))[0]
        {'w': tensor([1.5000])}
    """

    rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0

    def __post_init__(self) -> None:
        _check(self.rate > 0, "rate", self.rate, "a positive number")
        _check(0 <= self.beta1 < 1, "beta1", self.beta1, "a number in [0, 1)")
        _check(0 <= self.beta2 < 1, "beta2", self.beta2, "a number in [0, 1)")
        _check(self.epsilon > 0, "epsilon", self.epsilon, "a positive number")
        _check(self.decay >= 0, "decay", self.decay, "a nonnegative number")

    def init(self, params: Params, networks: int | None = None) -> Moments:
        """Start with nothing remembered; `networks` gives the counter one entry per leading index."""
        zeros = {k: torch.zeros_like(v) for k, v in params.items()}
        return Moments(zeros, dict(zeros), _counter(params, networks))

    def step(
        self, params: Params, grads: Mapping[str, Tensor], state: Moments, scale: float | Tensor = 1.0
    ) -> tuple[Params, Moments]:
        """Take one step; `scale` multiplies the rate (a schedule, or a learned step size)."""
        count = state.count + 1
        correct1, correct2 = 1 - self.beta1**count, (1 - self.beta2**count).sqrt()
        first, second, moved = {}, {}, {}
        for key, grad in grads.items():
            first[key] = torch.lerp(grad, state.first[key], self.beta1)
            second[key] = torch.lerp(grad.square(), state.second[key], self.beta2)
            # The floor inside the root keeps the derivative finite where a gradient is exactly zero.
            root = (second[key] + self.epsilon**2).sqrt() / _spread(correct2, grad)
            shift = first[key] / (_spread(correct1, grad) * (root + self.epsilon))
            kept = params[key] * (1 - scale * self.rate * self.decay) if self.decay else params[key]
            moved[key] = kept - scale * self.rate * shift
        return params | moved, Moments(state.first | first, state.second | second, count)


Optimizer = SGD | Adam


def _counter(params: Params, networks: int | None) -> Tensor:
    device = next(iter(params.values())).device
    # In single precision 1 - beta2 would keep three digits.
    return torch.zeros(() if networks is None else (networks,), dtype=torch.float64, device=device)


def _spread(per_network: Tensor, like: Tensor) -> Tensor:
    return per_network.reshape(per_network.shape + (1,) * (like.ndim - per_network.ndim)).to(like.dtype)


def _check(valid: bool, name: str, value: float, wanted: str) -> None:
    if not valid:
        raise SettingError(f"{name} is {value}; it takes {wanted}")
