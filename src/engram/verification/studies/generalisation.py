"""Generalisation: a new network that learns from the engram alone against one that learnt from everything."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...learning.training import Ridge
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Curve, Figure, Result, Table
from ..spectral import KINDS, WORDS, eigenvectors

__all__ = ["Generalisation"]

_PAPER = "Kinoshita et al., ICML 2026 (generalisation after retraining on the distilled data)"
_ONE = TwoPhase("inner-product", steps=1)
_ONE_STEP = {
    "r": lambda r: r,
    "2r": lambda r: 2 * r,
    "r²": lambda r: r * r,
    "2r²": lambda r: 2 * r * r,
    "4r²": lambda r: 4 * r * r,
    "16r²": lambda r: 16 * r * r,
}
_MANY = {"r": lambda r: r, "2r": lambda r: 2 * r, "4r": lambda r: 4 * r}
_REFERENCES = {
    "one step": "full data, one step of the first layer",
    "converged": "full data, trained to convergence",
    "true subspace": "true subspace",
    "singular": "random points of the span of the r top eigenvectors of the label-weighted covariance",
    "nystroem": "kernel ridge (tangent kernel, Nystroem on all rows, penalty tuned)",
    "random features": "random features, readout on all rows",
    "linear": "linear model",
    "kernel": "kernel ridge (tangent kernel) on a real subset of equal bytes",
    "subset": "the same training on a real subset of equal bytes",
    "subset soft": "the same, with a teacher's soft labels",
    "inputs soft": "as many undistilled seeded inputs as the engram has numbers, with a teacher's soft labels",
}


_EQUAL = ("kernel", "subset", "subset soft", "inputs soft")
"""Baselines that hold no more bytes than the engram."""


@dataclass(frozen=True)
class Generalisation:
    """Test error of replays from new initialisations."""

    title: ClassVar[str] = "Generalisation"
    question: ClassVar[str] = (
        "Does a fresh network that learns from the engram generalise as one that learnt from all data?"
    )

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Every rank and seed."""
        quick = scale is Scale.QUICK
        base = {"d": 40, "rows": 8000, "width": 400} if quick else {"d": 100, "rows": 40_000, "width": 1000}
        ranks = (2, 4) if quick else (2, 4, 8)
        found = [Cell("error", base | {"r": r, "seed": s}) for s in range(seeds or (3 if quick else 5)) for r in ranks]
        if scale is Scale.LARGE:
            found += [
                Cell("error", {"d": 400, "rows": 640_000, "width": 1000, "r": 4, "seed": s}) for s in range(seeds or 3)
            ]
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """All engrams and all that they are compared with, on one task."""
        r = cell.r
        task = MultiIndex(d=cell.d, r=r, rows=cell.rows, streamed=cell.rows > 400_000)
        bench = Bench(task, cell.seed, cell.width)
        result: dict[str, Any] = {}
        for name, count in _ONE_STEP.items():
            result[f"one {name}"] = bench.replay(bench.points(_ONE, count(r)))
        for name, count in _MANY.items():
            for objective in ("cosine", "squared"):
                result[f"{objective} {name}"] = bench.replay(bench.points(TwoPhase(objective), count(r)))
        canvases = bench.distil(TwoPhase(), 4 * r)
        result["whole"] = bench.engram_error(canvases)
        result["whole numbers"] = bench.numbers(*canvases.values())
        mixed = bench.distil(TwoPhase(vectors=True, steps=200), r)
        result["whole mixtures"] = bench.engram_error(mixed)
        result["mixtures numbers"] = bench.numbers(*mixed.values())
        for kind in KINDS:
            vectors = eigenvectors(bench, kind)
            result[f"eigen {kind}"] = bench.replay(vectors.decode().inputs)
            result[f"whole eigen {kind}"] = bench.engram_error(bench.label(TwoPhase(), cell.width, vectors))
        fixed = bench.label(TwoPhase(), cell.width, bench.undistilled(4 * r))
        result["whole undistilled"] = bench.engram_error(fixed)
        descended = bench.distil(TwoPhase(label_steps=2000), 4 * r)
        plain = replace(bench, readout=Ridge(steps=2000))
        result["whole by descent"] = plain.engram_error(descended)
        for readout in ("gradient", "teacher"):
            result[f"whole {readout}"] = bench.engram_error(bench.distil(TwoPhase(readout=readout), 4 * r))
        equal = max(2, int(result["whole numbers"] / (cell.d + 1)))
        result |= {
            "undistilled": bench.replay(bench.points_of(torch.eye(cell.d), 2 * r)),
            "one step": bench.one_step(),
            "converged": bench.converged(300 if cell.d < 100 else 3000),
            "true subspace": bench.true_subspace(),
            "singular": bench.singular(),
            "nystroem": bench.nystroem(),
            "random features": bench.random_features(),
            "linear": bench.linear(),
            "kernel": bench.kernel(equal),
            "subset": bench.subset(equal),
            "subset soft": bench.subset_soft(equal),
            "inputs soft": bench.random_inputs(result["whole numbers"]),
        }
        return result

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        every = found.settings("error")
        claims = []
        for s in every:
            where = f"d = {s['d']}, r = {s['r']}, N = {s['rows']:,}"
            if s["r"] >= 4 or scale is Scale.QUICK:
                for objective in ("cosine", "squared"):
                    claims.append(
                        Claim(
                            f"{objective.capitalize()} matching with M = 2r points, replayed in a new network, is at or below "
                            f"the error of a full-data step ({where}; difference)",
                            _PAPER,
                            found.gap("error", f"{objective} 2r", "one step", **s),
                            Interval(high=0.0),
                            found.gap("error", "undistilled", "one step", **s),
                            "undistilled points",
                            {
                                "engram": found.mean("error", f"{objective} 2r", **s).value,
                                "full": found.mean("error", "one step", **s).value,
                            },
                        )
                    )
            best = min(_EQUAL, key=lambda key: found.mean("error", key, **s).value)
            claims.append(
                Claim(
                    f"The whole engram is below every baseline of equal bytes ({where}; difference to the best)",
                    _PAPER,
                    found.gap("error", "whole", best, **s),
                    Interval(high=0.0),
                    found.gap("error", "whole undistilled", best, **s),
                    "undistilled points whose labels were fitted by the same procedure",
                    {_REFERENCES[best]: found.mean("error", best, **s).value},
                )
            )
            claims.append(
                Claim(
                    f"The whole engram (M = 4r points and L labels) is within 1.25 of the full-data step ({where}; ratio)",
                    _PAPER,
                    found.ratio("error", "whole", "one step", **s),
                    Interval(high=1.25),
                    found.ratio("error", "subset", "one step", **s),
                    "a real subset of equal bytes",
                    {
                        "engram": found.mean("error", "whole", **s).value,
                        "numbers": found.mean("error", "whole numbers", **s).value,
                    },
                )
            )
            kind = min(KINDS, key=lambda k: found.mean("error", f"whole eigen {k}", **s).value)
            claims.append(
                Claim(
                    f"At equal numbers distilled vectors are below one eigendecomposition: seeded mixtures of r vectors, K = L "
                    f"labels ({where}; difference to the best of three ways to use the eigenvectors)",
                    "the baseline that is missing in the literature known to us",
                    found.gap("error", "whole mixtures", f"whole eigen {kind}", **s),
                    Interval(high=0.0),
                    found.gap("error", "whole undistilled", f"whole eigen {kind}", **s),
                    "undistilled points whose labels were fitted by the same procedure",
                    {
                        "distilled": found.mean("error", "whole mixtures", **s).value,
                        WORDS[kind]: found.mean("error", f"whole eigen {kind}", **s).value,
                        "numbers of each": found.mean("error", "mixtures numbers", **s).value,
                    },
                )
            )
        rows: list[list[Any]] = []
        columns = ["error (test MSE / Var y)"]
        for s in every:
            columns.append(f"d = {s['d']}, r = {s['r']}")
        show = lambda key, label: rows.append([label, *(found.mean("error", key, **s) for s in every)])  # noqa: E731
        for key, label in _REFERENCES.items():
            show(key, label)
        for name in _ONE_STEP:
            show(f"one {name}", f"one outer step, M = {name}")
        for objective in ("cosine", "squared"):
            for name in _MANY:
                show(f"{objective} {name}", f"100 steps of {objective} matching, M = {name}")
        for key, label in (
            ("whole", "labels by performance matching, closed form"),
            ("whole by descent", "labels and readout by plain gradient descent"),
            ("whole gradient", "labels by gradient matching"),
            ("whole teacher", "teacher's labels"),
        ):
            show(key, f"whole engram, cosine, M = 4r, K = L: {label}")
        show("whole mixtures", "whole engram, seeded mixtures of r distilled vectors, K = L")
        for kind, label in WORDS.items():
            show(f"eigen {kind}", f"one eigendecomposition: {label}, readout on real rows")
            show(f"whole eigen {kind}", f"one eigendecomposition: {label}, whole with K = L labels")
        show("whole undistilled", "4r undistilled points, whole with K = L labels")
        curves = []
        for s in every:
            r = s["r"]
            counts = sorted((count(r), f"one {name}") for name, count in _ONE_STEP.items())
            values = [found.mean("error", key, **s) for _, key in counts]
            label = f"r = {r}, d = {s['d']}"
            curves.append(Curve.of(f"one step, {label}", [c for c, _ in counts], values))
            many = sorted((count(r), f"cosine {name}") for name, count in _MANY.items())
            values = [found.mean("error", key, **s) for _, key in many]
            curves.append(Curve.of(f"cosine, {label}", [c for c, _ in many], values))
            full = found.mean("error", "one step", **s).value
            curves.append(Curve(f"full data, {label}", [counts[0][0], counts[-1][0]], [full, full], line=True))
        return Result(
            claims,
            [
                Table(
                    "Test error of fresh networks; readout on real rows except where an engram is whole", columns, rows
                )
            ],
            [
                Figure(
                    "error",
                    "Error against the number of points of the first set; dashed: one step on all data.",
                    "points M",
                    "test error",
                    curves,
                    log_x=True,
                    log_y=True,
                )
            ],
            _remarks(found, every),
        )


def _remarks(found: Found, every: list[dict[str, Any]]) -> list[str]:
    def below(one: str, other: str) -> bool:
        return all(found.mean("error", one, **s).value < found.mean("error", other, **s).value for s in every)

    remarks = []
    if below("one 16r²", "one step"):
        remarks.append("At larger M the engram is below the full-data step: points average its noise away.")
    if below("converged", "cosine 4r"):
        remarks.append(
            "Training to convergence on all data is below every engram: one step is what is compressed here."
        )
    if below("whole", "whole gradient") and below("whole", "whole by descent"):
        remarks.append(
            "Labels fitted to performance over fresh networks carry over best; plain gradient descent, stopped after "
            "2,000 steps, and matched gradients of the readout do worse."
        )
    return remarks
