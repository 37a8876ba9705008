"""How far two gradients are apart, and points from the nearest of others."""

from typing import Literal

import torch
from torch import Tensor

from .optimizers import Params

__all__ = ["Grain", "cosine_distance", "nearest_distances"]

Grain = Literal["unit", "layer", "whole"]
"""What has a direction of its own: each output unit of a layer, each layer, or the gradient as a whole."""


def cosine_distance(one: Params, other: Params, grain: Grain = "layer") -> Tensor:
    r"""Sum of :math:`1 - \cos(g, g')` over units, layers or the whole gradient.

    By unit and by layer, biases and norm scales are left out, as in DC; the whole gradient has them.

    Args:
        one: gradients by name.
        other: gradients of the same shapes.
        grain: what has a direction of its own.

    Returns:
        A number: 0 when all directions agree, 2 for each that is opposite. A unit without a gradient on both sides
        agrees; one without it on one side counts 1.

    References:
        Zhao, Mopuri, Bilen 2021 (DC), equation 9 and appendix (units).

    Example:
        >>> g = {"weight": torch.tensor([[3.0, 4.0], [0.0, 1.0]])}
        >>> cosine_distance(g, {"weight": torch.tensor([[4.0, -3.0], [0.0, 2.0]])}, "unit")
        tensor(1.)
    """
    if grain == "whole":
        pairs = [tuple(torch.cat([grads[key].flatten() for key in one])[None] for grads in (one, other))]
    else:
        rows = lambda g: g.flatten(1) if grain == "unit" else g.reshape(1, -1)  # noqa: E731
        pairs = [(rows(g), rows(other[key])) for key, g in one.items() if g.ndim >= 2]
    # The floor keeps the derivative finite where a unit receives no gradient at all.
    unit = lambda g: g / (g.square().sum(1, keepdim=True) + 1e-24).sqrt()  # noqa: E731
    silent = lambda a, b: ((a == 0) & (b == 0)).all(1)  # noqa: E731
    return torch.cat([1 - (unit(a) * unit(b)).sum(1) - silent(a, b).to(a) for a, b in pairs]).sum()


def nearest_distances(some: Tensor, others: Tensor) -> Tensor:
    """Distances to the nearest of others, a batch at a time.

    Args:
        some: (N, d).
        others: (M, d).

    Returns:
        (N,).

    Example:
        >>> nearest_distances(torch.tensor([[0.0], [5.0]]), torch.tensor([[1.0], [7.0]]))
        tensor([1., 2.])
    """
    return torch.cat([torch.cdist(part, others).min(1).values for part in some.split(256)])
