"""Characteristic-function matching: the features of a class have the distribution of its real rows, not only their mean."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.problem import Problem
from ...data.rows import Batch
from ...errors import SettingError
from ...learning.network import model_of
from ...learning.stacking import each_network
from ...learning.training import Training
from ...numerics.derivatives import grad_and_value
from ...numerics.optimizers import Params
from ...samples.canvas import Canvas
from ..batches import class_means
from ..matcher import Pooled, StepContext

__all__ = ["CharacteristicMatching"]


@dataclass(frozen=True)
class CharacteristicMatching(Pooled):
    r"""Match characteristic functions of normalised features at frequencies that learn to tell the two sets apart.

    .. math:: \min_x \max_\sigma\ \mathbb E_{\theta, t}\ \sum_c \sqrt{\alpha\,(|\Phi_x| - |\Phi_X|)^2
        + 2 (1 - \alpha)\,|\Phi_x||\Phi_X| (1 - \cos(\arg\Phi_x - \arg\Phi_X))}, \qquad
        \Phi_x(t) = \tfrac1{n_c} \sum_i e^{\mathrm i\, t \cdot \phi_\theta(x_{c,i})}, \quad t = \sigma \odot \epsilon

    With :math:`\alpha = 1/2` it is :math:`|\Phi_x - \Phi_X|/\sqrt 2`. Networks are of different ages and learn from real
    rows, so that features say something of the data.

    Args:
        frequencies: drawn in each outer step.
        spread_rate: outer rate by which log sigma climbs; 0 keeps it at zero.
        amplitude: :math:`\alpha` in [0, 1]: weight of amplitudes (diversity) against phases (realism).

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        1. The distribution of frequencies is a Gaussian whose spreads learn, in place of a network. 2. Networks from a
           pool trained on real rows, in place of twenty trained beforehand. 3. Features scaled to unit mean square.

    References:
        Wang et al. 2025 (NCFM, arXiv 2502.20653).

    Example:
        >>> CharacteristicMatching().frequencies
        256
    """

    advance: int = 2
    oldest: int | None = 100
    frequencies: int = 256
    spread_rate: float = 0.01
    amplitude: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.amplitude <= 1 or self.spread_rate < 0 or self.frequencies < 1:
            raise SettingError(f"{self}: amplitude lies in [0, 1], spread_rate is at least 0, frequencies at least 1")
        if self.label_rate:
            raise SettingError("characteristic-function matching does not move labels: use labels=teacher")

    def inner_batch(self, context: StepContext, canvas: Canvas) -> Batch:
        """Real rows."""
        return context.problem.train.sample(self.batch, context.state.step, context.state.seed, "raise")

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """The logarithm of sigma, one number a feature."""
        width = model_of(training.network, problem.task).width
        return {"log_spread": torch.zeros(width, device=problem.train.device)}

    def rates(self) -> Mapping[str, float]:
        """Spreads climb."""
        return {**super().rates(), "log_spread": -self.spread_rate}

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match on one real batch per class."""
        state, groups = context.state, context.problem.train.by_class
        real = self.real_features(context)
        scale = real.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-6)
        labels = torch.arange(len(groups), device=real.device).repeat_interleave(self.batch)
        width = real.shape[-1]
        # A frequency's reach shrinks with the number of features that it weighs.
        drawn = torch.randn(width, self.frequencies, generator=context.stream("frequencies")).to(real) / width**0.5

        def gap(free: Params) -> Tensor:
            (inputs,) = self.augmented(context, state.canvas.with_free(free).decode().inputs)
            found = each_network(context.model.features, context.params, inputs)
            t = free["log_spread"].exp()[:, None] * drawn
            one = characteristic(found / scale, t, state.groups, len(groups))
            other = characteristic(real / scale, t, labels, len(groups))
            apart = characteristic_distance(one, other, self.amplitude).mean(-1).sum(1)
            return context.share.weight * apart.mean()

        grads, value = grad_and_value(gap)(state.canvas.free | state.extra)
        return grads, value


Complex = tuple[Tensor, Tensor]
"""Real and imaginary parts."""


def characteristic(features: Tensor, frequencies: Tensor, labels: Tensor, groups: int) -> Complex:
    """Characteristic function of each class: (networks, N, F) at (F, K) to (networks, groups, K), in two parts."""
    phase = features @ frequencies
    return class_means(phase.cos(), labels, groups), class_means(phase.sin(), labels, groups)


def characteristic_distance(one: Complex, other: Complex, amplitude: float = 0.5) -> Tensor:
    r"""Weighted distance of two characteristic functions, by amplitude and by phase.

    Example:
        >>> a = (torch.tensor([1.0]), torch.tensor([0.0]))
        >>> characteristic_distance(a, a) < 1e-4
        tensor([True])
    """
    size = [(re.square() + im.square() + 1e-12).sqrt() for re, im in (one, other)]
    inner = one[0] * other[0] + one[1] * other[1]
    apart = amplitude * (size[0] - size[1]).square() + 2 * (1 - amplitude) * (size[0] * size[1] - inner)
    # The floor keeps the root's derivative finite where the two are equal.
    return (apart.clamp_min(0) + 1e-12).sqrt()
