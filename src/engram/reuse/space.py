"""Spaces of architectures among which a search looks."""

import itertools
from typing import Literal, get_args

from ..errors import SettingError
from ..learning.network import Network
from ..learning.networks.convnet import ConvNet
from ..learning.networks.mlp import MLP

__all__ = ["SPACES", "Space", "candidates"]

Space = Literal["convnet", "mlp"]
SPACES: tuple[Space, ...] = get_args(Space)


def candidates(space: Space, shape: tuple[int, ...]) -> list[Network]:
    """The architectures of a space that read inputs of this shape.

    Args:
        space: ``convnet`` (width 8 to 64, one to three blocks, two norms) or ``mlp`` (width 16 to 128, one to three layers, two activations).
        shape: of an input.

    Returns:
        Twenty-four; of convnets fewer where images are too small for three blocks.

    Raises:
        SettingError: convnets for inputs that are no images, another space.

    Example:
        >>> len(candidates("mlp", (30,)))
        24
    """
    if space == "mlp":
        wide, deep, kinds = (16, 32, 64, 128), (1, 2, 3), ("relu", "tanh")
        return [MLP(width, depth, kind) for width, depth, kind in itertools.product(wide, deep, kinds)]  # type: ignore[arg-type]
    if space != "convnet":
        raise SettingError(f"space is {space!r}; it takes {' or '.join(SPACES)}")
    if len(shape) != 3:
        raise SettingError(f"convnets read images; these inputs have shape {shape}: search the space mlp")
    norms = ("instance", "none")
    every = itertools.product((8, 16, 32, 64), (1, 2, 3), norms)
    return [ConvNet(width, depth, norm) for width, depth, norm in every if min(shape[1:]) >= 2**depth]  # type: ignore[arg-type]
