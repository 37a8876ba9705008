"""Kernel matching: performance matching of learners in closed form, which stand for those of other libraries."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...data.metrics import score
from ...data.problem import Problem
from ...data.rows import Batch
from ...errors import SettingError
from ...errors import nearest as nearest_names
from ...learning.closed_forms import CLOSED_FORMS
from ...learning.gradients import mean_loss
from ...learning.training import Loss
from ...numerics.derivatives import grad_and_value
from ...numerics.optimizers import Params
from ...samples.canvas import Canvas
from ...samples.synthetic import scores_of
from ..batches import few
from ..matcher import Matcher, StepContext

__all__ = ["KernelMatching"]

_NEAR = 16
"""Real rows whose mean target a sample's label should agree with."""

_COLUMNS = 16
"""Columns that the additive kernel sees in one step, drawn anew as a forest draws them."""

_MOST = 1000
"""Samples that learners learn from at once: closed forms take their number squared in memory."""


@dataclass(frozen=True)
class KernelMatching(Matcher):
    r"""Move samples such that linear models, kernel machines, trees and neighbours that learn from them fit the real data.

    .. math:: \min_{x, y} \sum_k \ell\big(f_k(X; x, h(y))/\tau,\ Y\big)
        + \lambda \sum_i \big|y_i - \tfrac1{16} \textstyle\sum_{j \in \mathcal N(x_i)} Y_j\big|^2
        + \mu \sum_i \tfrac1d \min_j |x_i - X_j|^2

    Each :math:`f_k` is a learner in closed form (`learning.closed_forms`) on flat inputs. It is given the class of each sample,
    :math:`h(y)`, as other libraries are: labels of classes do not move. Numbers do, and are kept near those of the real rows close
    by: a label that disagrees with its surroundings helps one learner and misleads all others.

    Args:
        learners: names of closed forms, joined by ``+``.
        temperature: :math:`\tau`, positive, of the cross-entropy of classes.
        noise: standard deviation of Gaussian noise added to the real rows.
        agreement: :math:`\lambda`, at least 0; for numbers.
        near: :math:`\mu`, at least 0; the nearest real row is one of the sample's class.

    Raises:
        SettingError: a value out of range, a learner that is not known.

    Deviations from the paper:
        1. Several kernels, and nearest neighbours, in place of one network's. 2. Cross-entropy at a temperature. 3. Labels
        that agree with their surroundings, samples that stay near real rows.

    References:
        Nguyen, Chen, Lee 2021 (KIP, arXiv 2011.00050); Kusner et al. 2014 (stochastic neighbor compression).

    Example:
        >>> KernelMatching(learners="linear+neighbour").steps
        100
    """

    rate: float = 0.02
    batch: int = 256
    learners: str = "linear+svm+laplace+additive+perceptron+neighbour"
    temperature: float = 0.2
    noise: float = 0.1
    agreement: float = 1.0
    near: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.noise, self.agreement, self.near) < 0 or not self.temperature > 0:
            raise SettingError(f"{self}: noise, agreement and near are at least 0, the temperature is positive")
        for name in self.learners.split("+"):
            if name not in CLOSED_FORMS:
                raise SettingError(f"{name!r} is no learner in closed form; {nearest_names(name, CLOSED_FORMS)}")

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Differentiate the losses of all learners on one real batch."""
        canvas, classes = context.state.canvas, context.problem.classes
        x, y, w = context.problem.train.sample(self.batch, context.state.step, context.state.seed, "real")
        rows = x.flatten(1)
        noisy = rows + self.noise * torch.randn(rows.shape, generator=context.stream("noise")).to(rows)
        drawn = torch.randperm(len(context.state.groups), generator=context.stream("samples"))[:_MOST].to(rows.device)

        def loss(free: Params) -> Tensor:
            samples, targets = (part[drawn] for part in _as_others_read(canvas.with_free(free), context.problem))
            total = self._performance(context, samples, targets, (noisy, y, w))
            if classes is None or self.near:
                total = total + self._surroundings(samples, targets, rows, y, classes)
            return total

        grads, value = grad_and_value(loss)(canvas.free)
        return grads, value

    def others(self, canvases: Mapping[str, Canvas], problem: Problem) -> tuple[float, float]:
        """A weight beside the own replay's, 1, and the mean validation score of all learners: by both checkpoints are chosen."""
        (canvas,) = canvases.values()
        split = few(problem.validation, len(problem.validation))
        rows = split.batch(slice(None))[0].flatten(1)
        samples, targets = (part[:: -(-len(part) // _MOST)] for part in _as_others_read(canvas, problem))
        columns = torch.arange(rows.shape[1], device=rows.device)[:: -(-rows.shape[1] // _COLUMNS)]
        found = self._predictions(samples, targets, rows, columns, problem.classes is not None)
        return 1.0, sum(float(score(problem.metric, outputs, split.targets)) for outputs in found) / len(found)

    def _performance(self, context: StepContext, samples: Tensor, targets: Tensor, real: Batch) -> Tensor:
        """The losses of all learners."""
        rows, y, w = real
        kind, scale = (Loss.CROSS_ENTROPY, self.temperature) if context.problem.classes else (Loss.SQUARED, 1.0)
        columns = torch.randperm(rows.shape[1], generator=context.stream("columns"))[:_COLUMNS].to(rows.device)
        found = self._predictions(samples, targets, rows, columns, context.problem.classes is not None)
        return torch.stack([mean_loss(kind, outputs / scale, y, w) for outputs in found]).sum()

    def _predictions(
        self, samples: Tensor, targets: Tensor, rows: Tensor, columns: Tensor, classes: bool
    ) -> list[Tensor]:
        """What each learner makes of the rows; the additive kernel sees some columns."""
        some = (samples[:, columns], targets, rows[:, columns])
        return [
            CLOSED_FORMS[name](*(some if name == "additive" else (samples, targets, rows)), classes)
            for name in self.learners.split("+")
        ]

    def _surroundings(self, samples: Tensor, targets: Tensor, rows: Tensor, y: Tensor, classes: int | None) -> Tensor:
        """How far samples are from real rows, and numbers from theirs."""
        squared = torch.cdist(samples, rows).square()
        if classes:
            squared = squared.masked_fill(targets.argmax(1)[:, None] != y.argmax(1), torch.inf)
            nearest = squared.min(1).values
            # A class may be missing from the batch.
            return self.near * nearest.where(nearest.isfinite(), 0).mean() / samples.shape[1]
        close = squared.detach().topk(min(_NEAR, len(rows)), largest=False).indices
        agreement = self.agreement * mean_loss(Loss.SQUARED, targets, y[close].mean(1))
        return agreement + self.near * squared.min(1).values.mean() / samples.shape[1]


def _as_others_read(canvas: Canvas, problem: Problem) -> tuple[Tensor, Tensor]:
    """Flat inputs, categories whole, with the scores of their classes or with their numbers."""
    samples, classes = canvas.decode(), problem.classes
    inputs, targets = samples.inputs, samples.targets
    # Rounding has no derivative: that of the numbers before it stands in.
    inputs = inputs + (problem.preprocessing.whole(inputs.detach()) - inputs.detach())
    if classes:
        targets = scores_of(targets.detach().argmax(1), classes, targets)
    return inputs.flatten(1), targets
