"""Compression: how many points and labels an error needs, as data, dimension, rank and width grow."""

import math
from dataclasses import dataclass
from functools import cache
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
_ERRORS = (0.3, 0.2, _ERROR)
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
        result = {}
        for rule, method, most in (("one", _ONE, 64 * cell.r**2), ("many", _MANY, 16 * cell.r)):
            error = cache(lambda m, method=method: bench.replay(bench.points(method, m)))
            for bound in _ERRORS if cell.name == "rank" else (_ERROR,):
                result[_key(rule, bound)] = smallest(error, cell.r, most, bound)
        if cell.name == "dimension":
            # How many real rows the same step of the first layer needs, its readout on all of them.
            result["real"] = smallest(lambda n: bench.replay(bench.some(n)), cell.d, cell.rows, _ERROR)
        return result

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
        rank = found.settings("rank")
        steep = {
            (rule, e): exponent({s["r"]: found.runs("rank", _key(rule, e), **s) for s in rank})
            for rule in _RULES
            for e in _ERRORS
        }
        tables.append(
            Table(
                "Fewest points over r, N and L growing with it, at several errors",
                ["error", "", *(f"r = {s['r']}" for s in rank), "exponent in r"],
                [
                    [f"{e:g}", words, *(found.mean("rank", _key(rule, e), **s) for s in rank), steep[rule, e]]
                    for rule, words in _RULES.items()
                    for e in _ERRORS
                ],
            )
        )
        real = exponent({s["d"]: found.runs("dimension", "real", **s) for s in found.settings("dimension")})
        claims = [
            Claim(
                f"The points that an error of {_ERROR} needs do not depend on N: {_RULES['many']} (exponent in N)",
                _PAPER,
                laws["rows", "many"],
                Interval(-0.15, 0.15),
                laws["rows", "one"],
                _RULES["one"],
            ),
            Claim(
                "With one outer step they do not depend on N either (exponent in N)",
                _PAPER,
                laws["rows", "one"],
                Interval(-0.15, 0.15),
                real,
                "real rows that the same step needs, over d",
            ),
            *(
                Claim(
                    f"The points that an error of {_ERROR} needs do not depend on d: {words} (exponent in d)",
                    _PAPER,
                    laws["dimension", rule],
                    Interval(-0.15, 0.15),
                    real,
                    "real rows that the same step needs",
                )
                for rule, words in _RULES.items()
            ),
            Claim(
                "The labels that keep up with a full-data step grow with the width, at most linearly (exponent in L)",
                _PAPER,
                laws["labels", "one"],
                Interval(0.25, 1.25),
                exponent({s["width"]: found.runs("labels", "fixed", **s) for s in labels}),
                "labels that reach an error of 0.5, whatever the full-data step reaches",
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
                        "numbers": found.mean("whole", "numbers", **s).value,
                        "r^2 d + L": float(s["r"] ** 2 * s["d"] + s["width"]),
                        "numbers of the data": float(s["rows"] * (s["d"] + 1)),
                    },
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
        "fixed": smallest(error, 4, 4 * bench.width, 0.5),
        "at width": error(bench.width) / full,
        "zero": bench.linear() / full,
    }


def _key(rule: str, bound: float) -> str:
    return rule if bound == _ERROR else f"{rule} {bound:g}"
