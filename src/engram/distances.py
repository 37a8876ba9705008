"""How far two gradients are apart."""

import torch
from torch import Tensor

from .optimizers import Params

__all__ = ["layerwise_cosine"]


def layerwise_cosine(one: Params, other: Params) -> Tensor:
    r"""Sum over layers and output units of :math:`1 - \cos(g, g')`; biases and norm scales are left out.

    Args:
        one: gradients by name.
        other: gradients of the same shapes.

    Returns:
        A number in [0, 2 x units]; 0 when they are parallel.

    References:
        Zhao, Mopuri, Bilen 2021 (DC), equation 9 and appendix.

    Example:
        >>> g = {"weight": torch.tensor([[3.0, 4.0], [0.0, 1.0]])}
        >>> layerwise_cosine(g, {"weight": torch.tensor([[4.0, -3.0], [0.0, 2.0]])})
        tensor(1.)
    """
    total = torch.zeros(())
    for key, left in one.items():
        if left.ndim >= 2:
            left, right = left.flatten(1), other[key].flatten(1)
            norms = left.square().sum(1) * right.square().sum(1)
            # The floor keeps the derivative finite for units that receive no gradient.
            total = total + (1 - (left * right).sum(1) / (norms + 1e-12).sqrt()).sum()
    return total
