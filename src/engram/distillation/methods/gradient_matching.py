"""Gradient matching: the samples push the parameters the way the real data do."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from ...data.problem import Problem
from ...data.rows import Batch
from ...errors import SettingError
from ...learning.gradients import mean_loss
from ...learning.network import Model, large_image
from ...learning.readout import refit
from ...learning.training import Loss, Ridge, Training
from ...numerics.derivatives import grad_and_value
from ...numerics.distances import Grain, cosine_distance
from ...numerics.optimizers import Params
from ...samples.canvas import Canvas
from ..batches import drawn_by_class, grouped, of_groups
from ..matcher import Pooled, StepContext
from ..pool import PoolPolicy

__all__ = ["GradientMatching"]


@dataclass(frozen=True)
class GradientMatching(Pooled):
    r"""Learn samples whose gradients are parallel to those of the real data, class by class.

    .. math:: \min_x\ \mathbb E_{\theta,\omega} \sum_c \sum_l 1 - \cos\big(\nabla_{\theta_l}\mathcal L(A_\omega(x_c)),
        \nabla_{\theta_l}\mathcal L(A_\omega(X_c))\big)

    Networks are fresh or partly trained, from a pool as in performance matching. Before gradients are
    compared their readout is fitted to the samples, and then held fixed: from a zero readout no gradient
    would reach the features, and rows that the samples already explain would drown those they do not.
    With `augment` it is DSA; with `formation` and networks trained on real rows, IDC.

    Args:
        per: gradients of each class apart, or of a mixed batch.
        grain: what has a direction of its own: each output unit, each layer, or the whole gradient.
        pool_data: whether networks learn from the samples (DC) or from real rows (IDC).
        readout: fitted to the samples before gradients are compared, or the network's own.
        loss: whose gradients are matched; cross-entropy is replaced by squared error for real targets.
        temperature: divides the outputs in cross-entropy; the sharper, the more the gradient looks at rows
            near the boundary.

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        1. Networks of different ages in a pool, trained by the engram's own training, in place of nested
           loops. 2. A readout fitted in closed form before gradients are compared. 3. A temperature.
        4. Directions by layer rather than by unit. 5. k-means centres to start from.

    References:
        Zhao, Mopuri, Bilen 2021 (DC, arXiv 2006.05929); Zhao & Bilen 2021 (DSA, arXiv 2102.08259); Kim et al. 2022
        (IDC, arXiv 2205.14959).

    Example:
        >>> GradientMatching(steps=10).per
        'class'
    """

    batch: int = 32
    oldest: int | None = 50
    per: Literal["class", "batch"] = "class"
    grain: Grain = "layer"
    pool_data: Literal["samples", "real"] = "samples"
    readout: Literal["fitted", "own"] = "fitted"
    loss: Loss = Loss.CROSS_ENTROPY
    temperature: float = 0.2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperature > 0:
            raise SettingError(f"{self}: the temperature is positive")

    def parts(self, problem: Problem) -> int:
        """Classes are shared out too, where they are matched apart."""
        return len(problem.train.by_class) if self.per == "class" else 1

    def pool_policy(self, problem: Problem, training: Training, seed: int) -> tuple[PoolPolicy, int, int]:
        """Networks up to a certain age; with a readout of their own it starts at random, since zero passes nothing on."""
        if self.readout == "own":
            first, *rest = training.phases
            training = replace(training, phases=(replace(first, before=()), *rest))
        return super().pool_policy(problem, training, seed)

    def inner_batch(self, context: StepContext, canvas: Canvas) -> Batch | None:
        """The samples, or real rows."""
        if self.pool_data == "samples":
            return canvas.decode().batch(slice(None))
        return context.problem.train.sample(self.batch, context.state.step, context.state.seed, "raise")

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match gradients on one real batch per class."""
        problem, model, canvas, params = context.problem, context.model, context.state.canvas, context.params
        if self.readout == "fitted":
            params = refit(model, params, _ridge(context.training), canvas.decode())
        loss = self.loss if problem.classes else Loss.SQUARED
        temperature = self.temperature if problem.classes else 1.0
        apart = self.per == "class" and problem.classes is not None
        groups = problem.train.by_class if apart else (torch.arange(len(problem.train)),)
        share = context.share.real(len(groups))
        x, y, w = drawn_by_class(problem.train, groups, self.batch, context.stream("real"), share)
        (flat,) = self.augmented(context, x.flatten(0, 1)) if self.augment else (x.flatten(0, 1),)
        target = _gradients(model, loss, temperature, params, (flat.reshape(x.shape), y, w), half=True)
        distance = partial(cosine_distance, grain=self.grain)
        labels = context.state.groups if apart else torch.zeros_like(context.state.groups)
        own, chosen = of_groups(labels, share, len(groups))

        def gap(free: Params) -> Tensor:
            samples = canvas.with_free(free).decode()
            inputs = samples.inputs[chosen]
            (inputs,) = self.augmented(context, inputs) if self.augment else (inputs,)
            batches = grouped(inputs, samples.targets[chosen], own, share.stop - share.start)
            found = _gradients(model, loss, temperature, params, batches)
            return context.share.weight * vmap(vmap(distance))(found, target).sum(1).mean()

        grads, value = grad_and_value(gap)(canvas.free)
        return grads, value


def _ridge(training: Training) -> Ridge:
    """The closed-form readout of the training, or the usual one where it has none."""
    return next((phase.solver for phase in training.phases if isinstance(phase.solver, Ridge)), Ridge())


def _gradients(
    model: Model, loss: Loss, temperature: float, params: Params, batches: Batch, half: bool = False
) -> Params:
    """Gradients of every network on every group: each (networks, groups, *shape).

    Large images go group by group on a CPU, at half precision where no second derivative is asked.
    """

    def one(network: Params, x: Tensor, y: Tensor, w: Tensor | None, half: bool = False) -> Params:
        def mean(learning: Params, x: Tensor, y: Tensor, w: Tensor | None) -> Tensor:
            return mean_loss(loss, model.outputs(learning, x, half=half) / temperature, y, w)

        grads: Params = grad_and_value(mean)(network, x, y, w)[0]
        return grads

    x, y, w = batches
    if large_image(x.shape[2:]) and x.device.type == "cpu":
        rows = []
        for k in range(len(next(iter(params.values())))):
            network = {key: value[k] for key, value in params.items()}
            parts = [one(network, x[g], y[g], None if w is None else w[g], half) for g in range(len(x))]
            rows.append(tree_map(lambda *each: torch.stack(each), *parts))
        result: Params = tree_map(lambda *each: torch.stack(each), *rows)
        return result
    over_groups = vmap(one, in_dims=(None, 0, 0, None if w is None else 0))
    result = vmap(over_groups, in_dims=(0, None, None, None))(params, x, y, w)
    return result
