"""The two-layer theory's distillation: one set for the first layer's step, one for the readout."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import vjp

from ...data.problem import Problem
from ...data.rows import Rows
from ...errors import BudgetError, SettingError
from ...learning.fitting import Fitted, fit
from ...learning.gradients import gradient
from ...learning.network import Model, Network, model_of
from ...learning.networks.two_layer import TwoLayer
from ...learning.training import Descent, Loss, Part, Ridge, Training
from ...numerics.derivatives import grad_and_value
from ...numerics.linalg import penalised, solve, with_bias
from ...numerics.optimizers import Moments, Params
from ...random import integer, stream
from ...samples.budget import Budget, Bytes, Precision
from ...samples.canvas import Canvas
from ...samples.canvas.points import Coefficients, Points
from ...samples.canvas.seeded import Seeded
from ...samples.spending import counts, number_bytes
from ..first_layer import real_gradients, start_networks, synthetic_gradient, two_phases
from ..method import Metrics
from ..outer_optimizer import OuterOptimizer

__all__ = ["TwoPhase", "TwoPhaseState"]


@dataclass(frozen=True, eq=False)
class TwoPhaseState:
    """Everything that the next outer step depends on.

    Args:
        points: the first set.
        labels: the second; zero until the last step.
        moments: of the outer optimizer.
        targets: real gradients of the first layer (networks, L, d), at the start of training.
        step: outer steps taken.
        seed: of every draw.
    """

    points: Points
    labels: Seeded
    moments: Moments
    targets: Tensor
    step: int
    seed: int


@dataclass(frozen=True)
class TwoPhase:
    r"""Distil a training of two phases, each by an objective of its own.

    **First layer.** Points :math:`(x_m, \pm 1)` push the first layer at its start by
    :math:`G(x) = \nabla_W \frac1M \sum_m (f(x_m) - 1)^2`, real rows by :math:`g = \nabla_W \frac1N \sum_n (f(x_n) - y_n)^2`:

    .. math:: \min_x -\langle G(x), g\rangle, \qquad \min_x |c\,G(x) - g|^2, \qquad
        \min_x \sum_i 1 - \cos(G_i(x), g_i), \qquad \min_x \mathcal L\big(W - \eta\, G(x)\big)

    in turn ``inner-product``, ``squared``, ``cosine`` and ``performance``. The first and the last take plain steps
    with decay 1/rate, :math:`x \leftarrow -\nabla`, as the theory does: one of them makes every point a random vector
    of the principal subspace. The others descend by Adam.

    **Readout.** Inputs are drawn from a seed; only their labels are stored. They minimise the loss on real rows of
    the ridge readout that they lead to, over fresh networks (``performance``: a convex quadratic, in closed form or
    by gradient descent), or make the readout's gradient vanish where that of real rows does (``gradient``), or are the
    outputs of a network trained on all rows (``teacher``); ``none`` leaves them zero.

    Args:
        objective: of the first layer.
        steps: outer steps on the points, at least 1; the readout's labels are fitted in the last.
        rate: outer Adam rate of the points, in units of their standard deviation.
        networks: initialisations whose real gradients are matched.
        mirrored: whether points come in pairs :math:`\pm x`, one of which is stored.
        vectors: whether points are seeded mixtures of the free vectors, which budgets then count.
        mixtures: points per vector, where points are mixtures.
        negative: points whose label is -1 in place of 1. A first layer that learns from labels of one sign is moved by
            a positive matrix: where :math:`E\,\nabla^2 f^*` has eigenvalues of both signs, half of the points should be negative.
        readout: objective of the labels (above).
        labels: how many, K; as many as the network has features, or there are rows, when None.
        label_networks: fresh networks over which the labels are fitted.
        label_rows: real rows that they see, at most.
        label_steps: of plain gradient descent on the labels; the closed form when None.
        inner_rate: :math:`\eta` of the performance objective.

    Raises:
        SettingError: a value out of range, or a problem with several outputs.

    Deviations from the paper:
        Its text is not known to us; against its abstract: 1. squared and cosine matching over many outer steps.
        2. Real gradients of a few initialisations are computed once. 3. The readout's labels are fitted over
        several fresh networks, on seeded inputs. 4. Mirrored points and mixtures.

    References:
        Kinoshita, Nishikawa, Toyoizumi, ICML 2026, arXiv 2603.14830, for the claims; the algorithm is our
        reconstruction from its abstract, Damian, Lee, Soltanolkotabi 2022, and Chen, Huang, Weng 2024 (labels).

    Example:
        >>> TwoPhase(objective="inner-product", steps=1).steps
        1
    """

    objective: Literal["inner-product", "squared", "cosine", "performance"] = "cosine"
    steps: int = 100
    rate: float = 0.1
    networks: int = 4
    mirrored: bool = False
    vectors: bool = False
    mixtures: int = 16
    negative: int = 0
    readout: Literal["performance", "gradient", "teacher", "none"] = "performance"
    labels: int | None = None
    label_networks: int = 4
    label_rows: int = 20_000
    label_steps: int | None = None
    inner_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("steps", "networks", "mixtures", "labels", "label_networks", "label_rows", "label_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(f"{name} is {value}; it takes at least 1")
        if self.negative < 0:
            raise SettingError(f"negative is {self.negative}; it takes at least 0")
        for name in ("rate", "inner_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(f"{name} is {getattr(self, name)}; it takes a positive number")

    def training(self, network: Network | None = None) -> Training:
        """What it compresses: the theory's two phases, by default of a two-layer network of width 1000."""
        return Training.two_phase(network or TwoLayer(1000, antithetic=True))

    def init(
        self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
    ) -> TwoPhaseState:
        """Start from Gaussian points, with the real gradients of some fresh networks."""
        return self.begin(
            problem, training, budget, precision, seed, real_gradients(problem, training, seed, self.networks)
        )

    def begin(
        self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int, targets: Tensor
    ) -> TwoPhaseState:
        """As `init`, with real gradients that were computed before (they depend on neither budget nor objective)."""
        width = model_of(training.network, problem.task).width
        labels = self.labels or min(width, len(problem.train))
        count = self._stored(problem, budget, precision, labels)
        drawn = torch.randn(count, *problem.task.shape, generator=stream(seed, "points")).to(targets)
        mixed = Coefficients(count * self.mixtures, integer(seed, "mixtures", bits=31)) if self.vectors else None
        most = count * self.mixtures if self.vectors else count
        if self.negative > most:
            raise SettingError(f"negative is {self.negative} and there are {most} points: ask for fewer")
        points = Points(drawn, self.mirrored, mixed, self.negative)
        readout = Seeded(torch.zeros(labels, 1).to(targets), problem.task.shape, integer(seed, "labels", bits=31))
        return TwoPhaseState(points, readout, self._outer.init(points.free), targets, 0, seed)

    def step(self, state: TwoPhaseState, problem: Problem, training: Training) -> tuple[TwoPhaseState, Metrics]:
        """Move the points; in the last step, fit the labels."""
        model = model_of(training.network, problem.task)
        params = start_networks(problem, training, state.seed, self.networks)
        if self.objective in ("inner-product", "performance"):
            points, loss = self._push(state, model, params, problem)
            moments = state.moments
        else:
            grads, loss = grad_and_value(self._gap)(state.points.free, state, model, params)
            free, moments = self._outer.step(state.points.free, grads, state.moments, state.step)
            points = state.points.with_free(free)
        state = replace(state, points=points, moments=moments, step=state.step + 1)
        if state.step == self.steps:
            state = replace(state, labels=self.labelled(state, problem, training))
        return state, {"loss": float(loss)}

    def export(self, state: TwoPhaseState) -> Mapping[str, Canvas]:
        """Both sets."""
        return {"features": state.points, "readout": state.labels}

    @property
    def _outer(self) -> OuterOptimizer:
        return OuterOptimizer({"inputs": self.rate}, self.steps)

    def _stored(self, problem: Problem, budget: Budget, precision: Precision, labels: int) -> int:
        """How many vectors are stored: half the points where they are mirrored."""
        if labels > len(problem.train):
            raise BudgetError(
                f"{labels} labels were asked for and there are {len(problem.train)} training rows: set labels="
            )
        if isinstance(budget, Bytes):
            rest = budget.size - labels * number_bytes(precision)
            if rest < 1:
                raise BudgetError(f"{budget.size} bytes do not hold {labels} labels: ask for more, or set labels=")
            budget = Bytes(rest)
            per_item = problem.preprocessing.item_bytes(precision.bytes)
            return budget.counts(None, per_item)[0]
        (count,) = counts(problem, budget, precision, soft=True)
        if count % 2 and self.mirrored and not self.vectors:
            raise BudgetError(f"{count} points cannot be mirrored: ask for an even number")
        return count // 2 if self.mirrored and not self.vectors else count

    def _push(self, state: TwoPhaseState, model: Model, params: Params, problem: Problem) -> tuple[Points, Tensor]:
        """One plain step with decay 1/rate: the points become minus the gradient, at unit scale."""
        key = model.first_layer()[0]
        # The derivative of the inner step along the points, and how it carries a gradient back to them.
        found: Any = vjp(
            lambda free: synthetic_gradient(model, params, state.points.with_free(free)), state.points.free
        )
        pushed, pull = found
        real = state.targets
        if self.objective == "performance":
            moved = params | {key: params[key] - self.inner_rate * pushed}
            real = gradient(model, Loss.SQUARED, Part.FIRST_LAYER, moved, problem.train)[key]
        # Minus the loss's gradient: along G(x) the loss falls by inner rate times <G, g>.
        (rise,) = pull(real)
        ascent = rise["inputs"].detach()
        # The readout's phase forgets a common factor; unit scale suits every stored precision.
        return state.points.with_free({"inputs": ascent / ascent.square().mean().sqrt()}), -(pushed * real).sum()

    def _gap(self, free: Params, state: TwoPhaseState, model: Model, params: Params) -> Tensor:
        found, real = synthetic_gradient(model, params, state.points.with_free(free)), state.targets
        if self.objective == "cosine":
            return 1 - torch.cosine_similarity(found, real, dim=-1, eps=1e-12).mean()
        # The scale of Gaussian points stands for the labels' size.
        start = synthetic_gradient(model, params, state.points.with_free({"inputs": _gaussian_like(state)}))
        scale = (start.square().sum() / real.square().sum()).sqrt()
        return (found - scale * real).square().sum() / (scale * real).square().sum()

    def labelled(self, state: TwoPhaseState, problem: Problem, training: Training) -> Seeded:
        """The readout's labels, fitted over fresh networks whose first layer learnt from the points."""
        one, two = two_phases(training)
        assert isinstance(two.solver, Ridge)
        if self.readout == "none":
            return state.labels
        seeds = [integer(state.seed, "label network", k, bits=31) for k in range(self.label_networks)]
        learnt = replace(training, phases=(one, replace(two, solver=Descent(steps=0))))
        sets: dict[str, Rows] = {"features": state.points.decode(), "readout": state.labels.decode()}
        inputs = state.labels.decode().inputs
        if self.readout == "teacher":
            full: dict[str, Rows] = {"features": problem.train, "readout": problem.train}
            found = fit(training, problem.task, full, seeds[:1]).outputs(inputs)[0]
            return state.labels.with_free({"targets": found})
        matrix = right = torch.zeros((), device=inputs.device)
        for seed in seeds:
            fitted = fit(learnt, problem.task, sets, [seed])
            gram, moment = _moments(fitted, problem, self.label_rows)
            phi = with_bias(fitted.features(inputs)[0])
            outer = phi @ phi.mT
            if self.readout == "performance":
                # From labels to the readout's weights: a linear map.
                reach = phi.mT @ torch.linalg.inv(penalised(outer, two.solver.regularisation, len(phi)))
                matrix, right = matrix + reach.mT @ gram @ reach, right + reach.mT @ moment
            else:
                there = solve(penalised(gram, two.solver.regularisation, self.label_rows), moment)
                matrix, right = matrix + outer, right + outer @ (phi @ there)
        # Stationarity says nothing of directions in which features hardly vary; the loss itself says a little.
        penalty = 1e-6 if self.readout == "performance" else two.solver.regularisation / len(inputs)
        return state.labels.with_free({"targets": solve(penalised(matrix, penalty, 1), right, self.label_steps)})


def _gaussian_like(state: TwoPhaseState) -> Tensor:
    free = state.points.inputs
    return torch.randn(free.shape, generator=stream(state.seed, "points")).to(free)


def _moments(fitted: Fitted, problem: Problem, most: int) -> tuple[Tensor, Tensor]:
    """Second moments of real features, and their moment with the targets, over at most so many rows."""
    gram = moment = torch.zeros((), device=problem.train.device)
    seen = 0
    for x, y, _ in problem.train.batches():
        phi = with_bias(fitted.features(x[: most - seen])[0])
        gram, moment = gram + phi.mT @ phi, moment + phi.mT @ y[: most - seen]
        seen += len(phi)
        if seen >= most:
            break
    return gram / seen, moment / seen
