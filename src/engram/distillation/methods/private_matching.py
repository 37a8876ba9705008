"""Private matching: class means of features, released once with Gaussian noise, and samples that match what was released."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...data.problem import Problem
from ...errors import SettingError
from ...learning.network import Model, initialise, model_of
from ...learning.stacking import each_network
from ...learning.training import Training
from ...numerics.derivatives import grad_and_value
from ...numerics.optimizers import Params
from ...random import stream
from ..batches import class_means
from ..matcher import Matcher, StepContext
from ..start import Start

__all__ = ["PrivateMatching"]

_MOST = 50
_BATCH = 512
_PUBLIC = 256
"""Inputs of pure noise by which features are centred."""


@dataclass(frozen=True)
class PrivateMatching(Matcher):
    r"""Match class means of random features that were released with noise: :math:`(\varepsilon, \delta)`-differentially private in the training rows.

    .. math:: \tilde m_c = \frac{\sum_{j \in c} \psi(X_j) + \sigma\sqrt2\,\xi_c}{\max(1, N_c + \sigma\sqrt2\,\zeta_c)}, \quad
        |\psi| = 1; \qquad \min_x \sum_c \big|\tfrac1{n_c}\sum_{i \in c} \psi(x_i) - \tilde m_c\big|^2

    One row changes the sums and counts of one class by a vector of length :math:`\sqrt2`, so all of them together are one Gaussian
    mechanism, whose :math:`\sigma` the package `dp-accounting` finds. Whatever follows is postprocessing: samples start from noise, and the last
    ones are kept, since choosing among them would look at data again. The noise comes from the system's own source of secrets: no seed repeats
    it, or whoever knows the seed could take it away.

    What lies outside of the guarantee, and is said in the manifest: means and scales of the preprocessing, names of classes, the
    temperature of exported probabilities, and every score.

    Args:
        epsilon: :math:`\varepsilon`, positive, at most 50 (where nothing is promised any more); neighbours differ by one row that is there or not.
        delta: :math:`\delta` in (0, 1), below one over the rows.
        features: numbers of :math:`\psi`: more hold more of the data, and of the noise.
        networks: drawn by the seed, whose features are projected on so many numbers.

    Raises:
        SettingError: a value out of range, real targets, starts from rows, the package is missing.

    Deviations from the paper:
        1. Features of drawn networks, centred by those of noise and of unit length, in place of Fourier features (DP-MERF) or of networks
           pretrained on public data (DP-MEPF). 2. Samples are moved themselves, by no generator.

    References:
        Harder, Adamczewski, Park 2021 (DP-MERF, arXiv 2002.11603); Harder et al. 2023 (DP-MEPF, arXiv 2205.12900).

    Example:
        >>> PrivateMatching(epsilon=3.0).start
        'noise'
    """

    steps: int = 600
    rate: float = 0.05
    start: Start = "noise"
    epsilon: float = 1.0
    delta: float = 1e-5
    features: int = 256
    networks: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.epsilon <= _MOST or not 0 < self.delta < 1 or min(self.features, self.networks) < 1:
            raise SettingError(
                f"{self}: epsilon lies in (0, {_MOST}], delta lies in (0, 1), features and networks are at least 1"
            )
        if self.start != "noise" or self.labels != "hard" or self.label_rate:
            raise SettingError(
                "private matching starts from noise, and its labels are the classes: anything else would look at rows"
            )

    @property
    def guarantee(self) -> str:
        """What is promised, in words for the manifest."""
        return (
            f"samples are ({self.epsilon:g}, {self.delta:g})-differentially private in the training rows; preprocessing, names of classes, "
            "scores and the temperature of probabilities are not"
        )

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """What is released, noisy sums over noisy counts, and the centre of features. The only look at the training rows."""
        if problem.classes is None:
            raise SettingError("private matching is for classes: a real target would be released as it is")
        if self.delta * len(problem.train) >= 1:
            raise SettingError(
                f"delta is {self.delta:g} for {len(problem.train)} rows: give less than one over their number"
            )
        model = model_of(training.network, problem.task)
        centre, classes = self._centre(problem, training, seed, model), problem.classes
        psi = self._features(problem, training, seed, model, centre)
        sums = torch.zeros(classes, self.features + 1, dtype=torch.float64)
        for start in range(0, len(problem.train), _BATCH):
            some = problem.train.rows(torch.arange(start, min(start + _BATCH, len(problem.train))))
            x, *_ = some.batch(slice(None))
            found = psi(x).cpu().double()
            rows = torch.cat([found, torch.ones(len(found), 1, dtype=torch.float64)], 1)
            sums.index_add_(0, some.targets.cpu(), rows)
        secret = stream(secrets.randbits(63), "noise of a release")
        noisy = sums + self._sigma() * 2**0.5 * torch.randn(sums.shape, generator=secret, dtype=torch.float64)
        means = noisy[:, :-1] / noisy[:, -1:].clamp_min(1.0)
        return {"released": means.float().to(problem.train.device), "centre": centre}

    def rates(self) -> Mapping[str, float]:
        """What was released stays."""
        return {**super().rates(), "released": 0.0, "centre": 0.0}

    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Match the released means; no real row is read."""
        state = context.state
        released, centre = state.extra["released"], state.extra["centre"]
        psi = self._features(context.problem, context.training, state.seed, context.model, centre)

        def gap(free: Params) -> Tensor:
            (inputs,) = self.augmented(context, state.canvas.with_free(free).decode().inputs)
            return (class_means(psi(inputs), state.groups, len(released)) - released).square().sum()

        grads, value = grad_and_value(gap)(state.canvas.free)
        return grads | {key: torch.zeros_like(kept) for key, kept in state.extra.items()}, value

    def _centre(self, problem: Problem, training: Training, seed: int, model: Model) -> Tensor:
        """Mean features of pure noise."""
        public = torch.randn(_PUBLIC, *problem.task.shape, generator=stream(seed, "public"))
        with torch.no_grad():
            return self._raw(problem, training, seed, model)(public.to(problem.train.device)).mean(0)

    def _raw(self, problem: Problem, training: Training, seed: int, model: Model) -> Callable[[Tensor], Tensor]:
        """Features of all networks, side by side."""
        drawn = [initialise(training.network, problem.task, seed, "released", k) for k in range(self.networks)]
        params = {key: torch.stack([one[key] for one in drawn]).to(problem.train.device) for key in drawn[0]}

        def raw(inputs: Tensor) -> Tensor:
            found: Tensor = each_network(lambda p: model.features(p, inputs), params)
            return found.movedim(0, 1).flatten(1)

        return raw

    def _features(
        self, problem: Problem, training: Training, seed: int, model: Model, centre: Tensor
    ) -> Callable[[Tensor], Tensor]:
        r""":math:`\psi`, which the seed alone decides: (N, *shape) to (N, features) of unit length."""
        raw = self._raw(problem, training, seed, model)
        drawn = torch.randn(self.networks * model.width, self.features, generator=stream(seed, "projection"))
        projection = drawn.to(problem.train.device)

        def psi(inputs: Tensor) -> Tensor:
            return torch.nn.functional.normalize((raw(inputs) - centre) @ projection)

        return psi

    def _sigma(self) -> float:
        """The noise, in units of the sensitivity, that the guarantee needs."""
        try:
            import dp_accounting
            from dp_accounting import pld
        except ImportError as error:
            raise SettingError(
                "the guarantee is computed by dp-accounting: pip install 'engram-distillation[privacy]'"
            ) from error

        def epsilon_of(sigma: float) -> Any:
            return dp_accounting.GaussianDpEvent(sigma)

        found: float = dp_accounting.calibrate_dp_mechanism(
            pld.PLDAccountant, epsilon_of, self.epsilon, self.delta, dp_accounting.LowerEndpointAndGuess(0.0, 1.0)
        )
        return found
