"""Where one step fails: directions that appear after a second step, and labels transformed before the first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.func import grad_and_value

from ...data.rows import Rows
from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...distillation.outer_optimizer import OuterOptimizer
from ...learning.fitting import fit
from ...learning.gradients import gradient, mean_loss
from ...learning.network import model_of
from ...learning.stacking import each_network
from ...learning.training import Descent, Loss, NormaliseRows, Part, RedrawBiases, Training
from ...numerics.optimizers import SGD, Params
from ...numerics.statistics import Measured
from ...random import stream
from ...samples.synthetic import Synthetic
from ...theory.links.hermite import Hermite
from ...theory.links.product import Product
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Result, Table
from ..spectral import eigenvectors

__all__ = ["Staircase"]

_SMALL = 1e-3
"""Size of rows and biases between steps: outputs stay near zero, and every step sees the labels themselves."""
_LINK = Product(((0.6, (2,)), (0.8, (3, 1))))
_STEPS = (1, 2, 3)
_NETWORKS = 4
_REFERENCE = "our measurement; staircases: Abbe, Boix-Adsera, Misiakiewicz 2023"


@dataclass(frozen=True)
class Squared:
    """Another link's square: what a first step on squared labels sees."""

    link: Hermite

    @property
    def indices(self) -> int | None:
        """Those of the link."""
        return self.link.indices

    def __call__(self, z: Tensor) -> Tensor:
        """(N, r) to (N,)."""
        return self.link(z).square()


_UNSEEN = {"third degree": Hermite((3,), (1.0,)), "fourth degree": Hermite((4,), (1.0,))}


@dataclass(frozen=True)
class Staircase:
    r"""Two ways to see what one step does not.

    *Several steps.* In :math:`0.6\, he_2(z_1) + 0.8\, he_3(z_1)\, z_2` the Hessian knows :math:`z_1` alone. Once rows lie
    along it their gates depend on it, and the second gradient carries :math:`z_2`. Before each further step biases are
    drawn anew; points, with labels of their own, are matched anew to the gradient at which the engram's own networks stand.

    *Another label.* A link of pure third or fourth degree has no Hessian, its square has one: points are distilled for squared
    labels, and the readout learns the labels themselves.
    """

    title: ClassVar[str] = "Where one step fails"
    question: ClassVar[str] = "Do several steps, or transformed labels, write directions that one step does not see?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """A staircase and unseen links, for each seed."""
        quick = scale is Scale.QUICK
        d, width = (24, 256) if quick else (48, 512)
        base = {"d": d, "width": width}
        found = []
        for s in range(seeds or (3 if quick else 5)):
            found.append(Cell("steps", base | {"rows": 16 * d * d, "points": 16, "seed": s}))
            for link in ("third degree",) if quick else _UNSEEN:
                found.append(Cell("labels", base | {"rows": 16 * d * d, "r": 2, "link": link, "seed": s}))
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Errors and energies along each direction."""
        return _steps(cell) if cell.name == "steps" else _labels(cell)

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        (steps,) = found.settings("steps")
        of = lambda key: found.mean("steps", key, **steps)  # noqa: E731
        gap = lambda one, other: found.gap("steps", one, other, **steps)  # noqa: E731
        claims = [
            Claim(
                "A second step, its points matched anew, lowers the engram's error (difference)",
                _REFERENCE,
                gap("anew 2", "anew 1"),
                Interval(high=0.0),
                gap("again 2", "anew 1"),
                "the first step's points once more",
                {"one step": of("anew 1").value, "two": of("anew 2").value},
            ),
            Claim(
                "and writes the direction that one step does not see (its share of the rows' energy, two steps less one)",
                _REFERENCE,
                gap("anew 2 direction 2", "anew 1 direction 2"),
                Interval(low=0.005),
                gap("again 2 direction 2", "anew 1 direction 2"),
                "the first step's points once more",
            ),
            Claim(
                "One eigendecomposition does not see it: two steps of the engram are below its r eigenvectors (difference)",
                "the label-weighted covariance has the range of H",
                gap("anew 2", "eigenvectors"),
                Interval(high=0.0),
                gap("shuffled", "eigenvectors"),
                "points for shuffled labels",
            ),
        ]
        for s in found.settings("labels"):
            where = f"{s['link']}, r = {s['r']}"
            claims.append(
                Claim(
                    f"Points distilled for squared labels teach what one step on the labels does not see ({where}; error)",
                    "label transforms: Damian, Pillaud-Vivien, Lee, Bruna 2024",
                    found.mean("labels", "squared", **s),
                    Interval(high=0.5),
                    found.mean("labels", "plain", **s),
                    "points distilled for the labels themselves",
                    {"eigenvectors of squared labels": found.mean("labels", "eigenvectors", **s).value},
                )
            )
        rows: list[list[Any]] = []
        for name, label in (
            ("full", "all data"),
            ("anew", "engram, points matched anew for each step"),
            ("again", "engram, the first step's points in each step"),
        ):
            for k in _STEPS:
                cells = [of(f"{name} {k} direction {j}") for j in (1, 2)]
                rows.append([label, str(k), of(f"{name} {k}"), *cells])
        blank: list[str | float | Measured] = ["", ""]
        for name, label in (("eigenvectors", "r eigenvectors, seeded mixtures"), ("subspace", "true subspace")):
            rows.append([label, "1", of(name), *blank])
        return Result(
            claims,
            [
                Table(
                    f"A staircase link (d = {steps['d']}, N = {steps['rows']:,}, L = {steps['width']}, {steps['points']} points a step): "
                    "error with a readout on real rows, and the share of the rows' energy along each direction",
                    ["", "steps", "error", "first direction", "second direction"],
                    rows,
                ),
                Table(
                    "Links without a Hessian (r = 2): error with a readout on real rows",
                    [
                        "link",
                        "points for the labels",
                        "points for squared labels",
                        "eigenvectors of squared labels",
                        "true subspace",
                    ],
                    [
                        [
                            s["link"],
                            *(
                                found.mean("labels", key, **s)
                                for key in ("plain", "squared", "eigenvectors", "subspace")
                            ),
                        ]
                        for s in found.settings("labels")
                    ],
                ),
            ],
            [],
        )


