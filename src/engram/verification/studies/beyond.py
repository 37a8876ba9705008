"""Beyond the paper: the fewest numbers that keep up with full data, and the law they follow."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...numerics.statistics import Measured, exponent
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..result import Curve, Figure, Result, Table
from ..search import smallest

__all__ = ["Beyond"]

_BEYOND = "beyond the paper, whose order is r^2 d + L"
_SLACK = 1.25
_MIXED = TwoPhase(vectors=True, steps=200)
_CANVASES = {
    "points": (TwoPhase(), 2.0, "2r free points"),
    "pairs": (TwoPhase(mirrored=True), 4.0, "4r points in mirrored pairs, 2r stored"),
    "mixtures": (_MIXED, 1.0, "seeded mixtures of r free vectors"),
    "more mixtures": (_MIXED, 1.5, "seeded mixtures of 1.5 r free vectors"),
}


@dataclass(frozen=True)
class Beyond:
    """Free points, mirrored pairs and seeded mixtures under cosine matching: less memory than r^2 d + L."""

    title: ClassVar[str] = "Beyond the paper"
    question: ClassVar[str] = "How few numbers keep up with a full-data step, and what law do they follow?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """The fewest numbers over d, r and L."""
        quick = scale is Scale.QUICK
        found = []
        for s in range(seeds or (3 if quick else 5)):
            base = {"d": 40, "r": 3, "width": 200} if quick else {"d": 64, "r": 4, "width": 512}
            for d in (30, 60) if quick else (32, 64, 128, 256):
                found.append(Cell("fewest", base | {"d": d, "vary": "d", "seed": s}))
            for r in (2, 4) if quick else (2, 3, 4, 6):
                found.append(Cell("fewest", base | {"r": r, "vary": "r", "seed": s}))
            for width in (100, 200) if quick else (256, 512, 1024):
                found.append(Cell("fewest", base | {"width": width, "vary": "L", "seed": s}))
            for r in (2, 3) if quick else (2, 3, 4, 6):
                found.append(Cell("floor", base | {"r": r, "seed": s}))
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """For every canvas the fewest labels; the fewest numbers over all."""
        bench = Bench(MultiIndex(d=cell.d, r=cell.r), cell.seed, cell.width)
        if cell.name == "floor":
            # The best that so few vectors can do: a readout on real rows.
            sets = {v: bench.first_set(_MIXED, v) for v in range(1, cell.r + 1)}
            errors = {v: bench.replay(points.decode()) for v, points in sets.items()}
            below = min(error for v, error in errors.items() if v < cell.r)
            every = {f"vectors {v}": error for v, error in errors.items()}
            return every | {
                "fewer less bound": below - 1 / (2 * cell.r),
                "r less bound": errors[cell.r] - 1 / (2 * cell.r),
            }
        full = bench.one_step()
        result: dict[str, Any] = {
            "full": full,
            "law": cell.r * cell.d + cell.width,
            "paper": cell.r**2 * cell.d + cell.width,
        }
        fewest = math.inf
        for name, (method, per, _) in _CANVASES.items():
            count = 2 * math.ceil(per * cell.r / 2) if method.mirrored else math.ceil(per * cell.r)
            points = bench.first_set(method, count)
            error = lambda k, m=method, p=points: bench.engram_error(bench.label(m, k, p))  # noqa: E731
            labels = smallest(error, 16, 2 * cell.width, _SLACK * full)
            result[f"{name} labels"] = labels
            result[f"{name} numbers"] = bench.numbers(points) + labels
            if not math.isnan(labels):
                fewest = min(fewest, result[f"{name} numbers"])
        best = fewest if math.isfinite(fewest) else math.nan
        return result | {"fewest": best, "of law": best / result["law"], "of paper": best / result["paper"]}

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        claims, tables, figures = [], [], []
        laws: dict[str, dict[str, Measured]] = {}
        for vary, x in (("d", "d"), ("r", "r"), ("L", "width")):
            every = found.settings("fewest", vary=vary)
            runs = {s[x]: found.runs("fewest", "fewest", **s) for s in every}
            paper = {s[x]: [float(s["r"] ** 2 * s["d"] + s["width"])] * 2 for s in every}
            linear = {s[x]: [float(s["r"] * s["d"] + s["width"])] * 2 for s in every}
            laws[vary] = {"measured": exponent(runs), "paper": exponent(paper), "law": exponent(linear)}
            columns = [
                vary,
                "full-data step",
                *(words for _, _, words in _CANVASES.values()),
                "fewest numbers",
                "r d + L",
                "r² d + L",
            ]
            tables.append(
                Table(
                    f"Labels that keep within {_SLACK} of a full-data step, and the fewest numbers in all, over {vary}",
                    columns,
                    [
                        [
                            str(s[x]),
                            found.mean("fewest", "full", **s),
                            *(_reached(found.runs("fewest", f"{name} labels", **s)) for name in _CANVASES),
                            _reached(found.runs("fewest", "fewest", **s)),
                            f"{s['r'] * s['d'] + s['width']:,}",
                            f"{s['r'] ** 2 * s['d'] + s['width']:,}",
                        ]
                        for s in every
                    ],
                )
            )
            means = {g: Measured.of(v for v in values if not math.isnan(v)) for g, values in runs.items()}
            figures.append(
                Figure(
                    vary,
                    f"Fewest numbers over {vary}: exponent {laws[vary]['measured']}.",
                    vary,
                    "numbers",
                    [
                        Curve.of("measured", means, means.values()),
                        Curve("r d + L", list(linear), [v[0] for v in linear.values()], line=True),
                        Curve("r² d + L", list(paper), [v[0] for v in paper.values()], line=True),
                    ],
                    log_x=True,
                    log_y=True,
                )
            )
        every = found.settings("fewest")
        share = [found.mean("fewest", "of law", **s) for s in every]
        # A setting that was not reached, if only once, makes "every" unknown.
        lost = [m for m in share if math.isnan(m.value)]
        worst = lost[0] if lost else max(share, key=lambda m: m.value)
        longer = [(s["r"] ** 2 * s["d"] + s["width"]) / (s["r"] * s["d"] + s["width"]) for s in every]
        claims = [
            Claim(
                "r d + L numbers keep within 1.25 of a full-data step in every setting (largest share of r d + L that was "
                "needed)",
                _BEYOND,
                worst,
                Interval(high=1.0),
                Measured(max(longer), 0.0, len(every)),
                "r^2 d + L numbers, counted",
            ),
            Claim(
                "They grow with r no more steeply than r d + L does (excess of the exponent)",
                _BEYOND,
                _excess(laws["r"]["measured"], laws["r"]["law"]),
                Interval(high=0.3),
                _excess(laws["r"]["paper"], laws["r"]["law"]),
                "r^2 d + L",
            ),
            Claim(
                "They are at most linear in d (exponent)",
                _BEYOND,
                laws["d"]["measured"],
                Interval(0.0, 1.1),
                exponent({s["d"]: [float(4 * s["d"] ** 3)] * 2 for s in found.settings("fewest", vary="d")}),
                "the data's numbers",
            ),
            Claim(
                "They grow with the width no more steeply than r d + L does (excess of the exponent)",
                _BEYOND,
                _excess(laws["L"]["measured"], laws["L"]["law"]),
                Interval(high=0.2),
                _excess(exponent({w: [float(w)] * 2 for w in (256, 512, 1024)}), laws["L"]["law"]),
                "L itself",
            ),
        ]
        floors = found.settings("floor")
        # Where r vectors do not reach it either, for want of rows, nothing is told of fewer.
        reached = [s for s in floors if found.mean("floor", "r less bound", **s).value < 0] or floors
        least = min((found.mean("floor", "fewer less bound", **s) for s in reached), key=lambda m: m.value)
        ranks = ", ".join(str(s["r"]) for s in reached)
        claims.append(
            Claim(
                f"Fewer than r vectors do not reach an error of 1/(2r), whatever their labels (r = {ranks}, where r vectors reach it; "
                "least distance above it)",
                "each direction of the base link carries 1/r of the variance",
                least,
                Interval(low=0.0),
                max((found.mean("floor", "r less bound", **s) for s in reached), key=lambda m: m.value),
                "r vectors",
            )
        )
        most = max(s["r"] for s in floors)
        tables.append(
            Table(
                "Error of so many distilled vectors, as seeded mixtures, with a readout on real rows",
                ["r", "1/(2r)", *(f"{v} vector{'s' * (v > 1)}" for v in range(1, most + 1))],
                [
                    [
                        str(s["r"]),
                        1 / (2 * s["r"]),
                        *(found.mean("floor", f"vectors {v}", **s) if v <= s["r"] else "" for v in range(1, most + 1)),
                    ]
                    for s in floors
                ],
            )
        )
        # Beside the r vectors of the smallest canvas and the d + 1 numbers of the linear part there are labels alone.
        rest = [found.mean("fewest", "fewest", **s).value - (s["r"] + 1) * s["d"] for s in every]
        law = f"In every setting the fewest numbers are (r + 1) d, for r directions and the linear part, and {min(rest):.0f} to {max(rest):.0f} more."
        return Result(claims, tables, figures, [law] if not lost else [])


def _excess(one: Measured, other: Measured) -> Measured:
    """By how much an exponent is above a law's, which is a number without error but for its misfit."""
    return Measured(one.value - other.value, one.sem, one.n)


def _reached(runs: list[float]) -> str:
    good = [v for v in runs if not math.isnan(v)]
    words = str(Measured.of(good)) if good else "not reached"
    return words if len(good) in (0, len(runs)) else f"{words} ({len(good)} of {len(runs)})"
