"""The theory's two phases for tables: directions teach the first layer, labels of drawn rows teach the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from ...data.problem import Problem
from ...errors import BudgetError, SettingError
from ...learning.network import Network
from ...learning.networks.mlp import MLP
from ...learning.training import (
    Before,
    Descent,
    NormaliseRows,
    Part,
    Phase,
    RedrawBiases,
    Ridge,
    Training,
    ZeroReadout,
)
from ...memory.quantisation import restore, store
from ...numerics.copula import correlated, fit_loadings, fit_offsets, quantiles
from ...numerics.optimizers import SGD, Adam
from ...random import integer, stream
from ...samples.budget import Budget, Precision
from ...samples.canvas import Canvas
from ...samples.canvas.copula import Copula
from ...samples.canvas.points import Coefficients, Points
from ...samples.spending import counts, item_bytes, number_bytes
from ..batches import few
from ..buffers import Prepared
from ..label_solve import solved_labels
from ..method import Metrics
from ..teachers import teachers

__all__ = ["PrincipalSubspace", "PrincipalSubspaceState"]

_ROWS = 10_000
"""Read to fit the copula."""

_MIXTURES = 16
"""Points for each direction: their mixtures, which cost nothing."""

_SIMULATED = 4096
"""Draws by which offsets are fitted."""

_EXACT = 4
"""Bytes of a number in single precision, in which no label is coarse."""

_LEVELS_BYTES = 32
"""Of the sixteen numbers that coarse labels are."""


@dataclass(frozen=True, eq=False)
class PrincipalSubspaceState:
    """The state: finished from the start.

    Args:
        canvases: by set name.
        step: outer steps taken, none.
    """

    canvases: Mapping[str, Canvas] = field(default_factory=dict)
    step: int = 0


@dataclass(frozen=True)
class PrincipalSubspace:
    r"""Store the directions to which the target responds, and labels of as many drawn rows as bytes are left.

    .. math:: \text{memory} = \underbrace{r\,d}_{\text{directions}} + \underbrace{(q + k)\,d}_{\text{distribution}}
        + \underbrace{K}_{\text{labels}}

    The first phase is the theory's: one step of the first layer on mixtures of the directions puts its rows into the
    principal subspace. In the second the network learns from rows of a Gaussian copula, which are known by their seed, with
    the labels of those who learnt from all rows, or with labels that teach its readout to do as they do. Nothing that is stored is a row of the data; nothing grows with their number.

    Args:
        directions: r, the leading ones of the teacher's gradient outer product; 0 for a training without the first phase.
        factors: k of the copula, at least 1.
        knots: q quantiles of each column, at least 2.
        most: labels K at most, an even number.
        rate: of Adam in the second phase.
        decay: of weights, in the second phase; few labels of a noisy target ask for more.
        length: steps of the second phase; 0 leaves features as they are drawn, or as the first phase made them, of one wide layer.
        width: of the network that learns, where none is named.
        freedom: how far labels leave the teachers', to where the readout that they teach does best (`solved_labels`); 0: not at all.

    Raises:
        SettingError: a value out of range.
        BudgetError: bytes that hold less than one label for each item of the budget.

    References:
        Kinoshita, Nishikawa, Toyoizumi 2026 (arXiv 2603.14830) for the two phases and their memory; Radhakrishnan et al.
        2024 for the gradient outer product. What is drawn, and by whom it is labelled, is ours.

    Example:
        >>> PrincipalSubspace(directions=2).training(None).phases[0].data
        'features'
    """

    steps: ClassVar[int] = 0
    directions: int = 3
    factors: int = 6
    knots: int = 9
    most: int = 8000
    rate: float = 5e-3
    decay: float = 0.01
    length: int = 600
    width: int = 128
    freedom: float = 0.0

    def __post_init__(self) -> None:
        if (
            self.directions < 0
            or self.factors < 1
            or self.knots < 2
            or self.most < 1
            or self.width < 1
            or min(self.length, self.freedom) < 0
        ):
            raise SettingError(
                f"{self}: directions, length and freedom are at least 0, factors, most and width 1, knots 2"
            )
        if self.most % 2:
            raise SettingError(f"{self}: labels are stored in pairs, so that most is even")
        if not self.rate > 0 or self.decay < 0:
            raise SettingError(f"{self}: the rate is positive, decay at least 0")

    def training(self, network: Network | None) -> Training:
        """The two phases, and a ridge readout."""
        start: tuple[Before, ...] = (RedrawBiases(), NormaliseRows()) if self.directions else ()
        phases: tuple[Phase, ...] = (Phase(Ridge(), Part.READOUT, before=start),)
        if self.length:
            solver = Descent(Adam(self.rate, decay=self.decay), self.length, 512, cosine=True)
            phases = (Phase(solver, before=(*start, ZeroReadout())), Phase(Ridge(), Part.READOUT))
        if self.directions:
            phases = (Phase(Descent(SGD(1.0, decay=1.0), steps=1), Part.FIRST_LAYER, "features"), *phases)
        return Training(network or MLP(self.width, depth=2 if self.length else 1), phases, bounded=True)

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Train those who label."""
        _check(problem)
        teachers(problem, seed, watch)
        return Prepared()

    def init(
        self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
    ) -> PrincipalSubspaceState:
        """Fit the distribution, draw, label."""
        _check(problem)
        size = self.labels(problem, budget, precision)
        taught = teachers(problem, seed)
        x = few(problem.train, _ROWS).batch(slice(None))[0]
        widths = problem.preprocessing.widths  # type: ignore[attr-defined]
        numbers, outputs = x.shape[1] - sum(widths), problem.task.outputs
        loadings = fit_loadings(x, min(self.factors, x.shape[1]))
        classes = problem.classes or 0
        blank = torch.zeros(size, outputs - bool(classes), device=x.device)
        rows = Copula(
            quantiles(x[:, :numbers], self.knots),
            _offsets(x[:, numbers:], loadings[numbers:], widths, seed),
            loadings,
            blank,
            widths,
            classes,
            integer(seed, "copula rows", bits=31),
        )
        # What is stored at sixteen bits draws other rows: they are labelled as they will be read.
        rows = _rounded(rows, precision)
        labelled = taught.labels(rows.inputs())
        canvases: dict[str, Canvas] = {
            "main": rows.with_free({"coarse_targets": labelled[:, :-1] if classes else labelled})
        }
        if self.directions:
            r = min(self.directions, x.shape[1])
            vectors = (taught.directions[:, :r] * taught.spectrum[:r].clamp_min(1e-12).sqrt()).mT
            vectors = vectors * (x.shape[1] / vectors.square().sum()) ** 0.5
            canvases["features"] = Points(
                vectors, coefficients=Coefficients(_MIXTURES * r, integer(seed, "mixtures", bits=31))
            )
        if self.freedom:
            sets = {name: canvas.decode() for name, canvas in canvases.items()}
            labelled = solved_labels(problem, training, sets, taught, self.freedom)
            canvases["main"] = rows.with_free({"coarse_targets": labelled[:, :-1] if classes else labelled})
        return PrincipalSubspaceState(canvases)

    def labels(self, problem: Problem, budget: Budget, precision: Precision) -> int:
        """How many labels the bytes of a budget leave."""
        items = sum(counts(problem, budget, precision, soft=True))
        per_input, label = item_bytes(problem, precision, soft=True)
        d, number = problem.task.shape[0], number_bytes(precision)
        columns = d - sum(problem.preprocessing.widths)  # type: ignore[attr-defined]
        stored = (min(self.directions, d) + min(self.factors, d)) * d + self.knots * columns + (d - columns)
        left = items * (per_input + label) - number * stored
        each = problem.task.outputs - bool(problem.classes)
        # Two labels a byte and their levels, or none of them coarse.
        pairs = (left - _LEVELS_BYTES) // each if number < _EXACT else left // (2 * number * each)
        found = min(self.most, 2 * pairs)
        if found < items:
            raise BudgetError(
                f"the bytes of {items} items leave {max(found, 0)} labels beside {self.directions} directions and the "
                f"distribution of {d} columns: ask for more items, or for fewer directions, factors and knots"
            )
        return found

    def step(
        self, state: PrincipalSubspaceState, problem: Problem, training: Training
    ) -> tuple[PrincipalSubspaceState, Metrics]:
        """Nothing is left to do."""
        return state, {}

    def export(self, state: PrincipalSubspaceState) -> Mapping[str, Canvas]:
        """Drawn rows, and directions."""
        return state.canvases


def _check(problem: Problem) -> None:
    if not hasattr(problem.preprocessing, "widths"):
        raise SettingError(
            f"principal-subspace is for rows of numbers; inputs of {problem.name} have shape {problem.task.shape}"
        )


def _offsets(indicators: Tensor, loadings: Tensor, widths: tuple[int, ...], seed: int) -> Tensor:
    """Offsets of every category's indicators, by the shares of its values."""
    generator = stream(seed, "offsets")
    found, start = [torch.zeros(0, device=indicators.device)], 0
    for width in widths:
        own = loadings[start : start + width]
        shares = indicators[:, start : start + width].mean(0)
        found.append(fit_offsets(shares, correlated(own, _SIMULATED, generator)))
        start += width
    return torch.cat(found)


def _rounded(rows: Copula, precision: Precision) -> Copula:
    names = ("knots", "offsets", "loadings")
    return replace(rows, **{name: restore(store(name, getattr(rows, name), precision)) for name in names})  # type: ignore[arg-type]
