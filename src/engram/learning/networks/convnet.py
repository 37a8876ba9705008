"""The convolutional network of the field: blocks of convolution, norm, activation, pooling."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from ...errors import SettingError
from ..network import Net, activation, image_shape

__all__ = ["ConvNet"]


@dataclass(frozen=True)
class ConvNet:
    """Blocks of 3 x 3 convolution, norm, activation and 2 x 2 pooling, then a linear head.

    ConvNet(width=128, depth=3, norm="instance") is the field's ConvNet-3.

    Args:
        width: channels, at least 1.
        depth: blocks; the image must be at least 2**depth pixels on a side.
        norm: instance, group (eight channels a group), layer (one group) or none.
        activation: relu, gelu, tanh or silu.
        pool: average or max.

    Raises:
        SettingError: a value out of range, or an image too small for the depth.

    References:
        Gidaris & Komodakis 2018; Zhao & Bilen 2021 (DC).

    Example:
        >>> ConvNet(width=8, depth=2).build((1, 8, 8), 10).head.in_features
        32
    """

    width: int = 128
    depth: int = 3
    norm: Literal["instance", "group", "layer", "none"] = "instance"
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    pool: Literal["average", "max"] = "average"

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 1:
            raise SettingError(f"convnet takes width and depth of at least 1, not {self.width} and {self.depth}")
        if self.norm == "group" and self.width % 8:
            raise SettingError(f"group norm takes a width that is a multiple of 8, not {self.width}")

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for images (channels, height, width)."""
        channels, height, width = image_shape(shape, "convnet")
        if min(height, width) < 2**self.depth:
            raise SettingError(f"convnet of depth {self.depth} needs images of {2**self.depth} pixels, not {shape}")
        layers: list[nn.Module] = []
        for _ in range(self.depth):
            layers += [nn.Conv2d(channels, self.width, 3, padding=1), *_norm(self.norm, self.width)]
            layers += [activation(self.activation), Halve() if self.pool == "average" else nn.MaxPool2d(2)]
            channels, height, width = self.width, height // 2, width // 2
        return Net(nn.Sequential(*layers, nn.Flatten()), nn.Linear(channels * height * width, outputs))


class Halve(nn.Module):
    """2 x 2 average pooling: what `nn.AvgPool2d(2)` computes, in a quarter of its time on a CPU."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Halve both sides; an odd last row or column is left out."""
        if inputs.device.type != "cpu":
            return avg_pool2d(inputs, 2)
        height, width = inputs.shape[-2] // 2, inputs.shape[-1] // 2
        upper, lower = inputs[..., : 2 * height, : 2 * width].unflatten(-2, (height, 2)).unbind(-2)
        # PyTorch's own kernel takes longer than the convolution before it; a product with a constant is what CPUs do best.
        exact = torch.promote_types(inputs.dtype, torch.float32)
        pairs = torch.eye(width, dtype=exact).repeat_interleave(2, 0) / 4
        return ((upper.to(exact) + lower.to(exact)) @ pairs).to(inputs.dtype)


def _norm(name: str, channels: int) -> list[nn.Module]:
    """A norm without running statistics: instance, group, layer, or none."""
    groups = {"instance": channels, "group": channels // 8, "layer": 1}
    return [] if name == "none" else [nn.GroupNorm(groups[name], channels)]
