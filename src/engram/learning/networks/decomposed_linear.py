"""The linear forecaster: a series as its moving average and what is left, each read linearly."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import SettingError
from ..network import Net, series_shape

__all__ = ["DecomposedLinear"]


@dataclass(frozen=True)
class DecomposedLinear:
    r"""Outputs linear in the moving average (trend) and in the rest.

    .. math:: f(x) = W (\bar x,\ x - \bar x) + b

    Args:
        window: of the moving average, odd; 25 in the paper. A series that is shorter has the longest odd one that fits.

    Raises:
        SettingError: a window that is even or below 3.

    References:
        Zeng et al. 2023 (DLinear), Are transformers effective for time series forecasting?, arXiv 2205.13504.

    Example:
        >>> DecomposedLinear().build((1, 48), 12).head.in_features
        96
    """

    fixed_features: ClassVar[bool] = True
    window: int = 25

    def __post_init__(self) -> None:
        if self.window < 3 or self.window % 2 == 0:
            raise SettingError(f"decomposed-linear takes an odd window of at least 3, not {self.window}")

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for series (channels, length)."""
        channels, points = series_shape(shape, "decomposed-linear")
        fits = min(self.window, points - 1 + points % 2)
        return Net(_Decompose(fits), nn.Linear(2 * channels * points, outputs))


class _Decompose(nn.Module):
    def __init__(self, window: int) -> None:
        super().__init__()
        # A gain that learns, so that features too have a parameter.
        self.gain = nn.Parameter(torch.ones(()))
        self.window = window

    def forward(self, inputs: Tensor) -> Tensor:
        half = self.window // 2
        padded = nn.functional.pad(inputs, (half, half), mode="replicate")
        trend = nn.functional.avg_pool1d(padded, self.window, 1)
        return self.gain * torch.cat([trend, inputs - trend], 1).flatten(1)
