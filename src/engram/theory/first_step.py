"""The first step of the two-layer network in closed form: gradients, first outer step, overlap, replayed rows."""

import math

import torch
from torch import Tensor

from .kernels import arc_cosine
from .population import Population

__all__ = [
    "first_outer_step",
    "noise_ratio",
    "population_gradient",
    "predicted_overlap",
    "replayed_rows",
    "second_moment",
]


def population_gradient(hessian: Tensor, rows: Tensor) -> Tensor:
    r"""Gradient of the correlation in each neuron, without its sign, exact for a label of second degree.

    .. math:: E\,y\,1\{w^\top x > 0\}\,x = \frac{H \hat w - \tfrac12 (\hat w^\top H \hat w)\, \hat w}{\sqrt{2\pi}},
        \qquad \hat w = w/|w|

    By Stein's lemma: the first term is the gradient of the label seen through the gate, the second the label on the
    gate's edge; for random w it is smaller by :math:`\sqrt{r/d}`. Degrees 3, 5, ... of the label add nothing.

    Args:
        hessian: (d, d) :math:`E \nabla^2 f^*`, the label's linear part removed.
        rows: (L, d) first layer w.

    Returns:
        (L, d).

    References:
        Damian, Lee, Soltanolkotabi 2022, section 4.

    Example:
        >>> population_gradient(torch.eye(2), torch.tensor([[2.0, 0.0]])) * (2 * math.pi) ** 0.5
        tensor([[0.5000, 0.0000]])
    """
    unit = rows / rows.norm(dim=1, keepdim=True)
    pushed = unit @ hessian
    return (pushed - 0.5 * (pushed * unit).sum(1, keepdim=True) * unit) / math.sqrt(2 * math.pi)


def first_outer_step(points: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    r"""Where one inner-product step takes each point, up to a common factor, at infinite width.

    .. math:: x_m^1 \propto \frac1N \sum_n y_n\, \kappa_0(x_m^0, x_n)\, x_n, \qquad
        \kappa_0(x, x') = E_w 1\{w^\top x > 0\} 1\{w^\top x' > 0\}

    Args:
        points: (M, d) before.
        inputs: (N, d) real rows.
        labels: (N,) their labels, the linear part removed.

    Returns:
        (M, d).

    References:
        Cho & Saul 2009, the arc-cosine kernel of degree zero.
    """
    return (arc_cosine(0, points, inputs) * labels) @ inputs / len(inputs)


def second_moment(inputs: Tensor, labels: Tensor) -> Tensor:
    r"""Label-weighted covariance: :math:`\frac1N \sum_n y_n x_n x_n^\top`, whose expectation is H."""
    return inputs.T @ (labels[:, None] * inputs) / len(inputs)


def noise_ratio(d: int, rows: int, strength: float, neurons: float = math.inf) -> float:
    r"""Noise over signal in a point after one outer step.

    .. math:: \rho = \frac{\mathrm{Var}(y)\, d^2}{N |H|_F^2} \cdot
        \frac{1 + \pi^2 d / 4\ell}{1 + \pi d / 2\ell}

    The last factor is the finite width's: averaging gates over so few directions adds noise to signal
    (:math:`|H|_F^2/8\pi d\ell` to :math:`|H|_F^2/4\pi^2d^2`) and, more, to noise
    (:math:`\mathrm{Var}(y) d/16 N\ell` to :math:`\mathrm{Var}(y)/4\pi^2 N`).

    Args:
        d: dimension.
        rows: real rows N.
        strength: :math:`|H|_F^2/\mathrm{Var}(y)`.
        neurons: :math:`\ell`, directions w that are neither equal nor opposite: L/4 a network, times the networks.

    Returns:
        :math:`\rho`; infinite when H is zero.

    Example:
        >>> noise_ratio(100, 20_000, 1.0)
        0.5
    """
    if strength <= 0:
        return math.inf
    return d**2 / (rows * strength) * (1 + math.pi**2 * d / (4 * neurons)) / (1 + math.pi * d / (2 * neurons))


def predicted_overlap(known: Population, d: int, rows: int, noise: float = 0.0, neurons: float = math.inf) -> float:
    r"""Expected share of a point's energy in the principal subspace after one outer step, for any link.

    .. math:: o = E\, \frac{\sum_k \lambda_k \chi_k^2}{\sum_k \lambda_k \chi_k^2 + \rho\,(d - r)/d}
        = 1 - q \int_0^\infty e^{-q t} \prod_k (1 + 2 t \lambda_k)^{-1/2}\, dt, \qquad
        \lambda_k = \frac{h_k^2}{|H|_F^2} + \rho\,\frac{\kappa}{d}, \quad q = \rho\,\frac{d - r}{d}

    A point's coordinate along the k-th direction is its signal :math:`h_k g_k` and noise, both Gaussian over points.
    Noise is larger by :math:`\kappa` inside the subspace, where labels are large when the indices are
    (`Population.excess`). As r and N grow, the overlap goes to :math:`1/(1 + \rho)`; where H is zero it is noise alone.

    Args:
        known: the link's averages: eigenvalues h of H, variance without the linear part, excess :math:`\kappa`.
        d: dimension.
        rows: real rows N.
        noise: standard deviation of the label noise.
        neurons: as in `noise_ratio`.

    Returns:
        A share in [0, 1].

    References:
        Our reconstruction; measured in ``engram study encoding`` and ``limits``.

    Example:
        >>> from .links.hermite import Hermite
        >>> from .population import population
        >>> round(predicted_overlap(population(Hermite(), 4), 100, 40_000, neurons=1000), 2)
        0.76
    """
    r, variance = len(known.linear), known.remaining + noise**2
    if variance < 1e-12:
        return r / d
    excess = (known.excess * known.remaining + noise**2) / variance
    # In units of the noise, so that H may be zero.
    signal = known.spectrum.double().square() / (variance * noise_ratio(d, rows, 1.0, neurons))
    inside, outside = signal + excess / d, (d - r) / d
    if outside == 0:
        return 1.0
    # t = e^u / q: the integrand falls like exp(-exp(u)) on one side and like e^u on the other.
    u = torch.linspace(-30, 5, 20_001, dtype=torch.float64)
    body = torch.exp(u - u.exp()) * (1 + 2 * u.exp()[:, None] / outside * inside).rsqrt().prod(1)
    return 1 - float(torch.trapezoid(body, u))


def replayed_rows(hessian: Tensor, rows: Tensor) -> Tensor:
    r"""Direction of each first-layer row after replay from many points :math:`x_m \sim H\,N(0, I)`, without its sign.

    .. math:: E\,1\{w^\top x > 0\}\,x = \frac{H^2 w}{|H w| \sqrt{2\pi}}, \qquad
        \text{relative error } \sqrt{r/M} \text{ with M points}

    Args:
        hessian: (d, d).
        rows: (L, d) first layer w before.

    Returns:
        (L, d).

    Example:
        >>> replayed_rows(2 * torch.eye(2), torch.tensor([[1.0, 0.0]])) * (2 * math.pi) ** 0.5
        tensor([[2., 0.]])
    """
    pushed = rows @ hessian
    return pushed @ hessian / (pushed.norm(dim=1, keepdim=True) * math.sqrt(2 * math.pi))
