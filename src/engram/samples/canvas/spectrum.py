"""Series as their low frequencies: several samples in the numbers of one."""

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ...errors import SettingError
from ..synthetic import Synthetic, check_labels, scores_of
from . import MOST_NUMBERS, InputsAndLabels

__all__ = ["Spectrum", "low_share"]


@dataclass(frozen=True, eq=False)
class Spectrum(InputsAndLabels):
    r"""Series that are sums of their lowest cosines; `factor` of them stand in the numbers of one and share its label.

    .. math:: x_n(t) = \sum_{k < T / f} s_{nk}\, c_k \cos\frac{\pi k (t + \frac12)}{T}, \qquad c_0 = \sqrt{1/T},\ c_k = \sqrt{2/T}

    Real series are smooth; what an objective adds at high frequencies serves the learner that it knows and misleads others.

    Args:
        inputs: (N f, channels, K), the coefficients; those of one label stand together.
        targets: (N, C) scores, or (N,) whole class numbers; or (N f, ...), each series has its own.
        length: points T of a series, at least K.
        factor: series that share a label, at least 1.
        classes: number of classes behind hard labels; 0 with scores.
        coarse: whether inputs and scores are stored in four bits.

    Raises:
        SettingError: sizes or labels that do not go together.

    References:
        Shin, Shin, Moon 2023 (frequency domain dataset distillation, arXiv 2311.08819), for images.

    Example:
        >>> Spectrum(torch.ones(4, 1, 8), torch.zeros(2, 3), length=16, factor=2).decode().inputs.shape
        torch.Size([4, 1, 16])
    """

    inputs: Tensor
    targets: Tensor
    length: int
    factor: int = 1
    classes: int = 0
    coarse: bool = False

    def __post_init__(self) -> None:
        if self.inputs.ndim != 3 or self.factor < 1 or not 0 < self.inputs.shape[2] <= self.length:
            raise SettingError(
                f"coefficients of shape {tuple(self.inputs.shape)} are no spectrum of series of {self.length} points"
            )
        if len(self.inputs) % self.factor or len(self.inputs) * self.inputs.shape[1] * self.length > MOST_NUMBERS:
            raise SettingError(
                f"{len(self.inputs)} series of {self.length} points do not stand {self.factor} to a label"
            )
        own = len(self.targets) == len(self.inputs)
        check_labels(self.targets, len(self.inputs) // (1 if own else self.factor), self.classes)

    @classmethod
    def of(cls, samples: Tensor, targets: Tensor, factor: int, classes: int, coarse: bool = False) -> Self:
        """Cut samples (N f, channels, T), those of one label together, to their lowest T / f frequencies."""
        length = samples.shape[-1]
        if length // factor < 2:
            raise SettingError(f"series of {length} points have no {factor} times fewer frequencies: lower formation")
        return cls(samples @ _cosines(length // factor, length, samples).mT, targets, length, factor, classes, coarse)

    def decode(self) -> Synthetic:
        """The samples."""
        samples = self.inputs @ _cosines(self.inputs.shape[2], self.length, self.inputs)
        labels = scores_of(self.targets, self.classes, samples)
        return Synthetic(samples, labels.repeat_interleave(len(samples) // len(labels), 0))


def low_share(series: Tensor, factor: int) -> float:
    """The share of the energy of series, about their mean over all, that their lowest 1/factor frequencies hold.

    Args:
        series: (N, channels, T).
        factor: at least 1.

    Returns:
        In [0, 1].

    Example:
        >>> low_share(torch.eye(4)[None] - 0.25, 1)
        1.0
    """
    centred = series - series.mean()
    found = centred @ _cosines(max(1, series.shape[-1] // factor), series.shape[-1], series).mT
    return float(found.square().sum() / centred.square().sum().clamp_min(1e-30))


def _cosines(count: int, length: int, like: Tensor) -> Tensor:
    """(count, length), orthonormal rows (the discrete cosine transform, type II)."""
    k, t = torch.arange(count, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64)
    rows = torch.cos(math.pi * k * (t + 0.5) / length) * math.sqrt(2 / length)
    rows[0] /= math.sqrt(2)
    return rows.to(like)
