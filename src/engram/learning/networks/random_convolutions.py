"""Random convolutions: features of time series that need no training, only a readout."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...errors import SettingError
from ..network import Net, series_shape

__all__ = ["RandomConvolutions"]

_SHARPNESS = 4.0
"""Of the sigmoid that stands for a step: how often a response is positive, with a derivative."""


@dataclass(frozen=True)
class RandomConvolutions:
    r"""Kernels drawn at random at several dilations; of each response its share of positive values, maximum and minimum.

    .. math:: \phi_k(x) = \Big(2\,\overline{\sigma(4 z_k)} - 1,\ \tfrac12(\max z_k - \tfrac32),\ \tfrac12(\min z_k + \tfrac32)\Big),
        \qquad z_k = w_k * x + b_k

    Kernels have zero sum and unit norm, biases are uniform in [-1, 1], each kernel reads a random subset of the channels. Drawn by the seed,
    they cost nothing to store; trained by a readout alone they are among the best of what is known on short series.

    Args:
        width: kernels, at least 8.
        length: of a kernel, odd, at least 3; dilated by powers of two as far as a series is long.

    Raises:
        SettingError: a value out of range.

    Deviations from the papers:
        A sigmoid stands for the step, so that samples can move; biases are uniform and not quantiles of data, so that a network
        needs nothing but its seed.

    References:
        Dempster, Petitjean, Webb 2020 (ROCKET, arXiv 1910.13051); Dempster, Schmidt, Webb 2021 (MiniRocket, arXiv 2012.08791).

    Example:
        >>> RandomConvolutions(width=16).build((2, 30), 3).head.in_features
        48
    """

    fixed_features: ClassVar[bool] = True
    width: int = 512
    length: int = 9

    def __post_init__(self) -> None:
        if self.width < 8 or self.length < 3 or self.length % 2 == 0:
            raise SettingError(
                f"random-convolutions takes a width of at least 8 and an odd length of at least 3, not {self.width} and {self.length}"
            )

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for series (channels, length)."""
        channels, points = series_shape(shape, "random-convolutions")
        reach = max(1.0, (points - 1) / (self.length - 1))
        dilations = [2**k for k in range(min(1 + int(math.log2(reach)), self.width))]
        shares = [len(range(k, self.width, len(dilations))) for k in range(len(dilations))]
        kernels = [_kernels(channels, share, self.length, d) for share, d in zip(shares, dilations, strict=True)]
        return Net(_Responses(kernels), nn.Linear(3 * self.width, outputs))


def _kernels(channels: int, count: int, length: int, dilation: int) -> nn.Conv1d:
    layer = nn.Conv1d(channels, count, length, dilation=dilation, padding=dilation * (length // 2))
    with torch.no_grad():
        drawn = torch.randn(layer.weight.shape)
        # Few channels for most kernels, all for some: their number is uniform in the logarithm.
        seen = torch.exp(torch.rand(count, 1) * math.log(channels + 1)).long().clamp_max(channels)
        order = torch.rand(count, channels).argsort(1).argsort(1)
        drawn = drawn * (order < seen)[..., None]
        drawn = drawn - drawn.mean(-1, keepdim=True)
        layer.weight.copy_(drawn / drawn.flatten(1).norm(dim=1)[:, None, None])
        layer.bias.uniform_(-1, 1)  # type: ignore[union-attr]
    return layer


class _Responses(nn.Module):
    def __init__(self, kernels: list[nn.Conv1d]) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(kernels)

    def forward(self, inputs: Tensor) -> Tensor:
        parts = []
        for layer in self.kernels:
            found = layer(inputs)
            parts.append(2 * torch.sigmoid(_SHARPNESS * found).mean(-1) - 1)
            parts += [0.5 * (found.amax(-1) - 1.5), 0.5 * (found.amin(-1) + 1.5)]
        return torch.cat(parts, 1)
