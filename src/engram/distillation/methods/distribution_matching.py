"""Distribution matching: the samples of a class have the mean features of its real rows, whatever the network."""

from dataclasses import dataclass

from torch import Tensor

from ...data.problem import Problem
from ...errors import SettingError
from ...learning.stacking import each_network
from ...numerics.derivatives import grad_and_value
from ...numerics.optimizers import Params
from ..batches import class_means, of_groups
from ..matcher import Pooled, StepContext

__all__ = ["DistributionMatching"]


@dataclass(frozen=True)
class DistributionMatching(Pooled):
    r"""Match mean features of each class over random networks.

    .. math:: \min_x\ \mathbb E_{\theta,\omega} \sum_c \big|\tfrac1{n_c}\sum_i \phi_\theta(A_\omega(x_{c,i}))
        - \tfrac1{N_c}\sum_j \phi_\theta(A_\omega(X_{c,j}))\big|^2

    Real features carry no gradient, and those of all classes are one batch. Labels have no part in the loss: they
    are hard, or a teacher's. A regression target is one class.

    Args:
        oldest: 0, fresh networks in every outer step, unless said (`Pooled`).

    Raises:
        SettingError: a value out of range, or labels that move.

    Deviations from the paper:
        1. k-means centres to start from. 2. Adam. 3. Features after the last pooling, as a readout reads them.

    References:
        Zhao & Bilen 2023 (DM, arXiv 2110.04181).

    Example:
        >>> DistributionMatching(augment="crop").oldest
        0
    """

    pool: int = 1
    oldest: int | None = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label_rate:
            raise SettingError("distribution matching does not move labels: use labels=teacher")

    def parts(self, problem: Problem) -> int:
        """Classes are shared out too."""
        return len(problem.train.by_class)

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match means on one real batch per class."""
        canvas, groups = context.state.canvas, context.problem.train.by_class
        real = self.real_features(context)
        own = context.share.real(len(groups))
        target = real.reshape(len(real), own.stop - own.start, self.batch, -1).mean(2)
        labels, chosen = of_groups(context.state.groups, own, len(groups))

        def gap(free: Params) -> Tensor:
            (inputs,) = self.augmented(context, canvas.with_free(free).decode().inputs[chosen])
            found = each_network(context.model.features, context.params, inputs)
            gaps = (class_means(found, labels, own.stop - own.start) - target).square().sum((1, 2))
            return context.share.weight * gaps.mean()

        grads, value = grad_and_value(gap)(canvas.free)
        return grads, value
