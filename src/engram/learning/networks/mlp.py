"""The multi-layer perceptron, the default for tables."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ...errors import SettingError
from ..network import Net, activation

__all__ = ["MLP"]


@dataclass(frozen=True)
class MLP:
    r"""Fully connected layers: :math:`h_{l+1} = \sigma(W_l h_l + b_l)`, then a linear head.

    Args:
        width: units per hidden layer, at least 1.
        depth: hidden layers; 0 is a linear model.
        activation: relu, gelu, tanh or silu.

    Raises:
        SettingError: a value out of range.

    Example:
        >>> sum(p.numel() for p in MLP(width=8).build((3,), 2).parameters())
        50
    """

    width: int = 128
    depth: int = 1
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"

    def __post_init__(self) -> None:
        if self.width < 1 or self.depth < 0:
            raise SettingError(f"mlp takes width >= 1 and depth >= 0, not {self.width} and {self.depth}")

    @property
    def fixed_features(self) -> bool:
        """Whether only the readout learns: of a linear model."""
        return self.depth == 0

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for inputs of any shape, which are flattened."""
        size = math.prod(shape)
        layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
        for _ in range(self.depth):
            layers += [nn.Linear(size, self.width), activation(self.activation)]
            size = self.width
        return Net(nn.Sequential(*layers), nn.Linear(size, outputs))
