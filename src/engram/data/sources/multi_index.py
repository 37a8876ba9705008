"""Multi-index tasks of known intrinsic dimension: the target depends on the input through few directions."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ...errors import SettingError
from ...random import stream
from ...spec import parse
from ...theory.population import Population, population
from ..generated import CHUNK, Generated
from ..metrics import Metric
from ..preprocessing.vectors import Vectors
from ..problem import Problem
from ..split import Split
from ..targets import Numbers

__all__ = ["MultiIndex"]

_HELD_OUT = 10_000


@dataclass(frozen=True)
class MultiIndex:
    r"""A regression task with r relevant directions among d.

    .. math:: x = \Sigma^{1/2} u,\quad u_j \text{ i.i.d., mean 0, variance 1}, \qquad
        y = g(B^\top u) + \sigma\,\epsilon, \quad B \in \mathbb R^{d \times r} \text{ orthonormal}

    The principal subspace is the span of :math:`\Sigma^{-1/2} B` (of B for isotropic inputs).

    Args:
        d: dimension of the input.
        r: number of relevant directions, at most d.
        link: g: a link, the word that names one (``"hermite"``), or any function of (N, r) to (N,).
        noise: :math:`\sigma`, in units of the label.
        inputs: distribution of each :math:`u_j`; ``student`` has 5 degrees of freedom.
        anisotropy: condition number of the covariance :math:`\Sigma`, whose trace is d; 1 is isotropic.
        rows: training rows N; 4 d^2 when None.
        streamed: whether training rows are drawn when they are read, for data larger than memory.
        residual: whether the linear part is taken off the targets (`Problem.residual`).

    Raises:
        SettingError: a value out of range, or a link that needs another r.

    References:
        Kinoshita, Nishikawa, Toyoizumi, ICML 2026, arXiv 2603.14830, for the setting.

    Example:
        >>> problem = MultiIndex(d=20, r=2).load(0)
        >>> len(problem.train), problem.task.shape, problem.rank
        (1600, (20,), 2)
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    d: int = 100
    r: int = 4
    link: Any = "hermite"
    noise: float = 0.0
    inputs: Literal["gaussian", "uniform", "rademacher", "laplace", "student"] = "gaussian"
    anisotropy: float = 1.0
    rows: int | None = None
    streamed: bool = False
    residual: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.r <= self.d:
            raise SettingError(f"multi-index has r={self.r} of d={self.d} directions; it takes 1 <= r <= d")
        finite = math.isfinite(self.noise) and math.isfinite(self.anisotropy)
        if not finite or self.noise < 0 or self.anisotropy < 1 or (self.rows is not None and self.rows < 2):
            raise SettingError(f"multi-index takes noise >= 0, anisotropy >= 1 and rows >= 2, not {self}")
        if not callable(self.link) and not isinstance(self.link, str):
            raise SettingError(f"link is {self.link!r}; it takes a link, its name, or a function of (N, r) to (N,)")
        needed = getattr(self.function, "indices", None)
        if needed is not None and needed != self.r:
            raise SettingError(f"link {self.link} reads {needed} indices and r is {self.r}: set r={needed}")

    @cached_property
    def function(self) -> Callable[[Tensor], Tensor]:
        """The link as a function."""
        found: Callable[[Tensor], Tensor] = parse("links", self.link) if isinstance(self.link, str) else self.link
        return found

    @property
    def count(self) -> int:
        """Training rows N."""
        return 4 * self.d**2 if self.rows is None else self.rows

    def directions(self, seed: int) -> Tensor:
        """B: (d, r), orthonormal."""
        return torch.linalg.qr(torch.randn(self.d, self.r, generator=stream(seed, "directions"), dtype=torch.float64))[
            0
        ].float()

    def subspace(self, seed: int) -> Tensor:
        """An orthonormal basis (d, r) of the principal subspace of x."""
        return torch.linalg.qr(self._root(seed, -0.5) @ self.directions(seed))[0]

    def draw(self, chunk: int, seed: int, part: str = "train") -> tuple[Tensor, Tensor]:
        """One chunk of rows: inputs (4096, d) and labels (4096, 1), the same at every call."""
        u = self._inputs(stream(seed, "rows", part, chunk))
        y = self.function(u @ self.directions(seed)).unsqueeze(1)
        if self.noise:
            y = y + self.noise * torch.randn(y.shape, generator=stream(seed, "label noise", part, chunk))
        return (u if self.anisotropy == 1 else u @ self._root(seed, 0.5)), y

    def load(self, seed: int) -> Problem:
        """Draw the task and its rows; standardise the labels; take off their linear part."""
        chunks = range(math.ceil(min(self.count, 50_000) / CHUNK))
        labels = torch.cat([self.draw(chunk, seed)[1] for chunk in chunks])[: self.count]
        target = Numbers.fit(labels.numpy(), "y")
        plain = Vectors(torch.zeros(self.d), torch.ones(self.d))
        train = self._split(self.count, seed, "train", plain, target)
        if not self.streamed:
            train = train.rows(torch.arange(len(train)))
        select, test = (
            self._split(min(_HELD_OUT, max(self.count // 4, 100)), seed, part, plain, target)
            for part in ("select", "test")
        )
        select, test = (split.rows(torch.arange(len(split))) for split in (select, test))
        problem = Problem("multi-index", train, select, test, plain, target, Metric.R2, self._notes(), rank=self.r)
        return problem.residual() if self.residual else problem

    def _notes(self) -> tuple[str, ...]:
        """What a one-step distillation of this task cannot see."""
        known = _population(self.function, self.r)
        unseen = int((known.spectrum.abs() < max(1e-6, 5 * known.error)).sum())
        if not unseen:
            return ()
        which = "H = E hess f* is zero" if unseen == self.r else f"H = E hess f* has rank {self.r - unseen} of {self.r}"
        return (
            f"{which} (information exponent {known.exponent}): a first step of ReLU networks does not see "
            f"{'this task' if unseen == self.r else 'the other directions'}, and neither does one-step matching",
        )

    def _split(self, count: int, seed: int, part: str, plain: Vectors, target: Numbers) -> Split:
        name = f"multi-index {seed} {part}"
        draw = partial(_standardised, self, seed, part, target)
        return Generated(torch.empty(0, self.d), torch.empty(0, 1), plain, target, None, count, draw, name)

    def _inputs(self, generator: torch.Generator) -> Tensor:
        size = (CHUNK, self.d)
        if self.inputs == "gaussian":
            return torch.randn(size, generator=generator)
        if self.inputs == "uniform":
            return (torch.rand(size, generator=generator) - 0.5) * 12**0.5
        if self.inputs == "rademacher":
            return torch.randint(0, 2, size, generator=generator).float() * 2 - 1
        if self.inputs == "laplace":
            half = torch.rand(size, generator=generator) - 0.5
            # One draw in 2**24 is the very end of the interval.
            return -half.sign() * torch.log1p(-(2 * half.abs()).clamp_max(1 - 2**-24)) / 2**0.5
        freedom = 5
        square = sum(torch.randn(size, generator=generator).square() for _ in range(freedom))
        return torch.randn(size, generator=generator) * ((freedom - 2) / square) ** 0.5

    def _root(self, seed: int, power: float) -> Tensor:
        r"""A power of the covariance, whose eigenvalues lie evenly on a logarithmic scale."""
        if self.anisotropy == 1:
            return torch.eye(self.d)
        values = self.anisotropy ** -torch.linspace(0, 1, self.d)
        axes = torch.linalg.qr(torch.randn(self.d, self.d, generator=stream(seed, "covariance")))[0]
        return (axes * (values / values.mean()) ** power) @ axes.T


def _population(link: Callable[[Tensor], Tensor], r: int) -> Population:
    """Computed once for a link that can be told from others."""
    try:
        hash(link)
    except TypeError:
        return population(link, r)
    return _known(link, r)


@lru_cache(maxsize=64)
def _known(link: Callable[[Tensor], Tensor], r: int) -> Population:
    return population(link, r)


def _standardised(task: MultiIndex, seed: int, part: str, target: Numbers, chunk: int) -> tuple[Tensor, Tensor]:
    x, y = task.draw(chunk, seed, part)
    return x, (y - target.mean[0]) / target.std[0]
