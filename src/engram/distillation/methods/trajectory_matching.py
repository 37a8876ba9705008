"""Trajectory matching: a student taught by the samples ends where experts taught by all data went."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...data.problem import Problem
from ...errors import SettingError
from ...learning.augmentation import augmentation
from ...learning.experts import Experts
from ...learning.gradients import mean_loss
from ...learning.network import Model
from ...learning.training import Loss, Training
from ...numerics.derivatives import grad_and_value
from ...numerics.optimizers import SGD, Params
from ...random import stream
from ...samples.canvas import Canvas
from ..buffers import Buffer, Prepared, experts
from ..hypergradients import Hypergradient, State, Unroll
from ..matcher import Matcher, StepContext

__all__ = ["TrajectoryMatching"]


@dataclass(frozen=True)
class TrajectoryMatching(Matcher):
    r"""Match the end point of a segment of an expert's trajectory, from its start, by a few steps on the samples.

    .. math:: \min_{x, y, \eta}\ \mathbb E_{t}\
        \frac{|\theta_{t,N}(x, y, \eta) - \theta^*_{t+M}|^2}{|\theta^*_t - \theta^*_{t+M}|^2}, \qquad
        \theta_{t,n+1} = \theta_{t,n} - \eta\,\nabla\ell(\theta_{t,n}; x, y), \quad \theta_{t,0} = \theta^*_t

    Experts are trained once, by SGD on all real rows, and kept on disk. The student's rate :math:`\eta` learns with the
    samples; it belongs to the match and not to the engram, which is replayed by its own training.

    Args:
        experts: trajectories, independent of one another.
        expert_steps: of an expert on minibatches.
        expert_rate: of its SGD.
        expert_batch: rows per step.
        expert_augment: strategy of augmentation while they learn.
        every: expert steps between two stored points.
        ahead: M, in stored points.
        student_steps: N.
        student_rate: where :math:`\eta` starts.
        log_rate: outer rate by which log eta moves; 0 keeps it.
        first: earliest stored point from which a segment starts.
        last: latest one.
        grow: share of the run in which the latest one rises from `first` to `last` (DATM's sequential difficulty); 0 for
            the whole range from the start.
        constant: TESLA's constant memory: one student step's activations at a time, the same gradient.

    Raises:
        SettingError: a value out of range, or segments that the trajectory does not hold.

    Deviations from the papers:
        1. A student sees all samples in each step. 2. Adam outside, unless `momentum` is given. 3. Constant memory by
           running the adjoint backwards, which keeps the dependence of later points on earlier steps.

    References:
        Cazenavette et al. 2022 (MTT, arXiv 2203.11932); Cui et al. 2023 (TESLA, arXiv 2211.10586); Guo et al. 2024
        (DATM, arXiv 2310.05773).

    Example:
        >>> TrajectoryMatching(steps=10).student_steps
        10
    """

    experts: int = 4
    expert_steps: int = 600
    expert_rate: float = 0.1
    expert_batch: int = 128
    expert_augment: str = ""
    every: int = 20
    ahead: int = 2
    student_steps: int = 10
    student_rate: float = 0.1
    log_rate: float = 0.01
    first: int = 0
    last: int = 10
    grow: float = 0.0
    constant: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        counts = (self.experts, self.expert_steps, self.expert_batch, self.every, self.ahead, self.student_steps)
        if min(counts) < 1 or min(self.expert_rate, self.student_rate) <= 0 or self.log_rate < 0:
            raise SettingError(f"{self}: counts are at least 1, rates positive")
        points = -(-self.expert_steps // self.every)
        if not 0 <= self.first <= self.last <= points - self.ahead or not 0 <= self.grow <= 1:
            raise SettingError(
                f"segments start at points {self.first} to {self.last} and end {self.ahead} later; there are {points + 1}"
            )

    @property
    def recipe(self) -> Experts:
        """How experts are trained."""
        optimizer = SGD(self.expert_rate)
        return Experts(self.experts, self.expert_steps, self.expert_batch, optimizer, self.every, self.expert_augment)

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train the experts."""
        own = super().prepare(problem, training, seed)
        buffer = experts(problem, training.network, self.recipe, seed, watch)
        return own + Prepared(buffer.digest, buffer.seconds)

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """The logarithm of the student's rate."""
        return {"log_rate": torch.tensor(math.log(self.student_rate), device=problem.train.device)}

    def rates(self) -> Mapping[str, float]:
        """With the student's."""
        return {**super().rates(), "log_rate": self.log_rate}

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match one segment."""
        problem, state = context.problem, context.state
        buffer = experts(problem, context.training.network, self.recipe, state.seed)
        start, target = self._segment(context, buffer)
        loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
        student = _Student(context.model, loss, state.canvas, self.augment, state.seed, state.step)

        def outer(free: Params, networks: State) -> Tensor:
            return trajectory_loss(networks[0], start, target)

        free = state.canvas.free | state.extra
        differentiate: Hypergradient = Unroll(self.student_steps, constant=self.constant)
        return differentiate(student, outer, free, (start, SGD().init(start)))

    def _segment(self, context: StepContext, buffer: Buffer) -> tuple[Params, Params]:
        """Both ends of a segment of one expert."""
        risen = 1.0 if self.grow == 0 else min(1.0, context.state.step / max(1.0, self.grow * self.steps))
        latest = self.first + round((self.last - self.first) * risen)
        generator = context.stream("segment")
        expert = int(torch.randint(self.experts, (), generator=generator))
        point = int(torch.randint(self.first, latest + 1, (), generator=generator))
        device = context.problem.train.device
        return buffer.at(expert, point, device), buffer.at(expert, point + self.ahead, device)


def trajectory_loss(end: Params, start: Params, target: Params) -> Tensor:
    """Squared distance of the student's end to the expert's, over the length that the expert went."""
    between = lambda one: torch.stack([(one[key] - target[key]).square().sum() for key in one]).sum()  # noqa: E731
    return between(end) / (between(start) + 1e-12)


@dataclass(frozen=True, eq=False)
class _Student:
    """A network of its own, taught by the samples at a rate that is free."""

    model: Model
    loss: Loss
    canvas: Canvas
    augment: str
    seed: int
    step: int

    def __call__(self, free: Params, state: State) -> State:
        params, moments = state
        samples = self.canvas.with_free(free).decode()
        drawn = augmentation(self.augment).draw(
            stream(self.seed, "student", self.step, int(moments.count)), len(samples)
        )
        x = drawn(samples.inputs)

        def inner(theta: Params, inputs: Tensor, targets: Tensor) -> Tensor:
            return mean_loss(self.loss, self.model.outputs(theta, inputs, training=True), targets)

        grads, _ = grad_and_value(inner)(params, x, samples.targets)
        rate = free["log_rate"].exp()
        moved = {key: params[key] - rate * grads[key] for key in params}
        return moved, replace(moments, count=moments.count + 1)

    def residual(self, free: Params, params: Params) -> Tensor:
        raise NotImplementedError("a student is unrolled")
