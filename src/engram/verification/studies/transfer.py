"""Transfer: what was learnt on one task, applied to another that depends on the same directions."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from ...data.rows import Rows
from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...numerics.leave_one_out import leave_one_out
from ...numerics.statistics import exponent
from ...samples.synthetic import Synthetic
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench, relative_error
from ..result import Curve, Figure, Result, Table
from ..spectral import eigenvectors

__all__ = ["Transfer"]

_SAMPLES = (50, 100, 200, 400, 1600)
_ROWS = {
    "engram": "engram of the source task (4r points)",
    "eigenvectors": "seeded mixtures of r eigenvectors of the source task",
    "full": "features of a full-data step on the source task",
    "subspace": "true subspace",
    "wrong": "subspace of another task",
    "random": "random features",
    "scratch": "from scratch: the same training on the target's samples",
    "kernel": "kernel ridge (tangent kernel) on the target's samples",
}
_PAPER = "Kinoshita et al., ICML 2026 (transfer learning experiments)"


@dataclass(frozen=True)
class Transfer:
    """Error on a related task after few target samples."""

    title: ClassVar[str] = "Transfer"
    question: ClassVar[str] = "Does the engram of one task save samples on another task over the same directions?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Every dimension and seed."""
        quick = scale is Scale.QUICK
        dims = (30, 60) if quick else (50, 100, 200, 400) if scale is Scale.LARGE else (50, 100, 200)
        width = 400 if quick else 1000
        return [
            Cell("transfer", {"d": d, "width": width, "rows": 4 * d * d, "seed": s})
            for s in range(seeds or (3 if quick else 5))
            for d in dims
        ]

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Distil the source task; fit readouts on target samples, penalties by leave-one-out."""
        settings = {"d": cell.d, "r": 4, "rows": cell.rows}
        bench = Bench(MultiIndex(**settings, streamed=cell.rows > 400_000), cell.seed, cell.width)
        # The same seed draws the same directions; the link is another, and the rows are new.
        target = MultiIndex(**settings | {"rows": 8000}, link="smooth", residual=False).load(cell.seed)
        x, y, _ = target.select.batch(slice(None))
        target_of_another = bench.task.subspace(cell.seed + 1)
        ones = lambda points: Synthetic(points, torch.ones(len(points), 1))  # noqa: E731
        sources: dict[str, Rows] = {
            "engram": ones(bench.points(TwoPhase(), 16)),
            "eigenvectors": eigenvectors(bench, "mixtures").decode(),
            "wrong": ones(bench.points_of(target_of_another)),
            "full": bench.problem.train,
            "subspace": ones(bench.points_of(bench.basis)),
            "random": ones(bench.points_of(torch.eye(cell.d))),
        }
        result: dict[str, Any] = {}
        for name, source in sources.items():
            fitted = bench.learnt(source)
            phi, test = (fitted.features(part)[0] for part in (x[: _SAMPLES[-1]], target.test.inputs))
            for n in _SAMPLES:
                result[f"{name} {n}"] = relative_error(leave_one_out(phi[:n], y[:n], test), target)
        for n in _SAMPLES:
            few = Synthetic(x[:n], y[:n])
            fitted = bench.learnt(few)
            phi, test = (fitted.features(part)[0] for part in (few.inputs, target.test.inputs))
            result[f"scratch {n}"] = relative_error(leave_one_out(phi, y[:n], test), target)
            result[f"kernel {n}"] = bench.kernel_error(few, target)
        return result

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        every = found.settings("transfer")
        middle = next((s for s in every if s["d"] == 100), every[-1])
        engram = found.mean("transfer", "engram 100", **middle)
        flat = {s["d"]: found.runs("transfer", "engram 200", **s) for s in every}
        kernel = exponent({s["d"]: found.runs("transfer", "kernel 1600", **s) for s in every})
        claims = [
            Claim(
                f"100 target samples on the engram's features give an error below 0.25 (d = {middle['d']})",
                _PAPER,
                engram,
                Interval(high=0.25),
                found.mean("transfer", "scratch 1600", **middle),
                "1,600 samples from scratch",
            ),
            Claim(
                "They give less than full-data features do, where samples are few (difference at 100)",
                _PAPER,
                found.gap("transfer", "engram 100", "full 100", **middle),
                Interval(high=0.0),
                found.gap("transfer", "random 100", "full 100", **middle),
                "random features",
            ),
            Claim(
                "They give less than one eigendecomposition of the source task does (difference at 100)",
                "the baseline that is missing in the literature known to us",
                found.gap("transfer", "engram 100", "eigenvectors 100", **middle),
                Interval(high=0.0),
                found.gap("transfer", "wrong 100", "eigenvectors 100", **middle),
                "points of the subspace of another task",
            ),
            Claim(
                "The error at 200 target samples does not grow with d (exponent)",
                _PAPER,
                exponent(flat),
                Interval(high=0.15),
                kernel,
                "kernel ridge with 1,600 target samples, which knows no directions",
            ),
            Claim(
                "nor depend on it at all, N growing as 4 d^2 (exponent)",
                "our reconstruction",
                exponent(flat),
                Interval(-0.15, 0.15),
                kernel,
                "kernel ridge with 1,600 target samples, which knows no directions",
            ),
        ]
        tables = [
            Table(
                f"Error on the target task, d = {s['d']}",
                ["target samples", *map(str, _SAMPLES)],
                [
                    [label, *(found.mean("transfer", f"{name} {n}", **s) for n in _SAMPLES)]
                    for name, label in _ROWS.items()
                ],
            )
            for s in every
        ]
        curves = []
        for name, label in _ROWS.items():
            values = [found.mean("transfer", f"{name} {n}", **middle) for n in _SAMPLES]
            curves.append(Curve.of(label, _SAMPLES, values))
        over = [found.mean("transfer", "engram 200", **s) for s in every]
        return Result(
            claims,
            tables,
            [
                Figure(
                    "samples",
                    f"Error on a related task against the number of its samples (d = {middle['d']}).",
                    "target samples",
                    "test error",
                    curves,
                    log_x=True,
                    log_y=True,
                ),
                Figure(
                    "dimension",
                    "Error at 200 target samples against the dimension.",
                    "d",
                    "test error",
                    [Curve.of("engram", [s["d"] for s in every], over)],
                    log_x=True,
                ),
            ],
        )
