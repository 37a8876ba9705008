"""Encoding: distillation writes the principal subspace of the task into the synthetic samples, not the data's surface."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...numerics.statistics import Measured, exponent
from ...numerics.subspaces import overlap
from ...random import stream
from ...theory.first_step import first_outer_step, noise_ratio, predicted_overlap
from ...theory.kernels import arc_cosine
from ...theory.population import population
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Curve, Figure, Result, Table
from ..spectral import eigenvectors

__all__ = ["Encoding"]

_POINTS = 128
_LARGE_SEEDS = 3
_RATIOS = (0.5, 1.0, 2.0, 4.0, 8.0)
_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
_SMALL = _RATES[:5]
_SEVERAL = (("r", (2, 8)), ("noise", (0.5, 1.0)), ("width", (100, 300, 3000)))
_OTHERS: list[dict[str, Any]] = [{key: value} for key, values in _SEVERAL for value in values]
_PAPER = "Kinoshita et al., ICML 2026 (encoding of the low-dimensional structure)"
_ONE = TwoPhase("inner-product", steps=1)


@dataclass(frozen=True)
class Encoding:
    """What one outer step and many write into the points."""

    title: ClassVar[str] = "Encoding"
    question: ClassVar[str] = (
        "Do the synthetic samples hold the task's few directions, and not the surface of the data?"
    )

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """One-step overlap over dimension and data; over rank, noise and width; gradient against performance matching."""
        quick = scale is Scale.QUICK
        n = seeds or (3 if quick else 5)
        found = []
        for seed in range(n):
            dims = (30, 60) if quick else (50, 100, 200)
            base = {"r": 4, "noise": 0.0, "width": 400 if quick else 1000, "seed": seed}
            for d in dims:
                for ratio in (1.0, 4.0) if quick else _RATIOS:
                    found.append(Cell("overlap", base | {"d": d, "rows": int(ratio * d * d)}))
            d = dims[-2] if not quick else dims[-1]
            for other in (_OTHERS[0], *_OTHERS[3:5]) if quick else _OTHERS:
                found.append(Cell("overlap", base | {"d": d, "rows": 4 * d * d} | other))
            found.append(Cell("rates", base | {"d": d, "rows": 4 * d * d}))
            found.append(Cell("many", base | {"d": d, "rows": 4 * d * d}))
            if scale is Scale.LARGE and seed < _LARGE_SEEDS:
                found.append(Cell("overlap", base | {"d": 400, "rows": 640_000}))
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Distil, and compare the points with the subspace, with theory, with real rows."""
        task = MultiIndex(d=cell.d, r=cell.r, noise=cell.noise, rows=cell.rows, streamed=cell.rows > 400_000)
        bench = Bench(task, cell.seed, cell.width)
        if cell.name == "rates":
            return _rates(bench)
        return _overlap(bench, task) if cell.name == "overlap" else _many(bench)

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        every = found.settings("overlap")
        errors, collapsed, random, wrong = [], [], [], []
        rows: list[list[Any]] = []
        for s in every:
            mean = found.mean("overlap", "overlap", **s)
            formula, limit = (found.mean("overlap", key, **s).value for key in ("formula", "plain"))
            errors.append((abs(mean.value - formula), mean))
            if s["r"] == 4 and s["noise"] == 0 and s["width"] == every[0]["width"]:
                collapsed.append((abs(mean.value - limit), mean))
            random.append(abs(found.mean("overlap", "random", **s).value - formula))
            wrong.append(abs(found.mean("overlap", "wrong subspace", **s).value - formula))
            words = [s["d"], s["r"], f"{s['rows']:,}", s["noise"], s["width"]]
            plain = found.mean("overlap", "performance", **s)
            rows.append([*map(str, words), s["r"] / s["d"], mean, plain, formula, limit])
        worst = max(errors, key=lambda pair: pair[0])
        worst_limit = max(collapsed, key=lambda pair: pair[0])
        rates = {rate: found.mean("rates", f"cosine {rate:g}") for rate in _RATES}
        small = {rate: found.runs("rates", f"gap {rate:g}") for rate in _SMALL}
        strangers = {rate: found.runs("rates", f"shuffled gap {rate:g}") for rate in _SMALL}
        many, before = found.mean("many", "overlap"), found.mean("many", "random")
        claims = [
            Claim(
                "After one outer step the points' overlap with the principal subspace is as predicted from H, d, N, L and the "
                "noise, within 0.05 in every setting",
                "our reconstruction; theory.first_step.predicted_overlap",
                Measured(worst[0], worst[1].sem, worst[1].n),
                Interval(high=0.05),
                Measured(max(random), worst[1].sem, worst[1].n),
                "points before distillation",
                {"settings": float(len(every)), "in the wrong subspace": max(wrong)},
            ),
            Claim(
                "The plain formula 1/(1 + rho), of infinite width and large r, is met within 0.15 over d and N at r = 4",
                "Var(y) d^2/(N |H|^2); one-step feature learning (Damian et al. 2022)",
                Measured(worst_limit[0], worst_limit[1].sem, worst_limit[1].n),
                Interval(high=0.15),
                Measured(max(random), worst[1].sem, worst[1].n),
                "points before distillation",
            ),
            Claim(
                "The first outer step is the arc-cosine closed form, which sees data and labels alone",
                "Cho & Saul 2009, degree 0; theory.first_step.first_outer_step",
                found.mean("many", "closed form"),
                Interval(low=0.8),
                found.mean("many", "planted form"),
                "a planted wrong kernel, without its angle",
            ),
            Claim(
                "At a small inner rate the first outer step of performance matching is that of gradient matching (cosine)",
                _PAPER,
                rates[_RATES[0]],
                Interval(low=0.99),
                rates[_RATES[-1]],
                f"the inner rate {_RATES[-1]:g}",
            ),
            Claim(
                "Their difference is of first order in the inner rate (exponent)",
                "Taylor expansion of the real loss after the inner step",
                exponent(small),
                Interval(0.75, 1.25),
                exponent(strangers),
                "the difference to gradient matching on shuffled labels, which no rate takes away",
            ),
            Claim(
                "Many outer steps of cosine matching with M = 2r write the subspace (overlap)",
                _PAPER,
                many,
                Interval(low=0.85),
                found.mean("many", "shuffled"),
                "the same on shuffled labels",
                {"before": before.value, "one eigendecomposition": found.mean("many", "eigenvectors").value},
            ),
            Claim(
                "The surface of the data is not kept: the nearest real row is as far as for a random point (ratio)",
                _PAPER,
                found.mean("many", "nearest"),
                Interval(low=0.9),
                found.mean("many", "nearest of blends"),
                "the same points half of which is a real row",
            ),
        ]
        by_rate = [rates[rate] for rate in _RATES]
        dims = sorted({s["d"] for s in every if s["r"] == 4 and s["noise"] == 0})
        grid_cells = [s for s in every if s["r"] == 4 and s["noise"] == 0 and s["width"] == every[0]["width"]]
        strength = population(MultiIndex().function, 4).strength
        curves = []
        for d in dims:
            own = sorted((s for s in grid_cells if s["d"] == d), key=lambda s: s["rows"])
            ys = [found.mean("overlap", "overlap", **s) for s in own]
            x = [s["rows"] * strength / d**2 for s in own]
            curves.append(Curve.of(f"d = {d}", x, ys))
            predicted = [found.mean("overlap", "formula", **s).value for s in own]
            curves.append(Curve(f"predicted, d = {d}, L = {own[0]['width']}", x, predicted, line=True))
        grid = [0.4 * 1.25**k for k in range(18)]
        curves.append(Curve("1/(1 + rho)", grid, [g / (1 + g) for g in grid], line=True))
        return Result(
            claims,
            [
                Table(
                    "Overlap with the principal subspace after one outer step",
                    [
                        "d",
                        "r",
                        "N",
                        "noise",
                        "L",
                        "before (r/d)",
                        "gradient matching",
                        "performance matching",
                        "predicted",
                        "1/(1 + rho)",
                    ],
                    rows,
                ),
                Table(
                    "First outer step of performance matching against gradient matching",
                    ["inner rate", "cosine", "relative difference"],
                    [[f"{r:g}", rates[r], found.mean("rates", f"gap {r:g}")] for r in _RATES],
                ),
                Table(
                    "What the points hold (r = 4)",
                    ["", "overlap", "energy outside"],
                    [
                        [label, found.mean("many", key), 1 - found.mean("many", key).value]
                        for label, key in (
                            ("Gaussian start", "random"),
                            ("r eigenvectors of the label-weighted covariance", "eigenvectors"),
                            ("one outer step", "one step"),
                            ("100 steps of cosine matching, M = 2r", "overlap"),
                            ("100 steps of squared matching, M = 2r", "squared"),
                            ("the same on shuffled labels", "shuffled"),
                        )
                    ],
                ),
            ],
            [
                Figure(
                    "overlap",
                    "Overlap after one outer step over the one number that decides it; the width of the network makes the small rest.",
                    "N |H|² / (Var(y) d²)",
                    "overlap",
                    curves,
                    log_x=True,
                ),
                Figure(
                    "agreement",
                    "Performance matching's first outer step turns into gradient matching's as the inner rate falls.",
                    "inner rate",
                    "cosine of the two steps",
                    [Curve.of("measured", _RATES, by_rate)],
                    log_x=True,
                ),
            ],
        )


