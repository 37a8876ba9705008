"""Performance matching: after training on the samples, the loss on the real data is small."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..budget import Budget, Precision
from ..canvas import Canvas
from ..canvas.plain import Plain
from ..errors import SettingError
from ..fitting import descend, each_network, measure
from ..hypergradients import Hypergradient, State, Unroll
from ..linalg import ridge
from ..method import Metrics, counts
from ..network import Model, model_of
from ..optimizers import Params
from ..outer import Matching, Outer
from ..pool import Nursery
from ..problem import Problem
from ..random import stream
from ..selection import Start, initial
from ..training import Loss, Ridge, Training

__all__ = ["PerformanceMatching"]

Batch = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True)
class PerformanceMatching:
    r"""Learn samples such that a network trained on them, its readout solved in closed form, fits the real data.

    .. math:: \min_{x, y}\ \mathbb E_{\theta}\, \ell\big(\phi_\theta(X)\,W(x, y)/\tau,\ Y\big), \qquad
        W(x, y) = \text{ridge}\big(\phi_\theta(x), y\big)

    The loss is cross-entropy for classes and squared error (with :math:`\tau = 1`) for real targets.

    Features :math:`\phi_\theta` come from a pool of networks at every stage of the very training that the
    engram will be replayed with. Each outer step uses some of them and trains them a little on the samples
    as they now are; one that has completed its training is replaced.

    Args:
        steps: outer steps, at least 0.
        rate: outer Adam rate for inputs, in units of their standard deviation.
        label_rate: outer Adam rate for soft labels; 0 keeps the labels fixed.
        pool: networks kept.
        networks: networks used per outer step.
        advance: inner steps that a used network is trained.
        batch: real rows per outer step.
        temperature: :math:`\tau`, positive; the sharper, the more the loss looks at rows near the boundary.
        noise: standard deviation of Gaussian noise added to the real rows, which keeps few samples from
            fitting few rows too closely.
        start: samples start as random real rows, k-means centres, noise, or in the principal subspace
            (`selection.initial`).
        hypergradient: how to differentiate; `Unroll()` differentiates the closed-form readout only.

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        1. Networks follow the engram's own training (rate, length, start of the readout), so that what is
           matched is what is replayed. 2. Cross-entropy at a temperature in place of squared error.
        3. k-means centres to start from. 4. Noise on the real rows of tables.

    References:
        Zhou, Nezhadarya, Ba 2022 (FRePo, arXiv 2206.00719); Nguyen, Chen, Lee 2021 (KIP).

    Example:
        >>> PerformanceMatching(steps=10).steps
        10
    """

    steps: int = 1500
    rate: float = 0.03
    label_rate: float = 0.01
    pool: int = 8
    networks: int = 1
    advance: int = 1
    batch: int = 64
    temperature: float = 0.1
    noise: float = 0.0
    start: Start = "centres"
    hypergradient: Hypergradient = Unroll()

    def __post_init__(self) -> None:
        if min(self.steps, self.rate, self.label_rate, self.noise) < 0 or not self.temperature > 0:
            raise SettingError(f"{self}: steps, rates and noise are at least 0, the temperature is positive")
        if min(self.pool, self.networks, self.advance, self.batch) < 1:
            raise SettingError(f"{self}: pool, networks, advance and batch are at least 1")

    def init(self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int) -> Matching:
        """Start from real rows or their centres, with a pool of fresh networks."""
        if not isinstance(training.phases[-1].solver, Ridge) and getattr(self.hypergradient, "steps", 1) == 0:
            raise SettingError(
                "without a closed-form readout nothing depends on the samples: set hypergradient=Unroll(steps=...)"
            )
        canvas, groups = initial(
            problem, counts(problem, budget, precision, soft=True), self.start, True, seed, training
        )
        nursery = self._nursery(problem, training, seed)
        return Matching(canvas, self._outer.init(canvas), nursery.fill(), groups, 0, seed)

    def step(self, state: Matching, problem: Problem, training: Training) -> tuple[Matching, Metrics]:
        """Match performance on one real batch, then let the networks learn."""
        model = model_of(training.network, problem.task)
        nursery = self._nursery(problem, training, state.seed)
        places = nursery.turn(self.networks, state.step)
        real = self._real(problem, state)
        classify = problem.classes is not None

        def inner(free: Params, networks: State) -> State:
            params, moments = networks
            samples = state.canvas.with_free(free).decode().batch(slice(None))
            return descend(model, training.phases[0], params, moments, samples)[:2]

        def outer(free: Params, networks: State) -> Tensor:
            return self._performance(model, training, networks[0], state.canvas.with_free(free), real, classify)

        grads, loss = self.hypergradient(inner, outer, state.canvas.free, state.pool.at(places))
        canvas, moments = self._outer.step(state.canvas, grads, state.moments, state.step)
        samples = canvas.decode().batch(slice(None))
        pool = nursery.advance(state.pool, places, samples, self.advance)
        return replace(state, canvas=canvas, moments=moments, pool=pool, step=state.step + 1), {"loss": float(loss)}

    def export(self, state: Matching) -> Mapping[str, Canvas]:
        """The canvas."""
        return {"main": state.canvas}

    @property
    def _outer(self) -> Outer:
        return Outer({"inputs": self.rate, "targets": self.label_rate}, self.steps)

    def _nursery(self, problem: Problem, training: Training, seed: int) -> Nursery:
        oldest = getattr(training.phases[0].solver, "steps", 0)
        return Nursery(training, problem.task, self.pool, oldest, seed, str(problem.train.device))

    def _real(self, problem: Problem, state: Matching) -> Batch:
        x, y, w = problem.train.sample(self.batch, state.step, state.seed, "real")
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=stream(state.seed, "noise", state.step)).to(x)
        return x, y, w

    def _performance(
        self, model: Model, training: Training, params: Params, canvas: Plain, real: Batch, classify: bool
    ) -> Tensor:
        """Loss on real rows of the networks, with the readout that the last phase would fit."""
        samples = canvas.decode()
        last = training.phases[-1].solver
        x, y, w = real

        def one(network: Params) -> Tensor:
            if isinstance(last, Ridge):
                readout = ridge(model.features(network, samples.inputs), samples.targets, last.regularisation)
                found = model.features(network, x) @ readout[:-1] + readout[-1]
            else:
                found = model.outputs(network, x)
            if not classify:
                return measure(Loss.SQUARED, found, y, w)
            return measure(Loss.CROSS_ENTROPY, found / self.temperature, y, w)

        return each_network(one, params).mean()
