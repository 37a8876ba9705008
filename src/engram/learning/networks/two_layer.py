"""The two-layer network of the theory, in the field's own parametrisation."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import nn

from ...errors import SettingError
from ..network import Net, activation

__all__ = ["TwoLayer"]


@dataclass(frozen=True)
class TwoLayer:
    r"""One hidden layer: :math:`f(x) = \sum_i a_i\,\sigma(\langle w_i, x\rangle + b_i)`, :math:`w_i \sim N(0, I/d)`.

    The network starts at zero with neurons in pairs: rows i and i + L/2 share `w` and have opposite `a`,
    so the first step of training sees the targets themselves.

    Args:
        width: number of neurons L, even.
        activation: relu, gelu, tanh or silu.
        antithetic: whether every `w` comes with `-w`, so that no mean direction is common to all rows; L is then a
            multiple of 4.

    Raises:
        SettingError: a width that the symmetries do not divide.

    References:
        Kinoshita, Nishikawa, Toyoizumi, ICML 2026, arXiv 2603.14830; Damian, Lee, Soltanolkotabi 2022.

    Example:
        >>> import torch
        >>> TwoLayer(width=8).build((3,), 1)(torch.ones(1, 3)).abs().item() < 1e-6
        True
    """

    width: int = 512
    activation: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    antithetic: bool = False

    def __post_init__(self) -> None:
        if self.antithetic and self.width % 4:
            raise SettingError(f"an antithetic two-layer takes a width that is a multiple of 4, not {self.width}")
        if self.width < 2 or self.width % 2:
            raise SettingError(
                f"two-layer takes an even width of at least 2, so that neurons pair up, not {self.width}"
            )

    def build(self, shape: tuple[int, ...], outputs: int) -> Net:
        """A module for inputs of any shape, which are flattened."""
        size, half = math.prod(shape), self.width // 2
        hidden, head = nn.Linear(size, self.width), nn.Linear(self.width, outputs)
        nn.init.normal_(hidden.weight, std=size**-0.5)
        if self.antithetic:
            hidden.weight.data[half // 2 : half] = -hidden.weight.data[: half // 2]
        nn.init.zeros_(hidden.bias)
        signs = nn.init.normal_(head.weight).sign() / self.width**0.5
        hidden.weight.data[half:] = hidden.weight.data[:half]
        if self.antithetic:
            signs[:, half // 2 : half] = signs[:, : half // 2]
        signs[:, half:] = -signs[:, :half]
        head.weight.data = signs.detach()
        nn.init.zeros_(head.bias)
        return Net(nn.Sequential(nn.Flatten(), hidden, activation(self.activation)), head)
