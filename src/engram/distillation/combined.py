"""A weighted sum of objectives, on the same samples and the same networks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.problem import Problem
from ..errors import SettingError
from ..learning.training import Training
from ..numerics.optimizers import Params
from ..samples.canvas import Canvas
from .buffers import Prepared
from .matcher import Matcher, Pooled, StepContext
from .ranks import size

__all__ = ["Combined"]


@dataclass(frozen=True)
class Combined(Pooled):
    r"""Move samples along a weighted sum of gradients: several objectives as one.

    .. math:: \nabla L = \sum_k w_k\,\nabla L_k

    Each term brings its objective (batch, augmentation, temperature, what it prepares); what moves the samples, their
    start, labels, canvas and pool are this method's own, and so are the outer steps. The closed form alone ties samples to
    the readout that it solves; beside a distribution term they teach other trainings as well.

    Args:
        terms: methods that move samples by a gradient, at least one; each one's own steps, rates, pool, start and canvas
            are not used.
        weights: one positive number for each.

    Raises:
        SettingError: no term, weights that do not go with them, a term that is itself a sum.

    Example:
        >>> from engram.distillation import DistributionMatching, PerformanceMatching
        >>> both = Combined(terms=(PerformanceMatching(), DistributionMatching()), weights=(1.0, 0.03), steps=10)
        >>> both.steps
        10
    """

    terms: tuple[Matcher, ...] = ()
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms or len(self.terms) != len(self.weights) or not all(weight > 0 for weight in self.weights):
            raise SettingError(
                f"{len(self.terms)} terms and weights {self.weights}: give at least one term, and one positive weight for each"
            )
        if any(isinstance(term, Combined) for term in self.terms):
            raise SettingError("a term of a sum is no sum itself: put its terms beside the others")

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """The weighted sum of the terms' gradients, and of their values."""
        total: Params = {}
        value = torch.zeros(())
        for term, weight in zip(self.terms, self.weights, strict=True):
            grads, found = term.gradient(context)
            # All compute what cannot be shared: it counts once.
            weight = weight if term.parts(context.problem) else weight / size()
            total = {key: weight * grad + (total[key] if total else 0.0) for key, grad in grads.items()}
            value = value + weight * found.detach().cpu()
        return total, value

    def parts(self, problem: Problem) -> int:
        """As many as each term that can be shared allows."""
        return min((found for term in self.terms if (found := term.parts(problem))), default=0)

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """None; refuses terms that move further tensors, and trainings that a term refuses."""
        for term in self.terms:
            if term.extra(problem, training, seed):
                raise SettingError(f"{type(term).__name__} moves tensors of its own: it cannot be a term of a sum")
        return {}

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """What this method and its terms will read."""
        found = super().prepare(problem, training, seed, watch)
        for term in self.terms:
            found = found + term.prepare(problem, training, seed, watch)
        return found

    def others(self, canvases: Mapping[str, Canvas], problem: Problem) -> tuple[float, float] | None:
        """What the terms say of learners beside the replay, by their weights; None where none does."""
        said = [(weight, term.others(canvases, problem)) for term, weight in zip(self.terms, self.weights, strict=True)]
        found = [(weight, *own) for weight, own in said if own is not None]
        total = sum(weight * own for weight, own, _ in found)
        return (total, sum(weight * own * value for weight, own, value in found) / total) if found else None
