"""Principal subspaces of any data and any network: which directions of the input carry the task.

Everything here sees inputs flattened to (N, d) and normalised, as a network does. Data are read in batches.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from .errors import DataError, SettingError
from .fitting import Data, Fitted
from .linalg import solve
from .random import stream

__all__ = [
    "Dimension",
    "dimension",
    "gradient_outer_product",
    "label_weighted_covariance",
    "overlap",
    "principal_angles",
    "principal_directions",
    "whitening",
]

_ROWS = 20_000
_MOST_COLUMNS = 512
"""Beyond, forty shuffles of their second moments take minutes."""


def label_weighted_covariance(data: Data, most: int = _ROWS) -> Tensor:
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
        >>> from engram.synthetic import Synthetic
        >>> x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
        >>> found = label_weighted_covariance(Synthetic(x, x[:, :1].square()))[0]
        >>> int(found.diagonal().argmax())
        0
    """
    x, y = _rows(data, most)
    return _second(x, _left(x, y))


def gradient_outer_product(fitted: Fitted, data: Data, most: int = 2000) -> Tensor:
    r"""Average gradient outer product: the directions of the input to which trained networks respond.

    .. math:: \frac1N \sum_n \sum_c \nabla_x f_c(x_n)\, \nabla_x f_c(x_n)^\top, \quad\text{averaged over networks}

    Args:
        fitted: trained networks of any architecture.
        data: rows at which gradients are taken.
        most: rows read, at most.

    Returns:
        (d, d), positive semidefinite.

    References:
        Radhakrishnan et al. 2024 (recursive feature machines).

    Example:
        >>> from engram import defaults, load_problem
        >>> from engram.fitting import fit
        >>> wine = load_problem("wine")
        >>> fitted = fit(defaults.training(wine), wine.task, {"main": wine.train}, [0])
        >>> gradient_outer_product(fitted, wine.train).shape
        torch.Size([13, 13])
    """
    total = torch.zeros((), device=data.device)
    seen = 0
    for x, _, _ in data.batches(128):
        x = x[: most - seen]
        for k in range(fitted.networks):
            params = fitted.one(k)
            slope = vmap(jacrev(lambda row, p=params: fitted.model.outputs(p, row.unsqueeze(0))[0]))(x)
            flat = slope.detach().flatten(2).flatten(0, 1)
            total = total + flat.mT @ flat / fitted.networks
        seen += len(x)
        if seen >= most:
            break
    return total / seen


def principal_directions(matrix: Tensor, count: int) -> Tensor:
    """Leading eigenvectors of a symmetric matrix by magnitude of the eigenvalue.

    Args:
        matrix: (d, d), or (C, d, d), of which the squares are summed.
        count: how many, at most d.

    Returns:
        (d, count), orthonormal, strongest first.

    Raises:
        SettingError: more than there are.
    """
    if not 1 <= count <= matrix.shape[-1]:
        raise SettingError(f"{count} directions were asked for; there are {matrix.shape[-1]}")
    values, vectors = torch.linalg.eigh(matrix if matrix.ndim == 2 else (matrix @ matrix).sum(0))
    return vectors[:, values.abs().argsort(descending=True)[:count]]


def principal_angles(one: Tensor, other: Tensor) -> Tensor:
    r"""Angles between two subspaces: :math:`\cos\theta_k = \sigma_k(Q_1^\top Q_2)`.

    Args:
        one: (d, k) spanning vectors.
        other: (d, l) spanning vectors.

    Returns:
        (min(k, l),) radians in [0, pi/2], smallest first.

    Example:
        >>> e = torch.eye(3)
        >>> principal_angles(e[:, :2], e[:, 1:]).rad2deg().round()
        tensor([ 0., 90.])
    """
    bases = (torch.linalg.qr(vectors.double())[0] for vectors in (one, other))
    left, right = bases
    cosine = torch.linalg.svdvals(left.mT @ right)
    sine = torch.linalg.svdvals(right - left @ (left.mT @ right)).flip(0)[: len(cosine)]
    # The sine is exact where the cosine has lost its digits.
    angles = torch.where(cosine**2 < 0.5, cosine.clamp(0, 1).acos(), sine.clamp(0, 1).asin())
    return (angles if len(sine) == len(cosine) else cosine.clamp(0, 1).acos()).float()


def overlap(vectors: Tensor, basis: Tensor) -> Tensor:
    r"""Share of each vector's energy in a subspace: :math:`|Q^\top x|^2/|x|^2`.

    Args:
        vectors: (N, ...) flattened to (N, d).
        basis: (d, r) spanning vectors.

    Returns:
        (N,) in [0, 1]; r/d for random vectors.

    Example:
        >>> overlap(torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0], [0.0]]))
        tensor([0.3600])
    """
    flat = vectors.flatten(1)
    basis = torch.linalg.qr(basis)[0]
    return (flat @ basis).square().sum(1) / flat.square().sum(1).clamp_min(1e-30)


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


def dimension(data: Data, seed: int = 0, shuffles: int = 40, most: int = _ROWS) -> Dimension:
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
        >>> from engram.sources.multi_index import MultiIndex
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


def _rows(data: Data, most: int) -> tuple[Tensor, Tensor]:
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


def whitening(x: Tensor) -> tuple[Tensor, Tensor]:
    r"""The roots :math:`\Sigma^{-1/2}` and :math:`\Sigma^{1/2}` of the covariance of centred rows.

    Points go to whitened coordinates by the first, directions along which a function varies by the second. Directions
    in which the rows hardly vary are dropped: they can carry nothing that is seen.

    Args:
        x: (N, d), mean zero.

    Returns:
        Both (d, d).
    """
    values, vectors = torch.linalg.eigh((x.mT @ x / len(x)).double())
    kept = values > 1e-3 * values[-1]
    powers = (torch.where(kept, values.clamp_min(1e-12) ** p, torch.zeros_like(values)) for p in (-0.5, 0.5))
    root, back = (((vectors * power) @ vectors.mT).float() for power in powers)
    return root, back