def _overlap(bench: Bench, task: MultiIndex) -> dict[str, Any]:
    known = population(task.function, task.r)
    strength = float(known.hessian.square().sum()) / (known.remaining + task.noise**2)
    seen = lambda points: float(overlap(points, bench.basis).mean())  # noqa: E731
    neurons = bench.width / 4 * _ONE.networks
    found = bench.points(_ONE, _POINTS)
    return {
        "overlap": seen(found),
        "wrong subspace": float(overlap(found, task.subspace(bench.seed + 1)).mean()),
        "performance": seen(bench.points(TwoPhase("performance", 1, inner_rate=1e-4), _POINTS)),
        "random": seen(_gaussian(bench, _POINTS)),
        "plain": 1 / (1 + noise_ratio(task.d, task.count, strength)),
        "formula": predicted_overlap(known, task.d, task.count, task.noise, neurons),
    }


def _rates(bench: Bench) -> dict[str, Any]:
    """Cosine and relative difference of the first outer steps, as the inner rate grows."""
    reference = bench.points(_ONE, _POINTS).flatten()
    stranger = bench.shuffled().points(_ONE, _POINTS).flatten()
    result: dict[str, Any] = {}
    for rate in _RATES:
        found = bench.points(TwoPhase("performance", steps=1, inner_rate=rate), _POINTS).flatten()
        result[f"cosine {rate:g}"] = float(torch.cosine_similarity(found, reference, dim=0))
        result[f"gap {rate:g}"] = float((found - reference).norm() / reference.norm())
        result[f"shuffled gap {rate:g}"] = float((found - stranger).norm() / stranger.norm())
    return result


