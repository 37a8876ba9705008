"""Real inputs: the theory's predictions for digits, a medical table and patches of photographs with a planted link."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ...distillation.methods.two_phase import TwoPhase
from ...numerics.statistics import Measured
from ...numerics.subspaces import overlap
from ...theory.first_step import predicted_overlap
from ...theory.links.hermite import Hermite
from ...theory.population import population
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval
from ..laboratory import Bench
from ..planted import Planted
from ..result import Result, Table
from ..spectral import KINDS, WORDS, eigenvectors

__all__ = ["Real"]

_ONE = TwoPhase("inner-product", steps=1)
_MIXED = TwoPhase(vectors=True, steps=200)
_POINTS = 128
_REFERENCE = "theory.first_step.predicted_overlap, which assumes Gaussian inputs"
_SETS: dict[str, str] = {
    "distilled": "r distilled vectors, seeded mixtures",
    "points": "2r distilled points",
    **{str(kind): words for kind, words in WORDS.items()},
    "shuffled": "r vectors distilled from shuffled labels",
}


@dataclass(frozen=True)
class Real:
    """A known link in inputs that nobody drew."""

    title: ClassVar[str] = "Real inputs"
    question: ClassVar[str] = "Do the predictions for Gaussian inputs hold on real ones?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Three kinds of inputs, as they are and with components at normal scores, for each seed."""
        quick = scale is Scale.QUICK
        kinds = {"digits": 16, "breast-cancer": 8} if quick else {"digits": 16, "breast-cancer": 8, "photographs": 48}
        return [
            Cell(
                "planted", {"inputs": kind, "normal": normal, "d": d, "r": 2, "width": 256 if quick else 512, "seed": s}
            )
            for s in range(seeds or (3 if quick else 5))
            for kind, d in kinds.items()
            for normal in (False, True)
        ]

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Overlap after one step, errors of all data, of engrams, of eigenvectors."""
        bench = Bench(Planted(cell.inputs, cell.d, cell.r, normal=cell.normal), cell.seed, cell.width)
        rows, r = len(bench.problem.train), cell.r
        one = bench.points(_ONE, _POINTS)
        known = population(Hermite(), r)
        result: dict[str, Any] = {
            "rows": rows,
            "overlap": float(overlap(one, bench.basis).mean()),
            "wrong subspace": float(overlap(one, bench.task.subspace(cell.seed + 1)).mean()),
            "formula": predicted_overlap(known, cell.d, rows, neurons=cell.width / 4 * _ONE.networks),
            "full": bench.one_step(),
            "subspace": bench.true_subspace(),
        }
        sets = {
            "distilled": bench.first_set(_MIXED, r),
            "points": bench.first_set(TwoPhase(), 2 * r),
            "shuffled": bench.shuffled().first_set(_MIXED, r),
        }
        sets |= {kind: eigenvectors(bench, kind) for kind in KINDS}
        for name, points in sets.items():
            whole = bench.label(TwoPhase(), cell.width // 2, points)
            result[f"{name} whole"] = bench.engram_error(whole)
            result[f"{name} real"] = bench.replay(points.decode())
            result[f"{name} numbers"] = bench.numbers(*whole.values())
        return result

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        every = found.settings("planted")
        claims, rows = [], []
        for s in every:
            what = s["inputs"] + (", normal scores" if s["normal"] else "")
            formula = found.mean("planted", "formula", **s)
            seen, wrong = (found.mean("planted", key, **s) for key in ("overlap", "wrong subspace"))
            kind = min(KINDS, key=lambda k: found.mean("planted", f"{k} whole", **s).value)
            claims += [
                Claim(
                    f"{what}: the overlap after one outer step is the one predicted for Gaussian inputs, within 0.1 (miss)",
                    _REFERENCE,
                    _miss(seen, formula),
                    Interval(high=0.1),
                    _miss(wrong, formula),
                    "the overlap with another task's subspace",
                    {"overlap": seen.value, "predicted": formula.value},
                ),
                Claim(
                    f"{what}: an engram of r vectors and L/2 labels is within 1.25 of a full-data step (ratio)",
                    "Kinoshita et al., ICML 2026, on inputs that their theorems do not cover",
                    found.ratio("planted", "distilled whole", "full", **s),
                    Interval(high=1.25),
                    found.ratio("planted", "shuffled whole", "full", **s),
                    "vectors distilled from shuffled labels",
                    {
                        "engram": found.mean("planted", "distilled whole", **s).value,
                        "full": found.mean("planted", "full", **s).value,
                        "numbers": found.mean("planted", "distilled numbers", **s).value,
                        "r d + L": float(s["r"] * s["d"] + s["width"]),
                    },
                ),
                Claim(
                    f"{what}: it is below one eigendecomposition at equal numbers (difference to the best of three ways)",
                    "the baseline that is missing in the literature known to us",
                    found.gap("planted", "distilled whole", f"{kind} whole", **s),
                    Interval(high=0.0),
                    found.gap("planted", "shuffled whole", f"{kind} whole", **s),
                    "vectors distilled from shuffled labels",
                    {WORDS[kind]: found.mean("planted", f"{kind} whole", **s).value},
                ),
            ]
            head = [what, f"{found.mean('planted', 'rows', **s).value:,.0f}", str(s["d"])]
            rows.append((head, seen, formula, s))
        return Result(
            claims,
            [
                Table(
                    "Overlap with the planted subspace after one outer step (r = 2)",
                    ["inputs", "rows", "d", "measured", "predicted for Gaussian inputs", "r/d"],
                    [[*head, seen, formula.value, s["r"] / s["d"]] for head, seen, formula, s in rows],
                ),
                *(
                    Table(
                        f"Test error, {words}",
                        ["inputs", "full-data step", "true subspace", *_SETS.values()],
                        [
                            [
                                head[0],
                                *(found.mean("planted", key, **s) for key in ("full", "subspace")),
                                *(found.mean("planted", f"{name} {which}", **s) for name in _SETS),
                            ]
                            for head, *_, s in rows
                        ],
                    )
                    for which, words in (("whole", "whole engrams with L/2 labels"), ("real", "readout on real rows"))
                ),
            ],
            [],
        )


def _miss(seen: Measured, told: Measured) -> Measured:
    return Measured(abs(seen.value - told.value), seen.sem, seen.n)
