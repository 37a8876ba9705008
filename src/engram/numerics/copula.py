r"""A Gaussian copula with few factors: marginals by quantiles, dependence by loadings.

.. math:: u = L z + \sqrt{1 - |L|^2}\,\varepsilon, \qquad x_j = Q_j(\Phi(u_j)), \qquad z, \varepsilon \sim N(0, I)
"""

import torch
from torch import Tensor

__all__ = ["correlated", "drawn", "fit_loadings", "fit_offsets", "grid", "quantiles"]

_REACH, _BEYOND = 2.5, 3.0
"""Normal scores of the outermost quantiles, and of the outermost number that is drawn."""

_ROUNDS = 50
_MOST_SHARED = 0.99
"""Of a column's variance that factors may explain."""


def grid(knots: int) -> Tensor:
    """Normal scores of so many quantiles, evenly between -2.5 and 2.5.

    Example:
        >>> grid(3)
        tensor([-2.5000,  0.0000,  2.5000])
    """
    return torch.linspace(-_REACH, _REACH, knots)


def quantiles(rows: Tensor, knots: int) -> Tensor:
    """The quantiles (knots, d) of rows (N, d) at the normal scores of `grid`: neither the least nor the largest value."""
    places = torch.special.ndtr(grid(knots)).to(rows) * (len(rows) - 1)
    low = places.floor().long().clamp_max(max(0, len(rows) - 2))
    ordered, high = rows.sort(0).values, (low + 1).clamp_max(len(rows) - 1)
    return torch.lerp(ordered[low], ordered[high], (places - low)[:, None])


def drawn(normal: Tensor, knots: Tensor) -> Tensor:
    r"""Numbers with these quantiles, linear in the normal score between them, and a little beyond: :math:`Q_j(\Phi(u_j))`.

    A normal column is so held by two knots, and a heavy tail is not made heavier.

    Args:
        normal: (N, d), standard normal.
        knots: (q, d) quantiles.

    Returns:
        (N, d).

    Example:
        >>> drawn(torch.zeros(1, 1), torch.tensor([[0.0], [1.0], [5.0]]))
        tensor([[1.]])
    """
    places = (normal.clamp(-_BEYOND, _BEYOND) + _REACH) / (2 * _REACH) * (len(knots) - 1)
    low = places.floor().long().clamp(0, len(knots) - 2)
    return torch.lerp(knots.gather(0, low), knots.gather(0, low + 1), places - low)


def correlated(loadings: Tensor, count: int, generator: torch.Generator) -> Tensor:
    r"""Standard normals (count, d) that share factors: :math:`L z + \sqrt{1 - |L|^2}\,\varepsilon`."""
    shared, own = (torch.randn(count, size, generator=generator).to(loadings) for size in reversed(loadings.shape))
    return shared @ loadings.mT + own * (1 - loadings.square().sum(1)).clamp_min(0).sqrt()


def fit_loadings(rows: Tensor, factors: int) -> Tensor:
    """Loadings (d, factors) of the normal scores of rows (N, d), by principal factors; columns that never vary have none.

    References:
        Murray, Dunson, Carin, Lucas 2013, Bayesian Gaussian copula factor models.
    """
    scores = torch.special.ndtri((_ranks(rows) + 0.5) / len(rows))
    spread = scores.std(0, correction=0)
    scores = (scores - scores.mean(0)) / torch.where(spread > 1e-6, spread, torch.inf)
    correlation = scores.mT @ scores / len(rows)
    found, own = torch.zeros(rows.shape[1], factors).to(rows), correlation.diagonal() / 2
    for _ in range(_ROUNDS):
        sizes, vectors = torch.linalg.eigh(correlation - own.diag())
        found = vectors[:, -factors:] * sizes[-factors:].clamp_min(0).sqrt()
        found = found / (found.square().sum(1, keepdim=True) / _MOST_SHARED).clamp_min(1).sqrt()
        own = correlation.diagonal() - found.square().sum(1)
    return found


def fit_offsets(shares: Tensor, normal: Tensor) -> Tensor:
    """What to add to normals (N, m) so that each is the largest of its row as often as its share (m,) says."""
    offsets = torch.zeros_like(shares)
    floor = 0.5 / len(normal)
    for _ in range(_ROUNDS):
        found = torch.bincount((normal + offsets).argmax(1), minlength=len(shares)) / len(normal)
        offsets = offsets + 0.5 * (shares.clamp_min(floor) / found.clamp_min(floor)).log()
    return offsets - offsets.mean()


def _ranks(rows: Tensor) -> Tensor:
    """Ranks from 0, equal values sharing their mean."""
    parts = []
    for column in rows.unbind(1):
        _, places, counts = column.unique(return_inverse=True, return_counts=True)
        parts.append((counts.cumsum(0) - (counts + 1) / 2)[places])
    return torch.stack(parts, 1).to(rows)
