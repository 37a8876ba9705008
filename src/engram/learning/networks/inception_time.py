"""InceptionTime: convolutions of several lengths side by side, with a shortcut."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import SettingError
from ..network import Net, series_shape

__all__ = ["InceptionTime"]

_LENGTHS = (39, 19, 9)


@dataclass(frozen=True)
class InceptionTime:
    """Blocks of a bottleneck, convolutions of length 39, 19 and 9 and a pooled branch; one shortcut around all; then the mean over time.

    Args:
        width: channels of each of the four branches, a multiple of 8; 32 is the paper's.
        depth: blocks, at least 1; 6 in the paper.

    Raises:
        SettingError: a value out of range.

    Deviations from the paper:
        Group norm in place of batch norm, one network in place of five, one shortcut.

    References:
        Ismail Fawaz et al. 2020, InceptionTime, arXiv 1909.04939.

    Example:
        >>> InceptionTime(width=8, depth=2).build((1, 50), 4).head.in_features
        32
    """

    width: int = 16
    depth: int = 3

    def __post_init__(self) -> None:
        if self.width < 8 or self.width % 8 or self.depth < 1:
            raise SettingError(
                f"inception-time takes a width that is a multiple of 8 and a depth of at least 1, not {self.width} and {self.depth}"
            )

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for series (channels, length)."""
        channels, _ = series_shape(shape, "inception-time")
        wide = 4 * self.width
        blocks = [_Block(channels if k == 0 else wide, self.width) for k in range(self.depth)]
        embed = nn.Sequential(_Shortcut(channels, wide, blocks), nn.AdaptiveAvgPool1d(1), nn.Flatten())
        return Net(embed, nn.Linear(wide, outputs))


class _Block(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(channels, width, 1, bias=False)
        self.paths = nn.ModuleList(nn.Conv1d(width, width, n, padding=n // 2, bias=False) for n in _LENGTHS)
        self.pooled = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(channels, width, 1, bias=False))
        self.norm = nn.GroupNorm(4 * width // 8, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.narrow(x)
        return torch.relu(self.norm(torch.cat([*(path(narrow) for path in self.paths), self.pooled(x)], 1)))


class _Shortcut(nn.Module):
    def __init__(self, channels: int, wide: int, blocks: list[_Block]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.around = nn.Sequential(nn.Conv1d(channels, wide, 1, bias=False), nn.GroupNorm(wide // 8, wide))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.blocks(x) + self.around(x))
