"""Performance matching: after training on the samples, the loss on the real data is small."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...data.problem import Problem
from ...data.rows import Batch
from ...errors import SettingError
from ...learning.augmentation import augmentation
from ...learning.fitting import descend
from ...learning.gradients import mean_loss
from ...learning.network import Model
from ...learning.stacking import each_network
from ...learning.training import Descent, Loss, Phase, Ridge, Training
from ...numerics.linalg import ridge
from ...numerics.optimizers import SGD, Params
from ...random import stream
from ...samples.canvas import Canvas
from ..hypergradients import Hypergradient, Implicit, State, Unroll
from ..matcher import Pooled, StepContext

__all__ = ["PerformanceMatching"]


@dataclass(frozen=True)
class PerformanceMatching(Pooled):
    r"""Learn samples such that a network trained on them, its readout solved in closed form, fits the real data.

    .. math:: \min_{x, y}\ \mathbb E_{\theta}\, \ell\big(\phi_\theta(X)\,W(x, y)/\tau,\ Y\big), \qquad
        W(x, y) = \text{ridge}\big(\phi_\theta(x), y\big)

    The loss is cross-entropy for classes and squared error (with :math:`\tau = 1`) for real targets.

    Features :math:`\phi_\theta` come from a pool of networks at every stage of the very training that the
    engram will be replayed with. Each outer step uses some of them and trains them a little on the samples
    as they now are; one that has completed its training is replaced. With a hypergradient that takes inner steps,
    :math:`\theta` depends on the samples too; with `oldest=0` every outer step then starts from fresh networks.

    Args:
        temperature: :math:`\tau`, positive; the sharper, the more the loss looks at rows near the boundary.
        noise: standard deviation of Gaussian noise added to the real rows, which keeps few samples from
            fitting few rows too closely.
        hypergradient: how to differentiate; `Unroll()` differentiates the closed-form readout only.
        inner_rate: of plain gradient descent in the inner steps that the hypergradient takes, in place of the training's
            optimizer: the first steps of Adam are nearly signs, whose derivative says little.

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        1. Networks follow the engram's own training (rate, length, start of the readout), so that what is
           matched is what is replayed. 2. Cross-entropy at a temperature in place of squared error.
        3. k-means centres to start from. 4. Noise on the real rows of tables.

    References:
        Zhou, Nezhadarya, Ba 2022 (FRePo, arXiv 2206.00719); Nguyen, Chen, Lee 2021 (KIP); Wang et al. 2018, Feng et
        al. 2024 (RaT-BPTT), Loo et al. 2023 (RCIG) for the other hypergradients.

    Example:
        >>> PerformanceMatching(steps=10).steps
        10
    """

    steps: int = 1500
    label_rate: float = 0.01
    pool: int = 8
    temperature: float = 0.1
    noise: float = 0.0
    hypergradient: Hypergradient = Unroll()
    inner_rate: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 0 or not self.temperature > 0:
            raise SettingError(f"{self}: noise is at least 0, the temperature is positive")
        if self.inner_rate is not None and not self.inner_rate > 0:
            raise SettingError(f"{self}: inner_rate is positive")

    def parts(self, problem: Problem) -> int:
        """Rows of the batch are shared out too."""
        return self._rows(problem)

    def _rows(self, problem: Problem) -> int:
        return min(self.batch, len(problem.train))

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """None; refuses a training that the samples cannot reach."""
        if not isinstance(training.phases[-1].solver, Ridge) and self._constant:
            raise SettingError(
                "without a closed-form readout nothing depends on the samples: set hypergradient=Unroll(steps=...)"
            )
        first = training.phases[0].solver
        squared = not isinstance(first, Descent) or first.loss is Loss.SQUARED
        if isinstance(self.hypergradient, Implicit) and not squared:
            raise SettingError(
                "implicit gradients solve inner problems of squared error, and the first phase learns by cross-entropy: use "
                "hypergradient=Unroll(steps=...)"
            )
        return {}

    @property
    def _constant(self) -> bool:
        """Whether networks do not depend on the samples: the closed-form readout alone does."""
        return isinstance(self.hypergradient, Unroll) and self.hypergradient.steps == 0

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Differentiate the loss on one real batch through the training."""
        canvas, training = context.state.canvas, context.training
        real = self._real(context)
        phase, networks = training.phases[0], context.networks
        assert networks is not None
        if self.inner_rate is not None and isinstance(phase.solver, Descent):
            phase = replace(phase, solver=replace(phase.solver, optimizer=SGD(self.inner_rate)))
            networks = networks[0], replace(networks[1], first={}, second={})
        inner = _InnerLoop(context.model, phase, canvas, context.state.seed, context.state.step, context.lead)

        def outer(free: Params, networks: State) -> Tensor:
            return self._performance(context, networks[0], canvas.with_free(free), real)

        differentiate = self.hypergradient.drawn(context.stream("window"))
        return differentiate(inner, outer, canvas.free, networks)

    def indirect_share(self, context: StepContext) -> float:
        r"""How much of the gradient comes through what networks learn from the samples, not through the readout alone.

        .. math:: \frac{|g - g_\text{readout}|}{|g - g_\text{readout}| + |g_\text{readout}|}

        Args:
            context: of an outer step.

        Returns:
            0 where features are constants, as in the closed form; 1 where the readout says nothing.
        """
        if self._constant:
            return 0.0
        drawn = self.hypergradient.drawn(context.stream("window"))
        # As many inner steps, none of which is felt.
        still = replace(self, hypergradient=Unroll(drawn.steps, window=0))
        whole, readout = (torch.cat([g.flatten() for g in m.gradient(context)[0].values()]) for m in (self, still))
        rest, own = float((whole - readout).norm()), float(readout.norm())
        return rest / max(rest + own, 1e-30)

    def _real(self, context: StepContext) -> Batch:
        x, y, w = context.problem.train.sample(self.batch, context.state.step, context.state.seed, "real")
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=context.stream("noise")).to(x)
        (x,) = self.augmented(context, x)
        own = context.share.real(len(x))
        return x[own], y[own], None if w is None else w[own]

    def _performance(self, context: StepContext, params: Params, canvas: Canvas, real: Batch) -> Tensor:
        """Loss on real rows of the networks, with the readout that the last phase would fit."""
        samples, model = canvas.decode(), context.model
        last = context.training.phases[-1].solver
        x, y, w = real
        # Networks that do not depend on the samples need no gradient, and stand half precision.
        constant = self._constant

        def one(network: Params) -> Tensor:
            if isinstance(last, Ridge):
                readout = ridge(model.features(network, samples.inputs), samples.targets, last.regularisation)
                with torch.set_grad_enabled(not constant):
                    features = model.features(network, x, half=constant)
                found = features @ readout[:-1] + readout[-1]
            else:
                found = model.outputs(network, x)
            if context.problem.classes is None:
                return mean_loss(Loss.SQUARED, found, y, w)
            return mean_loss(Loss.CROSS_ENTROPY, found / self.temperature, y, w)

        return context.share.of_mean(self._rows(context.problem)) * each_network(one, params).mean()


@dataclass(frozen=True, eq=False)
class _InnerLoop:
    """Inner training on a canvas."""

    model: Model
    phase: Phase
    canvas: Canvas
    seed: int
    step: int
    lead: int = 0

    def __call__(self, free: Params, state: State) -> State:
        x, y, w = self.canvas.with_free(free).decode().batch(slice(None))
        strategy = augmentation(getattr(self.phase.solver, "augment", ""))
        if strategy.kinds:
            # The count of inner steps of the oldest network names the draw: a step that is computed again sees the same images.
            counted = int(state[1].count.max()) + self.lead
            # The name is that of version 0.1: another one would draw other transformations.
            x = strategy.draw(stream(self.seed, "lesson", self.step, counted), len(x))(x)
        return descend(self.model, self.phase, *state, (x, y, w))[:2]

    def residual(self, free: Params, params: Params) -> Tensor:
        samples = self.canvas.with_free(free).decode()

        def one(network: Params) -> Tensor:
            gap = self.model.outputs(network, samples.inputs, training=True) - samples.targets
            return gap / len(gap) ** 0.5

        residual: Tensor = each_network(one, params)
        return residual
