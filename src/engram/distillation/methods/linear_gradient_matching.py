"""Linear gradient matching: random linear heads on frozen features are pushed the way the real data push them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...data.problem import Problem
from ...errors import NetworkError, SettingError
from ...learning.experts import Experts
from ...learning.training import Training
from ...numerics.derivatives import grad_and_value
from ...numerics.distances import cosine_distance
from ...numerics.optimizers import Params
from ..buffers import Prepared, experts, teacher
from ..matcher import Matcher, StepContext

__all__ = ["LinearGradientMatching"]

Features = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LinearGradientMatching(Matcher):
    r"""Match gradients of random linear heads W on features that do not change.

    .. math:: \min_x\ \mathbb E_{W,\omega}\ 1 - \cos\big(\nabla_W\mathcal L(\phi(A_\omega(x)) W),
        \nabla_W\mathcal L(\phi(A_\omega(X)) W)\big)

    The gradient of a linear head has a closed form, :math:`\phi^\top(\mathrm{softmax}(\phi W) - y)/n`, so an outer step
    differentiates the features once.

    Args:
        features: normalised inputs (N, *shape) to features (N, F), differentiable: a pretrained backbone; None for
            the training's own network, trained on all real rows. A file keeps its name alone.
        heads: random heads in each outer step.
        name: what provenance calls the features.

    Raises:
        SettingError: a value out of range.
        NetworkError: features that are not (N, F).

    Deviations from the paper:
        1. Samples are free pixels in place of an image pyramid. 2. By default the backbone is trained on the data.

    References:
        Cazenavette, Torralba, Sitzmann 2025 (arXiv 2511.16674), linear gradient matching.

    Example:
        >>> LinearGradientMatching(features=lambda x: x.flatten(1)).heads
        4
    """

    features: Features | None = field(default=None, repr=False)
    heads: int = 4
    name: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1:
            raise SettingError(f"{self}: at least one head")

    def stored_fields(self) -> dict[str, Any]:
        """What a file keeps: never the code."""
        own = {key: value for key, value in vars(self).items() if key != "features"}
        return own | {"name": self.name or getattr(self.features, "__name__", "")}

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train the backbone, where none is given."""
        own = super().prepare(problem, training, seed, watch)
        if self.features is not None:
            return own
        buffer = experts(problem, training.network, Experts(), seed, watch)
        return own if own.digest else Prepared(buffer.digest, buffer.seconds)

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match on one real batch."""
        problem, canvas = context.problem, context.state.canvas
        embed, embed_real = self._embedding(context)
        x, y, w = problem.train.sample(self.batch, context.state.step, context.state.seed, "real")
        (x,) = self.augmented(context, x)
        with torch.no_grad():
            real = embed_real(x)
        if real.ndim != 2 or len(real) != len(x):
            raise NetworkError(f"features of shape {tuple(real.shape)} for {len(x)} inputs: give (N, F)")
        scale = real.square().mean().sqrt().clamp_min(1e-6)
        shape = (self.heads, real.shape[1], problem.task.outputs)
        heads = torch.randn(shape, generator=context.stream("heads")).to(real) / real.shape[1] ** 0.5
        classify = problem.classes is not None
        target = head_gradients(real / scale, y, heads, classify, w)

        def gap(free: Params) -> Tensor:
            samples = canvas.with_free(free).decode()
            (inputs,) = self.augmented(context, samples.inputs)
            found = head_gradients(embed(inputs) / scale, samples.targets, heads, classify)
            pairs = zip(found, target, strict=True)
            return torch.stack([cosine_distance({"w": a}, {"w": b}, "whole") for a, b in pairs]).mean()

        grads, value = grad_and_value(gap)(canvas.free)
        return grads, value

    def _embedding(self, context: StepContext) -> tuple[Features, Features]:
        """The features, and the same in a hurry."""
        if self.features is not None:
            return self.features, self.features
        fitted = teacher(context.problem, context.training.network, context.state.seed)
        model, params = fitted.model, fitted.one(0)
        return lambda x: model.features(params, x), lambda x: model.features(params, x, half=True)


def head_gradients(
    features: Tensor, targets: Tensor, heads: Tensor, classify: bool, weights: Tensor | None = None
) -> Tensor:
    """Gradient of the mean loss in each linear head: (N, F), (N, C), (heads, F, C), weights (N,) to (heads, F, C)."""
    found = features @ heads
    # Targets are centred scores; a softmax sums to one.
    error = found.softmax(-1) - targets - 1 / targets.shape[-1] if classify else 2 * (found - targets)
    return features.mT @ (error if weights is None else weights[:, None] * error) / len(features)
