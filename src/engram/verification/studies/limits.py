"""Limits: tasks, inputs and networks with which distillation of one step does not see the structure, or sees it worse."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from ...data.intrinsic_dimension import dimension
from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...numerics.statistics import Measured
from ...numerics.subspaces import overlap
from ...theory.first_step import predicted_overlap
from ...theory.links.hermite import Hermite
from ...theory.links.product import Product
from ...theory.links.radial import Radial
from ...theory.population import population
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Result, Table

__all__ = ["Limits"]

_ONE = TwoPhase("inner-product", steps=1)
_LINKS = {
    "base": Hermite(),
    "second degree": Hermite((2,), (1.0,)),
    "third degree": Hermite((3,), (1.0,)),
    "fourth degree": Hermite((4,), (1.0,)),
    "half seen": Hermite(quadratic=2),
    "fading": Hermite(decay=0.5),
    "products": Product(((0.8, (2,)), (1.0, (0, 1, 1)), (0.5, (0, 0, 0, 2)))),
    "radial": Radial(),
}
_CHANGED = {key: key for key in ("link", "inputs", "rows", "activation")}
_CHANGED |= {"anisotropy": "condition number of the inputs", "noise": "label noise"}
_POINTS = 128
_REFERENCE = "our reconstruction: gradients of the first step lie in the range of H"


@dataclass(frozen=True)
class Limits:
    """Where the structure is not seen, and how much is lost where assumptions fail."""

    title: ClassVar[str] = "Limits"
    question: ClassVar[str] = "Where does one-step distillation not see the task's directions?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Links, inputs, activations, sizes, inner steps; coverage of the estimated dimension."""
        quick = scale is Scale.QUICK
        d, width = (40, 400) if quick else (80, 1000)
        found = []
        for s in range(seeds or (3 if quick else 5)):
            base = {"d": d, "rows": 8 * d * d, "width": width, "seed": s, "link": "base", "inputs": "gaussian"}
            base |= {"anisotropy": 1.0, "noise": 0.0, "activation": "relu"}
            variants: list[dict[str, Any]] = [{"link": link} for link in _LINKS]
            variants += [{"inputs": kind} for kind in ("uniform", "rademacher", "laplace", "student")]
            variants += [{"anisotropy": kappa} for kappa in (3.0, 10.0, 30.0)]
            variants += [{"rows": 4 * d}, {"rows": d * d // 4}, {"noise": 1.0}, {"noise": 2.0}]
            variants += [{"activation": name} for name in ("gelu", "silu", "tanh")]
            variants += [{"link": "second degree", "activation": "tanh"}]
            found += [Cell("seen", base | change) for change in variants]
            found.append(Cell("steps", base))
            for r in (1, 2, 4) if quick else (1, 2, 4, 8):
                for ratio in (2, 8):
                    for dim in (20, d):
                        found.append(
                            Cell(
                                "dimension",
                                {"r": r, "d": dim, "rows": ratio * dim * dim + 500, "seed": s, "link": "base"},
                            )
                        )
            found.append(Cell("dimension", {"r": 4, "d": 20, "rows": 3700, "seed": s, "link": "third degree"}))
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Overlap of the points after one outer step; the error of several inner steps; the interval."""
        if cell.name == "dimension":
            task = MultiIndex(d=cell.d, r=cell.r, rows=cell.rows, link=_LINKS[cell.link])
            found = dimension(task.load(cell.seed).train, cell.seed)
            inside = found.low <= cell.r <= found.high
            return {"covered": float(inside), "exact": float(found.estimate == cell.r), "size": found.high - found.low}
        task = MultiIndex(
            d=cell.d,
            r=4,
            rows=cell.rows,
            link=_LINKS[cell.link],
            noise=cell.noise,
            inputs=cell.inputs,
            anisotropy=cell.anisotropy,
        )
        bench = Bench(task, cell.seed, cell.width, activation=cell.activation)
        return _steps(bench) if cell.name == "steps" else _seen(bench, task)

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        base, *variants = found.settings("seen")
        pick = lambda key, value: next(s for s in variants if s[key] == value)  # noqa: E731
        seen = lambda s: found.mean("seen", "overlap", **s)  # noqa: E731
        chance = 4 / base["d"]
        noise = lambda s: found.mean("seen", "noise share", **s)  # noqa: E731
        told = lambda s: found.mean("seen", "formula", **s).value  # noqa: E731
        kinds = [pick("inputs", kind) for kind in ("uniform", "rademacher", "laplace")]
        losses = [_minus(seen(base), seen(s)) for s in kinds]
        worst = max(losses, key=lambda m: m.value)
        tilted = pick("anisotropy", 30.0)
        noisy = [pick("rows", 4 * base["d"]), pick("rows", base["d"] ** 2 // 4), pick("noise", 1.0), pick("noise", 2.0)]
        misses = [_distance(seen(s), told(s)) for s in noisy]
        blind, square = (pick("link", name) for name in ("third degree", "second degree"))
        (odd,) = (s for s in variants if (s["link"], s["activation"]) == ("second degree", "tanh"))
        half, fading = pick("link", "half seen"), pick("link", "fading")
        links = [base, *(s for s in variants if s["link"] != "base" and s["activation"] == "relu")]
        covered = found.mean("dimension", "covered", link="base")
        claims = [
            Claim(
                "H = 0: a link of pure third degree is invisible to one step (overlap above what noise alone leaves)",
                _REFERENCE + "; theory.first_step.predicted_overlap with H = 0",
                _minus(seen(blind), noise(blind)),
                Interval(high=0.05),
                _minus(seen(base), noise(base)),
                "the base link",
            ),
            Claim(
                "Rank-deficient H: directions outside its range are not written (overlap above chance)",
                _REFERENCE,
                found.mean("seen", "last two", **half),
                Interval(high=0.05),
                found.mean("seen", "first two", **half),
                "the directions inside its range",
            ),
            Claim(
                "An odd activation has no second Hermite coefficient: tanh is blind to a link of pure second degree "
                "(overlap above what noise alone leaves)",
                _REFERENCE,
                _minus(seen(odd), noise(odd)),
                Interval(high=0.05),
                _minus(seen(square), noise(square)),
                "relu",
            ),
            Claim(
                "Independent non-Gaussian inputs with all moments cost little: uniform, Rademacher, Laplace (largest loss of overlap)",
                "central limit theorem for the indices; our measurement",
                worst,
                Interval(high=0.1),
                _minus(seen(base), seen(tilted)),
                "anisotropic inputs of condition number 30",
            ),
            Claim(
                "Heavy tails cost more: Student's t with five degrees of freedom (loss of overlap)",
                "our measurement",
                _minus(seen(base), seen(pick("inputs", "student"))),
                Interval(low=0.05),
                _minus(seen(base), seen(pick("link", "radial"))),
                "another link on Gaussian inputs",
            ),
            Claim(
                "Anisotropic inputs tilt the points away from the subspace (loss of overlap at condition number 30)",
                "the gradient lies in the span of the covariance times that subspace",
                _minus(seen(base), seen(tilted)),
                Interval(low=0.1),
                losses[0],
                "uniform inputs",
            ),
            Claim(
                "Whitening finds it again: overlap of the estimated directions with the subspace at condition number 30",
                "data.intrinsic_dimension.dimension",
                found.mean("seen", "whitened", **tilted),
                Interval(low=0.7),
                seen(tilted),
                "the points",
            ),
            Claim(
                "Few rows and noisy labels cost what the formula says (largest miss)",
                "theory.first_step.predicted_overlap",
                max(misses, key=lambda m: m.value),
                Interval(high=0.1),
                _distance(Measured(chance, 0.0, 2), told(noisy[2])),
                "undistilled points",
            ),
            Claim(
                "One formula says the overlap for every link on Gaussian inputs, those that one step does not see too "
                "(largest miss)",
                "theory.first_step.predicted_overlap",
                max((_distance(seen(s), told(s)) for s in links), key=lambda m: m.value),
                Interval(high=0.05),
                _distance(Measured(chance, 0.0, 2), told(blind)),
                "the chance of a random direction, r/d, for the link of third degree",
            ),
            Claim(
                "The interval of the estimated dimension covers the true one (share of tasks whose H has full rank)",
                "data.intrinsic_dimension.dimension",
                covered,
                Interval(low=0.9),
                found.mean("dimension", "covered", r=4, link="third degree"),
                "a task that second moments do not see",
                {"exact": found.mean("dimension", "exact", link="base").value},
            ),
        ]
        rows: list[list[Any]] = []
        for s in (base, *variants):
            changed = ", ".join(f"{word}: {s[key]}" for key, word in _CHANGED.items() if s[key] != base[key])
            others = (found.mean("seen", key, **s) for key in ("formula", "noise share", "whitened"))
            rows.append([changed or "base", seen(s), *(m.value if m.sem < 1e-9 else m for m in others)])
        (steps,) = found.settings("steps")
        return Result(
            claims,
            [
                Table(
                    f"Overlap with the principal subspace after one outer step (d = {base['d']}, r = 4; chance {chance:.3g})",
                    [
                        "changed",
                        "points",
                        "predicted for Gaussian inputs and ReLU",
                        "noise alone",
                        "estimated directions (whitened)",
                    ],
                    rows,
                ),
                Table(
                    "Energy along each direction of a fading link, and what H^2 predicts",
                    ["direction", "share", "predicted"],
                    [
                        [
                            str(k + 1),
                            *(found.mean("seen", f"{key} {k}", **fading) for key in ("share", "predicted share")),
                        ]
                        for k in range(4)
                    ],
                ),
                Table(
                    "Inner steps of the replay (engram distilled for one; readout on real rows)",
                    ["steps", "engram, M = 4r", "full data"],
                    [
                        [str(k), found.mean("steps", f"engram {k}", **steps), found.mean("steps", f"full {k}", **steps)]
                        for k in (1, 2, 4)
                    ],
                ),
                Table(
                    "Estimated dimension",
                    ["r", "d", "N", "exact", "covered", "size of the interval"],
                    [
                        [
                            str(s["r"]),
                            str(s["d"]),
                            f"{s['rows']:,}",
                            *(found.mean("dimension", key, **s) for key in ("exact", "covered", "size")),
                        ]
                        for s in found.settings("dimension")
                    ],
                ),
            ],
            [],
        )


def _seen(bench: Bench, task: MultiIndex) -> dict[str, Any]:
    points = bench.points(_ONE, _POINTS)
    basis = bench.basis
    known = population(task.function, task.r)
    neurons = bench.width / 4 * _ONE.networks
    predicted = lambda seen: predicted_overlap(seen, task.d, task.count, task.noise, neurons)  # noqa: E731
    each = torch.stack([overlap(points, basis[:, k : k + 1]).mean() for k in range(task.r)])
    strength = known.hessian.diagonal().square()
    directions = dimension(bench.problem.train, bench.seed).directions[:, : task.r]
    result = {
        "overlap": float(overlap(points, basis).mean()),
        "first two": float(each[:2].sum()) - 2 / task.d,
        "last two": float(each[2:].sum()) - 2 / task.d,
        "formula": predicted(known),
        "noise share": predicted(replace(known, hessian=torch.zeros_like(known.hessian))),
        "whitened": float(overlap(directions.T, basis).mean()) * directions.shape[1] / task.r,
    }
    for k in range(task.r):
        result[f"share {k}"] = float(each[k] / each.sum())
        result[f"predicted share {k}"] = float(strength[k] / strength.sum().clamp_min(1e-30))
    return result


def _steps(bench: Bench) -> dict[str, Any]:
    """Errors when the replay takes several steps of the first layer, each with decay 1/rate."""
    points = bench.points(TwoPhase(), 16)
    result = {}
    for steps in (1, 2, 4):
        other = replace(bench, inner_steps=steps)
        result[f"engram {steps}"] = other.replay(points)
        result[f"full {steps}"] = other.one_step()
    return result


def _minus(one: Measured, other: Measured) -> Measured:
    return Measured(one.value - other.value, (one.sem**2 + other.sem**2) ** 0.5, one.n)


def _distance(one: Measured, value: float) -> Measured:
    return Measured(abs(one.value - value), one.sem, one.n)