def _many(bench: Bench) -> dict[str, Any]:
    count = 2 * bench.task.r
    seen = lambda points: float(overlap(points, bench.basis).mean())  # noqa: E731
    one, many = bench.points(_ONE, _POINTS), bench.points(TwoPhase(), count)
    x, y, _ = bench.problem.train.batch(slice(None))
    before = _gaussian(bench, _POINTS)
    theory = first_outer_step(before, x, y[:, 0])
    # A kernel without its angle sees the label's linear part alone, which is gone.
    planted = (arc_cosine(1, before, x) / arc_cosine(0, before, x) * y[:, 0]) @ x
    return {
        "random": seen(before),
        "one step": seen(one),
        "overlap": seen(many),
        "squared": seen(bench.points(TwoPhase("squared"), count)),
        "eigenvectors": seen(eigenvectors(bench, "plain").inputs),
        "shuffled": seen(bench.shuffled().points(TwoPhase(), count)),
        "closed form": _cosine(one, theory),
        "planted form": _cosine(one, planted),
        "nearest": _nearest(many, x) / _nearest(before, x),
        "nearest of blends": _nearest(_unit(many) + _unit(x[:count]), x) / _nearest(before, x),
    }


def _gaussian(bench: Bench, count: int) -> Tensor:
    """The points before the first outer step."""
    return torch.randn(count, bench.task.d, generator=stream(bench.seed, "points"))


def _unit(points: Tensor) -> Tensor:
    return points / points.norm(dim=1, keepdim=True)


def _nearest(points: Tensor, rows: Tensor) -> float:
    """Mean distance to the nearest real row, points scaled to a real row's norm."""
    scaled = points * (rows.norm(dim=1).mean() / points.norm(dim=1, keepdim=True))
    return float(torch.cdist(scaled, rows).amin(1).mean())


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=1).mean())
