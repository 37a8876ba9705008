"""Against one eigendecomposition: what distillation adds to the r top eigenvectors of the label-weighted covariance."""

from dataclasses import dataclass
from typing import Any, ClassVar

from ...data.sources.multi_index import MultiIndex
from ...distillation.methods.two_phase import TwoPhase
from ...numerics.statistics import Measured
from ...theory.links.hermite import Hermite
from ...theory.links.product import Product
from ..cells import Cell, Found, Scale
from ..claims import Claim, Interval, Verdict
from ..laboratory import Bench
from ..result import Result, Table
from ..spectral import KINDS, WORDS, eigenvectors

__all__ = ["Eigenvectors"]

_MIXED = TwoPhase(vectors=True, steps=200)
_LINKS = {
    "base": Hermite(),
    "second degree alone": Hermite((2,), (1.0,)),
    "fading strengths": Hermite(decay=0.5),
    "rank-deficient H": Hermite(quadratic=2),
    "indefinite H": Product(((0.8, (2,)), (1.0, (0, 1, 1)), (0.5, (0, 0, 0, 2)))),
}
_SETS: dict[str, str] = {
    "distilled": "r distilled vectors, seeded mixtures",
    "points": "2r distilled points",
    **{str(kind): words for kind, words in WORDS.items()},
    "shuffled": "r vectors distilled from shuffled labels",
}
_REFERENCE = "the baseline that is missing in the literature known to us"


@dataclass(frozen=True)
class Eigenvectors:
    """Distilled vectors and eigenvectors at equal numbers, where assumptions of the theory hold and where they fail."""

    title: ClassVar[str] = "Against one eigendecomposition"
    question: ClassVar[str] = "What does distillation add to the leading eigenvectors of the label-weighted covariance?"

    def cells(self, scale: Scale, seeds: int | None) -> list[Cell]:
        """Rows, noise, links, inputs, rank."""
        quick = scale is Scale.QUICK
        d, width = (32, 200) if quick else (64, 512)
        base = {"d": d, "r": 4, "width": width, "rows": 4 * d * d, "noise": 0.0, "link": "base", "inputs": "gaussian"}
        several: list[dict[str, Any]] = [{}, {"rows": d * d}, {"inputs": "student"}]
        if not quick:
            several += [{"rows": d * d // 4}, {"rows": 16 * d * d}, {"noise": 1.0}, {"r": 8}, {"inputs": "laplace"}]
            several += [{"link": link} for link in _LINKS if link != "base"]
        found = []
        for s in range(seeds or (3 if quick else 5)):
            found += [Cell("pair", base | other | {"seed": s}) for other in several]
            found += [Cell("signs", base | {"link": link, "seed": s}) for link in ("indefinite H", "base")]
        return found

    def measure(self, cell: Cell) -> dict[str, Any]:
        """Errors with a readout on real rows, and of whole engrams with L/2 labels."""
        task = MultiIndex(
            d=cell.d, r=cell.r, rows=cell.rows, link=_LINKS[cell.link], noise=cell.noise, inputs=cell.inputs
        )
        bench = Bench(task, cell.seed, cell.width)
        if cell.name == "signs":
            count = 2 * cell.r
            signs = {"one sign": TwoPhase(), "both signs": TwoPhase(negative=cell.r)}
            return {name: bench.replay(bench.first_set(method, count).decode()) for name, method in signs.items()}
        sets = {
            "distilled": bench.first_set(_MIXED, cell.r),
            "points": bench.first_set(TwoPhase(), 2 * cell.r),
            "shuffled": bench.shuffled().first_set(_MIXED, cell.r),
        }
        sets |= {kind: eigenvectors(bench, kind) for kind in KINDS}
        result: dict[str, Any] = {"full": bench.one_step(), "subspace": bench.true_subspace()}
        for name, points in sets.items():
            result[f"{name} real"] = bench.replay(points.decode().inputs)
            whole = bench.label(TwoPhase(), cell.width // 2, points)
            result[f"{name} whole"] = bench.engram_error(whole)
            result[f"{name} numbers"] = bench.numbers(*whole.values())
        return result

    def conclude(self, found: Found, scale: Scale) -> Result:
        """Judge."""
        base, *others = found.settings("pair")
        claims, gaps = [], []
        for s in (base, *others):
            what = _changed(s, base)
            kind = min(KINDS, key=lambda k: found.mean("pair", f"{k} whole", **s).value)
            gap = found.gap("pair", "distilled whole", f"{kind} whole", **s)
            gaps.append((what, kind, gap, Interval(high=0.0).judge(gap)))
            if what in ("base", "inputs: student", f"rows: {base['rows'] // 4}"):
                claims.append(
                    Claim(
                        f"{what}: r distilled vectors are below r eigenvectors at equal numbers (difference to the best of three "
                        "ways to use them)",
                        _REFERENCE,
                        gap,
                        Interval(high=0.0),
                        found.gap("pair", "shuffled whole", f"{kind} whole", **s),
                        "vectors distilled from shuffled labels",
                        {
                            "distilled": found.mean("pair", "distilled whole", **s).value,
                            "eigenvectors": found.mean("pair", f"{kind} whole", **s).value,
                        },
                    )
                )
        of_signs = lambda link: found.gap("signs", "both signs", "one sign", link=link)  # noqa: E731
        claims.append(
            Claim(
                "Where H has eigenvalues of both signs, 2r points whose labels have both signs are below as many labelled one "
                "(difference; readout on real rows)",
                "our reconstruction: labels of one sign move the first layer by a positive matrix",
                of_signs("indefinite H"),
                Interval(high=0.0),
                of_signs("base"),
                "the base link, whose H is positive",
                {key: found.mean("signs", key, link="indefinite H").value for key in ("one sign", "both signs")},
            )
        )
        tables = [
            Table(
                f"Whole engrams with L/2 labels (d = {base['d']}, L = {base['width']}; base: r = 4, N = 4 d²): test error",
                ["changed", "full-data step", *_SETS.values(), "distilled less the best eigenvectors", "which is"],
                [
                    [
                        what,
                        found.mean("pair", "full", **s),
                        *(found.mean("pair", f"{name} whole", **s) for name in _SETS),
                        gap,
                        _words(verdict, found.gap("pair", f"{kind} whole", "distilled whole", **s)),
                    ]
                    for s, (what, kind, gap, verdict) in zip((base, *others), gaps, strict=True)
                ],
            ),
            Table(
                "The same first sets with a readout on real rows",
                ["changed", "true subspace", *_SETS.values()],
                [
                    [
                        what,
                        found.mean("pair", "subspace", **s),
                        *(found.mean("pair", f"{name} real", **s) for name in _SETS),
                    ]
                    for s, (what, *_) in zip((base, *others), gaps, strict=True)
                ],
            ),
        ]
        return Result(claims, tables, [])


def _words(below: Verdict, turned: Measured) -> str:
    if below is Verdict.HOLDS:
        return "below"
    return "above" if Interval(high=0.0).judge(turned) is Verdict.HOLDS else "not told apart"


def _changed(s: dict[str, Any], base: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {s[key]}" for key in s if s[key] != base[key]) or "base"
