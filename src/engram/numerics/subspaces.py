"""Subspaces of a vector space: leading eigenvectors, angles, shares of energy, whitening."""

import torch
from torch import Tensor

from ..errors import SettingError

__all__ = ["feature_alignment", "overlap", "principal_angles", "principal_directions", "whitening"]


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


def feature_alignment(one: Tensor, other: Tensor) -> Tensor:
    r"""Linear CKA of two sets of features of the same rows: :math:`|X^\top Y|_F^2 / (|X^\top X|_F\,|Y^\top Y|_F)`, both centred.

    Args:
        one: (N, F).
        other: (N, G).

    Returns:
        A number in [0, 1]; 1 where one is a rotated and scaled copy of the other.

    References:
        Kornblith et al. 2019, Similarity of neural network representations (arXiv 1905.00414).

    Example:
        >>> x = torch.eye(3)
        >>> float(feature_alignment(x, 2 * x.flip(1)))
        1.0
    """
    x, y = (values - values.mean(0) for values in (one, other))
    # Over rows where they are fewer than features: both have the same products.
    if len(x) < max(x.shape[1], y.shape[1]):
        left, right = x @ x.mT, y @ y.mT
        return (left * right).sum() / (left.norm() * right.norm()).clamp_min(1e-30)
    return (x.mT @ y).square().sum() / ((x.mT @ x).norm() * (y.mT @ y).norm()).clamp_min(1e-30)


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