def _labels(cell: Cell) -> dict[str, Any]:
    link = _UNSEEN[cell.link]
    task = MultiIndex(d=cell.d, r=cell.r, rows=cell.rows, link=link)
    bench = Bench(task, cell.seed, cell.width)
    # The same rows and directions, the labels' squares in place of the labels.
    other = Bench(replace(task, link=Squared(link)), cell.seed, cell.width)
    method = TwoPhase(vectors=True, steps=200)
    return {
        "plain": bench.replay(bench.first_set(method, cell.r).decode().inputs),
        "squared": bench.replay(other.first_set(method, cell.r).decode().inputs),
        "eigenvectors": bench.replay(eigenvectors(other, "mixtures").decode().inputs),
        "subspace": bench.true_subspace(),
    }


def _steps(cell: Cell) -> dict[str, Any]:
    bench = Bench(MultiIndex(d=cell.d, r=2, rows=cell.rows, link=_LINK), cell.seed, cell.width)
    result: dict[str, Any] = {
        "eigenvectors": bench.replay(eigenvectors(bench, "mixtures").decode().inputs),
        "subspace": bench.true_subspace(),
        "shuffled": bench.replay(_matched(bench.shuffled(), {}, 1, cell.points)),
    }
    anew: dict[str, Rows] = {}
    for step in _STEPS:
        anew = anew | {_name(step): _matched(bench, anew, step, cell.points)}
        whole = {_name(k): bench.problem.train for k in range(1, step + 1)}
        again = {_name(k): anew[_name(1)] for k in range(1, step + 1)}
        for name, sets in (("full", whole), ("anew", anew), ("again", again)):
            fitted = fit(training(bench, step), bench.problem.task, sets | {"readout": bench.rows}, bench.seeds)
            result[f"{name} {step}"] = bench.error(fitted)
            rows = fitted.params[fitted.model.first_layer()[0]].flatten(0, 1)
            energy = (rows @ bench.task.directions(bench.seed)).square().sum(0) / rows.square().sum()
            result |= {f"{name} {step} direction {j + 1}": float(energy[j]) for j in range(2)}
    return result


def _name(step: int) -> str:
    return "features" if step == 1 else f"features {step}"


def training(bench: Bench, steps: int) -> Training:
    """So many steps of the first layer, each on a set of its own, then the readout."""
    one, two = bench.training.phases
    before = (RedrawBiases(_SMALL), NormaliseRows(_SMALL))
    further = tuple(replace(one, data=_name(step), before=before) for step in range(2, steps + 1))
    return Training(bench.training.network, (one, *further, two))


def _matched(bench: Bench, sets: dict[str, Rows], step: int, count: int, outer: int = 300) -> Synthetic:
    r"""Points and labels whose gradient has the real one's direction, row by row, where the engram's own networks stand.

    .. math:: \min_{x, y} \sum_i 1 - \cos\big(G_i(x, y), g_i\big)
    """
    problem, plan = bench.problem, training(bench, step)
    model = model_of(plan.network, problem.task)
    last = replace(plan.phases[step - 1], solver=Descent(SGD(1.0), steps=0), data=_name(1))
    start = sets or {_name(1): problem.train}
    seeds = [10 * bench.seed + k for k in range(_NETWORKS)]
    state = fit(Training(plan.network, (*plan.phases[: step - 1], last)), problem.task, start, seeds).params
    key = model.first_layer()[0]
    real = gradient(model, Loss.SQUARED, Part.FIRST_LAYER, state, problem.train)[key]
    signs = torch.ones(count, 1)
    # Later gates are no half-spaces through zero: mass is taken away as well as put.
    signs[count // 2 :] = 1.0 if step == 1 else -1.0
    free: Params = {
        "inputs": torch.randn(count, bench.task.d, generator=stream(bench.seed, "points of a step", step)),
        "targets": signs,
    }
    optimizer = OuterOptimizer(dict.fromkeys(free, 0.1), outer)
    moments = optimizer.init(free)
    for turn in range(outer):
        grads, _ = grad_and_value(lambda own: 1 - _cosine(_pushed(model, state, key, own), real))(free)
        free, moments = optimizer.step(free, grads, moments, turn)
    return Synthetic(free["inputs"], free["targets"])


def _pushed(model: Any, state: Params, key: str, free: Params) -> Tensor:
    """The synthetic gradient of every network's first layer."""

    def one(network: Params) -> Tensor:
        loss: Callable[[Tensor], Tensor] = lambda weight: mean_loss(  # noqa: E731
            Loss.SQUARED, model.outputs(network | {key: weight}, free["inputs"]), free["targets"]
        )
        return torch.func.grad(loss)(network[key])

    found: Tensor = each_network(one, state)
    return found


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    return torch.cosine_similarity(one, other, dim=-1, eps=1e-12).mean()
