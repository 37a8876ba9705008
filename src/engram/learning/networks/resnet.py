"""ResNet-10 with group norm: the residual network that needs no running statistics."""

from dataclasses import dataclass

from torch import Tensor, nn

from ...errors import SettingError
from ..network import Net, image_shape

__all__ = ["ResNet"]


@dataclass(frozen=True)
class ResNet:
    """One basic block in each of four stages, the width doubling, then global average pooling.

    Args:
        width: channels of the first stage, a multiple of 8; 64 is the standard ResNet-10.

    Raises:
        SettingError: a width that eight channels a group do not divide.

    References:
        He et al. 2016; Wu & He 2018 (group norm).

    Example:
        >>> ResNet(width=8).build((1, 8, 8), 10).head.in_features
        64
    """

    width: int = 16

    def __post_init__(self) -> None:
        if self.width < 8 or self.width % 8:
            raise SettingError(f"resnet takes a width that is a multiple of 8, not {self.width}")

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for images (channels, height, width) of any size."""
        channels, height, _ = image_shape(shape, "resnet")
        layers: list[nn.Module] = [
            nn.Conv2d(channels, self.width, 3, padding=1, bias=False),
            nn.GroupNorm(self.width // 8, self.width),
            nn.ReLU(),
        ]
        channels = self.width
        for stage in range(4):
            wider = self.width * 2**stage
            shrink = stage > 0 and height >= 4
            layers.append(_Block(channels, wider, 2 if shrink else 1))
            channels, height = wider, height // 2 if shrink else height
        return Net(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(channels, outputs))


class _Block(nn.Module):
    def __init__(self, channels: int, wider: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False),
            nn.GroupNorm(wider // 8, wider),
            nn.ReLU(),
            nn.Conv2d(wider, wider, 3, padding=1, bias=False),
            nn.GroupNorm(wider // 8, wider),
        )
        same = stride == 1 and channels == wider
        self.skip: nn.Module = nn.Identity() if same else nn.Conv2d(channels, wider, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        total: Tensor = self.path(inputs) + self.skip(inputs)
        return total.relu()
