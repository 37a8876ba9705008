"""The fully convolutional network for time series: three blocks, then the mean over time."""

from dataclasses import dataclass

from torch import nn

from ...errors import SettingError
from ..network import Net, series_shape

__all__ = ["FCN"]


@dataclass(frozen=True)
class FCN:
    """Convolutions of length 7, 5 and 3 with group norm and ReLU, the middle one twice as wide, then global average pooling.

    Args:
        width: channels of the first block, a multiple of 8; 128 is the paper's.

    Raises:
        SettingError: a width that eight channels a group do not divide.

    Deviations from the paper:
        Group norm in place of batch norm, which keeps running statistics; a length of 7 in place of 8, which no padding centres.

    References:
        Wang, Yan, Oates 2017, Time series classification from scratch, arXiv 1611.06455.

    Example:
        >>> FCN(width=16).build((1, 50), 4).head.in_features
        16
    """

    width: int = 64

    def __post_init__(self) -> None:
        if self.width < 8 or self.width % 8:
            raise SettingError(f"fcn takes a width that is a multiple of 8, not {self.width}")

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for series (channels, length)."""
        channels, _ = series_shape(shape, "fcn")
        layers: list[nn.Module] = []
        for wide, length in ((self.width, 7), (2 * self.width, 5), (self.width, 3)):
            layers += [nn.Conv1d(channels, wide, length, padding="same"), nn.GroupNorm(wide // 8, wide), nn.ReLU()]
            channels = wide
        return Net(nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten()), nn.Linear(channels, outputs))
