"""On how many directions of the input the targets depend, as first and second moments tell.

Inputs are flattened to (N, d) and normalised, as a network sees them. Data are read in batches.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import DataError, SettingError
from ..numerics.linalg import solve
from ..numerics.subspaces import whitening
from ..random import stream
from .rows import Rows

__all__ = ["Dimension", "dimension", "label_weighted_covariance"]

_ROWS = 20_000


_MOST_COLUMNS = 512
"""Beyond, forty shuffles of their second moments take minutes."""


def label_weighted_covariance(data: Rows, most: int = _ROWS) -> Tensor:
    r"""How the second moments of the inputs depend on the targets: one matrix per output.

    .. math:: M_c = \frac1N \sum_n \tilde y_{nc}\, \tilde x_n \tilde x_n^\top

    Targets lose their constant and linear part and are scaled to unit variance; inputs lose their mean. For a
    multi-index model with standard Gaussian inputs its expectation is :math:`H/\sqrt{\mathrm{Var}\,y}`.

    Args:
        data: rows with real targets or class scores.
        most: rows read, at most.

    Returns:
        (C, d, d).

    References:
        Li 1992 (principal Hessian directions); Kinoshita, Nishikawa, Toyoizumi 2026 for its part in distillation.

    Example:
        >>> from engram.samples.synthetic import Synthetic
        >>> x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
        >>> found = label_weighted_covariance(Synthetic(x, x[:, :1].square()))[0]
        >>> int(found.diagonal().argmax())
        0
    """
    x, y = _rows(data, most)
    return _second(x, _left(x, y))


@dataclass(frozen=True, eq=False)
class Dimension:
    """An estimated intrinsic dimension.

    Args:
        estimate: directions that carry more than chance.
        low: lower end of the interval.
        high: upper end of the interval.
        directions: (d, high), strongest first.
        values: (d,) energies of all directions.
        threshold: what chance reaches once in twenty times.
    """

    estimate: int
    low: int
    high: int
    directions: Tensor
    values: Tensor
    threshold: float


def dimension(data: Rows, seed: int = 0, shuffles: int = 40, most: int = _ROWS) -> Dimension:
    r"""Estimate on how many directions of the input the targets depend, linearly or in the second moments.

    Rows are whitened. The matrix :math:`S = \sum_c \beta_c \beta_c^\top/b + M_c^2/m` holds what least squares and the
    label-weighted covariance see, each in units (b, m) of the largest eigenvalue that shuffled targets give it. Its
    eigenvalues are compared with those of the same rows under shuffled targets. The estimate counts those above the 95 % quantile of the largest shuffled eigenvalue; the interval, those above
    its 99.5 % quantile (fitted by a normal to its logarithm) and above its median.

    It sees what first and second moments see: a task that is invisible to them has dimension 0 here, and weak
    directions need many rows. Its coverage is measured in ``engram study limits``.

    Args:
        data: rows with real targets or class scores.
        seed: of the shuffles.
        shuffles: at least 10.
        most: rows read, at most.

    Returns:
        The estimate with its interval.

    Raises:
        DataError: fewer than two rows a direction, or more than 512 columns.
        SettingError: too few shuffles.

    References:
        Horn 1965 (parallel analysis); Li 1992.

    Example:
        >>> from engram.data.sources.multi_index import MultiIndex
        >>> dimension(MultiIndex(d=20, r=2, rows=8000).load(0).train).estimate
        2
    """
    if shuffles < 10:
        raise SettingError(f"{shuffles} shuffles: use at least 10")
    x, y = _rows(data, most)
    d = x.shape[1]
    if d > _MOST_COLUMNS:
        raise DataError(
            f"{d} columns are too many to tell directions among: at most {_MOST_COLUMNS}, or reduce them first"
        )
    if len(x) < 2 * d:
        raise DataError(f"{len(x)} rows are too few to tell directions among {d} columns: give at least {2 * d}")
    root, _ = whitening(x)
    x = x @ root
    shuffled = [y[torch.randperm(len(y), generator=stream(seed, "shuffle", k)).to(y.device)] for k in range(shuffles)]
    chance = [_squares(x, other) for other in shuffled]
    units = [sum(float(torch.linalg.eigvalsh(pair[part])[-1]) for pair in chance) / shuffles for part in (0, 1)]
    together = lambda pair: pair[0] / units[0] + pair[1] / units[1]  # noqa: E731
    values, vectors = torch.linalg.eigh(together(_squares(x, y)))
    order = values.argsort(descending=True)
    logs = torch.tensor([float(torch.linalg.eigvalsh(together(pair))[-1]) for pair in chance]).double().log()
    spread = float(logs.std())
    limits = [math.exp(float(logs.mean()) + z * spread) for z in (1.645, 2.576, 0.0)]
    estimate, low, high = (int((values > limit).sum()) for limit in limits)
    # A direction z = root @ v of whitened rows is the direction root @ v of x.
    found = torch.linalg.qr(root @ vectors[:, order[: max(high, 1)]])[0]
    return Dimension(estimate, low, high, found, values[order], limits[0])


def _squares(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """What whitened rows say of the targets to first and to second order: (d, d) each, positive semidefinite."""
    linear = x.mT @ y / len(x)
    second = _second(x, y - x @ linear)
    return linear @ linear.mT, (second @ second).sum(0)


def _second(x: Tensor, left: Tensor) -> Tensor:
    return torch.stack([x.mT @ (column[:, None] * x) / len(x) for column in left.unbind(1)])


def _left(x: Tensor, y: Tensor) -> Tensor:
    """Targets less their linear part."""
    gram = x.mT @ x
    ridge = 1e-6 * gram.diagonal().mean() * torch.eye(len(gram), device=x.device)
    return y - x @ solve(gram + ridge, x.mT @ y)


def _rows(data: Rows, most: int) -> tuple[Tensor, Tensor]:
    """At most so many rows: inputs centred, targets standardised, constant ones left out."""
    parts = []
    seen = 0
    for x, y, _ in data.batches():
        parts.append((x.flatten(1)[: most - seen], y[: most - seen]))
        seen += len(parts[-1][0])
        if seen >= most:
            break
    x, y = (torch.cat(part) for part in zip(*parts, strict=True))
    spread = y.std(0)
    kept = spread > 1e-9
    return x - x.mean(0), (y[:, kept] - y[:, kept].mean(0)) / spread[kept]
