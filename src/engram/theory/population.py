"""What a link is in the population: Hessian, variance, information exponent."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError
from ..random import stream
from .link import hermite

__all__ = ["Population", "population"]

_TENSOR = 4
"""Up to so many indices a tensor grid of Gauss-Hermite nodes is affordable."""
_NODES = {1: 200, 2: 80, 3: 40, 4: 24}
_DRAWS = 500_000


@dataclass(frozen=True, eq=False)
class Population:
    r"""Gaussian averages of a link g of r indices.

    Args:
        mean: :math:`E\,g(z)`.
        variance: :math:`\mathrm{Var}\,g(z)`.
        linear: (r,) :math:`E\,g(z) z = E \nabla g`.
        hessian: (r, r) :math:`H = E\,g(z)(z z^\top - I) = E \nabla^2 g`.
        error: largest error of these: between two orders of quadrature, or a standard error.
        rule: how they were computed.
        exponent: information exponent: least degree of a Hermite coefficient that is not zero; 0 for a constant,
            4 when there is none up to degree three.
        excess: :math:`\kappa = E\,\tilde g^2 |z|^2/(r\,E\,\tilde g^2)` with :math:`\tilde g` the link without its constant and
            linear part: how much more a label-weighted average fluctuates along the relevant directions than others.
    """

    mean: float
    variance: float
    linear: Tensor
    hessian: Tensor
    error: float
    rule: str
    exponent: int
    excess: float

    @property
    def spectrum(self) -> Tensor:
        """Eigenvalues of H, largest magnitude first."""
        values = torch.linalg.eigvalsh(self.hessian)
        return values[values.abs().argsort(descending=True)]

    @property
    def strength(self) -> float:
        r""":math:`|H|_F^2 / \mathrm{Var}(g)`: the share of the label that one step can see, twice over."""
        return float(self.hessian.square().sum()) / self.variance

    @property
    def remaining(self) -> float:
        """Variance of the label without its linear part."""
        return self.variance - float(self.linear.square().sum())


def population(link: Callable[[Tensor], Tensor], r: int) -> Population:
    r"""Average a link over :math:`z \sim N(0, I_r)`.

    Up to four indices by tensor Gauss-Hermite quadrature, its error the change from a coarser rule; above, by
    half a million draws in antithetic pairs, its error the standard error.

    Args:
        link: (N, r) to (N,).
        r: number of indices.

    Returns:
        The averages, in float64.

    Raises:
        DataError: values that are not finite, or of another shape.

    References:
        Stein's lemma; Ben Arous, Gheissari, Jagannath 2021 (information exponent).

    Example:
        >>> from engram.theory.links.hermite import Hermite
        >>> base = population(Hermite(), 2)
        >>> round(base.variance, 6), base.exponent, base.spectrum.round(decimals=4).tolist()
        (1.0, 2, [0.7746, 0.7746])
    """
    if r <= _TENSOR:
        grid = [_grid(r, _NODES[r])]
        fine, coarse = _moments(link, *grid[0]), _moments(link, *_grid(r, _NODES[r] * 3 // 4))
        errors = [float((a - b).abs().max()) for a, b in zip(fine, coarse, strict=True)]
        rule = f"Gauss-Hermite, {_NODES[r]} nodes an index"
    else:
        half = torch.randn(_DRAWS // 2, r, generator=stream(0, "population"), dtype=torch.float64)
        grid = [(z, _even(len(z))) for z in torch.cat([half, -half], 1).reshape(-1, r).chunk(20)]
        parts = [_moments(link, *draws) for draws in grid]
        fine = tuple(torch.stack(part).mean(0) for part in zip(*parts, strict=True))
        errors = [float((torch.stack(part).std(0) / 20**0.5).max()) for part in zip(*parts, strict=True)]
        rule = f"{_DRAWS:,} antithetic draws"
    mean, square, linear, hessian, third = fine
    error = max(errors[:4])
    degrees = ((1, linear, errors[2]), (2, hessian, errors[3]), (3, third, errors[4]))
    exponent = next((k for k, part, off in degrees if float(part.abs().max()) > max(1e-6, 6 * off)), 0)
    variance = float(square - mean**2)
    if exponent == 0 and variance > max(1e-6, 6 * errors[1]):
        exponent = 4  # at least: no coefficient up to degree three
    squares = [_squares(link, z, weight, mean, linear) for z, weight in grid]
    weighted, plain = (sum(float(pair[k]) for pair in squares) for k in (0, 1))
    excess = weighted / (r * plain) if plain > 1e-12 else 1.0
    return Population(float(mean), variance, linear, hessian, error, rule, exponent, excess)


def _moments(link: Callable[[Tensor], Tensor], z: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    values = _values(link, z)
    if values.shape != weight.shape or not torch.isfinite(values).all():
        raise DataError(f"a link takes (N, {z.shape[1]}) to (N,) finite values, not {tuple(values.shape)}")
    weighted = weight * values
    hessian = z.T @ (weighted[:, None] * z) - weighted.sum() * torch.eye(z.shape[1], dtype=z.dtype)
    # Pure third degrees and, through the first index pairs, mixed ones.
    third = torch.cat([(weighted[:, None] * hermite(3, z)).sum(0), *_mixed(z, weighted)])
    return weighted.sum(), weighted @ values, weighted @ z, hessian, third


def _squares(link: Callable[[Tensor], Tensor], z: Tensor, weight: Tensor, mean: Tensor, linear: Tensor) -> Tensor:
    """Of the link without its constant and linear part: E g^2 |z|^2 and E g^2."""
    square = weight * (_values(link, z) - mean - z @ linear).square()
    return torch.stack([square @ z.square().sum(1), square.sum()])


def _values(link: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """Values in double precision where the link takes it, in single where it holds single tensors of its own."""
    try:
        return link(z)
    except RuntimeError:
        return link(z.float()).double()


def _mixed(z: Tensor, weighted: Tensor) -> list[Tensor]:
    r = z.shape[1]
    pairs = (z.square() - 1).T @ (weighted[:, None] * z) * (1 - torch.eye(r, dtype=z.dtype))
    triples = [
        (weighted * z[:, i] * z[:, j] * z[:, k]).sum()[None]
        for i in range(min(r, 6))
        for j in range(i)
        for k in range(j)
    ]
    return [pairs.flatten(), *triples]


def _grid(r: int, nodes: int) -> tuple[Tensor, Tensor]:
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    axis, mass = torch.from_numpy(points), torch.from_numpy(weights / math.sqrt(2 * math.pi))
    return torch.cartesian_prod(*[axis] * r).reshape(-1, r), torch.cartesian_prod(*[mass] * r).reshape(-1, r).prod(1)


def _even(rows: int) -> Tensor:
    return torch.full((rows,), 1 / rows, dtype=torch.float64)
