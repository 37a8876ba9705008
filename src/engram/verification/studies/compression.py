"""Compression: how many points and labels an error needs, as data, dimension, rank and width grow."""

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

__all__ = ["Compression"]

_ERROR = 0.10
_PAPER = "Kinoshita et al., ICML 2026 (memory of order r^2 d + L)"
_ONE, _MANY = TwoPhase("inner-product", steps=1), TwoPhase()
_RULES = {"one": "one outer step", "many": "100 steps of cosine matching"}


@dataclass(frozen=True)
class Compression:
    """The smallest engram that reaches an error."""

    title: ClassVar[str] = "Compression"
    question: ClassVar[str] = "How much memory does the engram need, and on what does it depend?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Fewest points over N, d and r; fewest labels over L; the whole engram."""
        quick = scale is Scale.QUICK
        found = []
        for s in range(seeds or (3 if quick else 5)):
            d, width = (32, 400) if quick else (64, 1024)
            base = {"r": 2 if quick else 4, "d": d, "width": width, "seed": s}
            for ratio in (8, 32) if quick else (8, 16, 32, 64, 128):
                found.append(Cell("rows", base | {"rows": ratio * d * d}))
            for other in (24, 48) if quick else (32, 64, 96, 128):
                found.append(Cell("dimension", base | {"d": other, "rows": 16 * other * other}))
            for r in (2, 3) if quick else (2, 3, 4, 5, 6):
                found.append(
                    Cell("rank", base | {"r": r, "rows": (16 if quick else 8 * r) * d * d, "width": 64 * r * r})
                )
            for other in (100, 200) if quick else (128, 256, 512, 1024):
                found.append(Cell("labels", base | {"rows": 4 * d * d, "width": other}))
            whole = {"d": 40, "rows": 8000, "width": 400} if quick else {"d": 100, "rows": 40_000, "width": 1000}
            found.append(Cell("whole", whole | {"r": 4, "seed": s}))
            if scale is Scale.LARGE:
                found.append(Cell("whole", {"d": 400, "rows": 640_000, "width": 1000, "r": 4, "seed": s}))
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Search for the smallest."""
        task = MultiIndex(d=cell.d, r=cell.r, rows=cell.rows, streamed=cell.rows > 400_000)
        bench = Bench(task, cell.seed, cell.width)
        if cell.name == "whole":
            return _whole(bench)
        if cell.name == "labels":
            return _labels(bench)
        search = lambda method, most: smallest(  # noqa: E731
            lambda m: bench.replay(bench.points(method, m)), cell.r, most, _ERROR
        )
        return {"one": search(_ONE, 64 * cell.r**2), "many": search(_MANY, 16 * cell.r)}

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        laws: dict[tuple[str, str], Measured] = {}
        tables, figures = [], []
        for name, x, label in (("rows", "rows", "N"), ("dimension", "d", "d"), ("rank", "r", "r")):
            settings = found.settings(name)
            grid = [s[x] for s in settings]
            runs = {rule: {s[x]: found.runs(name, rule, **s) for s in settings} for rule in _RULES}
            for rule in _RULES:
                laws[name, rule] = exponent(runs[rule])
            fixed = {k: v for k, v in settings[0].items() if k not in (x, "seed")}
            tables.append(
                Table(
                    f"Fewest points for an error of {_ERROR} over {label}",
                    [label, *_RULES.values(), "runs that did not reach it"],
                    [
                        [
                            f"{g:,}",
                            *(Measured.of(v for v in runs[rule][g] if not math.isnan(v)) for rule in _RULES),
                            str(sum(math.isnan(v) for rule in _RULES for v in runs[rule][g])),
                        ]
                        for g in grid
                    ],
                )
            )
            curves = []
            for rule, words in _RULES.items():
                means = [Measured.of(v for v in runs[rule][g] if not math.isnan(v)) for g in grid]
                law = laws[name, rule]
                curves.append(Curve.of(f"{words}: exponent {law}", grid, means))
            caption = f"Fewest points for an error of {_ERROR} over {label}" + (
                "; N and L grow with r." if name == "rank" else f" (r = {fixed['r']})."
            )
            figures.append(Figure(name, caption, label, "points M", curves, log_x=True, log_y=True))
        labels = found.settings("labels")
        needed = {s["width"]: found.runs("labels", "labels", **s) for s in labels}
        laws["labels", "one"] = exponent(needed)
        at_width = [found.mean("labels", "at width", **s) for s in labels]
        worst = max(at_width, key=lambda m: m.value)
        tables.append(
            Table(
                "Labels, over the width",
                ["L", "error of a full-data step", "fewest labels within 1.25 of it", "ratio at K = L"],
                [
                    [str(s["width"]), found.mean("labels", "full", **s), found.mean("labels", "labels", **s), m]
                    for s, m in zip(labels, at_width, strict=True)
                ],
            )
        )
        figures.append(
            Figure(
                "labels",
                f"Fewest labels K within 1.25 of a full-data step: exponent {laws['labels', 'one']} in L.",
                "width L",
                "labels K",
                [
                    Curve.of("measured", needed, map(Measured.of, needed.values())),
                    Curve("K = L", list(needed), list(needed), line=True),
                ],
                log_x=True,
                log_y=True,
            )
        )
        claims = []
        for rule, words in _RULES.items():
            for name, x, label in (("rows", "rows", "N"), ("dimension", "d", "d")):
                claims.append(
                    Claim(
                        f"The points that an error of {_ERROR} needs do not depend on {label}: {words} (exponent in {label})",
                        _PAPER,
                        laws[name, rule],
                        Interval(-0.15, 0.15),
                        exponent({s[x]: [float(s["rows"] * (s["d"] + 1))] * 2 for s in found.settings(name)}),
                        "the exponent of the data themselves",
                    )
                )
        claims += [
            Claim(
                f"The points that an error of {_ERROR} needs do not grow with N: one outer step (exponent in N)",
                _PAPER,
                laws["rows", "one"],
                Interval(high=0.15),
                exponent({s["rows"]: [float(s["rows"] * (s["d"] + 1))] * 2 for s in found.settings("rows")}),
                "the exponent of the data themselves",
            ),
            Claim(
                "The labels that keep up with a full-data step grow with the width, at most linearly (exponent in L)",
                _PAPER,
                laws["labels", "one"],
                Interval(0.25, 1.25),
                exponent({w: [v * w for v in runs] for w, runs in needed.items()}),
                "planted labels, steeper by one power",
            ),
            Claim(
                "With one outer step they grow with r, at most as r^2 (exponent in r)",
                _PAPER,
                laws["rank", "one"],
                Interval(0.5, 2.0),
                laws["rows", "one"],
                "the exponent in N",
            ),
            Claim(
                "With many outer steps they grow in proportion to r (exponent in r)",
                "our reconstruction: a point for each direction, whose neurons come as +-w",
                laws["rank", "many"],
                Interval(0.75, 1.25),
                laws["dimension", "many"],
                "the exponent in d",
            ),
            Claim(
                "L labels suffice at every width (largest ratio of the whole engram to a full-data step)",
                _PAPER,
                worst,
                Interval(high=1.25),
                max((found.mean("labels", "zero", **s) for s in labels), key=lambda m: m.value),
                "labels that are all zero",
            ),
        ]
        for s in found.settings("whole"):
            bound = 2 * (s["r"] ** 2 * s["d"] + s["width"])
            claims += [
                Claim(
                    f"The whole engram is within 1.25 of a full-data step (d = {s['d']}, N = {s['rows']:,}; ratio)",
                    _PAPER,
                    found.ratio("whole", "engram", "full", **s),
                    Interval(high=1.25),
                    found.ratio("whole", "subset", "full", **s),
                    "a real subset of equal bytes",
                    {
                        "engram": found.mean("whole", "engram", **s).value,
                        "full": found.mean("whole", "full", **s).value,
                    },
                ),
                Claim(
                    f"and takes, by count, at most 2 (r^2 d + L) = {bound:,} numbers, for {s['rows'] * (s['d'] + 1):,} of data",
                    _PAPER,
                    found.mean("whole", "numbers", **s),
                    Interval(high=bound),
                    Measured(float(s["rows"] * (s["d"] + 1)), 0.0, 1),
                    "the data themselves",
                ),
            ]
        return Result(claims, tables, figures)


def _whole(bench: Bench) -> dict[str, Any]:
    r = bench.task.r
    canvases = bench.distil(_MANY, 4 * r)
    numbers = bench.numbers(*canvases.values())
    return {
        "engram": bench.engram_error(canvases),
        "full": bench.one_step(),
        "numbers": numbers,
        "subset": bench.subset(max(2, numbers // (bench.task.d + 1))),
    }


def _labels(bench: Bench) -> dict[str, Any]:
    """Fewest labels for an error within 1.25 of a full-data step at the same width."""
    count = 4 * bench.task.r
    full = bench.one_step()
    points = bench.first_set(_MANY, count)
    error = lambda k: bench.engram_error(bench.label(_MANY, k, points))  # noqa: E731
    return {
        "full": full,
        "labels": smallest(error, 16, 4 * bench.width, 1.25 * full),
        "at width": error(bench.width) / full,
        "zero": bench.linear() / full,
    }
