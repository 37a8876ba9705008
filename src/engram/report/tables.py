"""A benchmark's rows as tables: means, standard errors, gains paired by seed, robust scores."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..benchmark.grid import FULL
from ..evaluation.robust import augmentation_robust, label_robust
from ..evaluation.scores import gain, portability
from ..numerics.statistics import Measured

__all__ = ["RANDOM", "SOFT", "Line", "Table", "plus_minus", "spent", "sure", "tables"]

RANDOM, SOFT, CENTRES = "random", "random:labels=teacher", "k-means"


_SELECTIONS = ("random", "herding", "k-center", "k-means")


@dataclass(frozen=True)
class Line:
    """One method on one dataset at one budget.

    Args:
        method: its word.
        kind: full, baseline or distilled.
        score: mean over seeds, each itself a mean over networks.
        select: the same on the validation split.
        gains: over random rows with hard and with a teacher's labels, paired by seed.
        plain: trained without augmentation.
        label: label-robust score; None where a part is missing.
        augmented: augmentation-robust score.
        transfer: scores on other networks by their word.
        panel: scores of foreign learners by name.
        portability: the share of them that learn more than from random rows and k-means centres; None without both.
        indirect: share of the gradient that comes through what networks learn; None for other objectives.
        items: samples trained on.
        bytes: their cost.
        seconds: of preparing and distilling, mean over seeds.
        wall: of the whole run.
        memory: peak MiB.
        settings: of the method.
    """

    method: str
    kind: str
    score: Measured
    select: Measured
    gains: Mapping[str, Measured]
    plain: Measured
    label: Measured | None
    augmented: Measured | None
    transfer: Mapping[str, Measured]
    panel: Mapping[str, Measured]
    portability: float | None
    indirect: Measured | None
    items: int
    bytes: int
    seconds: float
    wall: float
    memory: float
    settings: str


@dataclass(frozen=True)
class Table:
    """All methods on one dataset at one budget and network, under one recipe.

    Args:
        dataset: its name.
        budget: in words.
        network: in a word; empty for the default.
        recipe: in words; empty where all rows have the same.
        metric: its name.
        lines: in order of kind, then score.
        failures: rows that did not finish.
        beaten: distilled methods that are above both kinds of random rows by three standard errors, of how many that
            are compared with both.
    """

    dataset: str
    budget: str
    network: str
    recipe: str
    metric: str
    lines: Sequence[Line]
    failures: Sequence[Mapping[str, Any]]
    beaten: tuple[int, int]

    @property
    def title(self) -> str:
        """What it is of."""
        return ", ".join(filter(None, (self.dataset, self.budget, self.network, self.recipe)))


def tables(rows: Iterable[Mapping[str, Any]]) -> list[Table]:
    """Group rows and measure: means, standard errors, gains paired by seed, robust scores.

    Args:
        rows: of a benchmark (`benchmark.Results.rows`).

    Returns:
        One table for each dataset, budget, network and recipe.
    """
    rows = list(rows)
    several = len({json.dumps(row["recipe"], sort_keys=True) for row in rows}) > 1
    groups: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        # Runs under different recipes are not compared.
        recipe = json.dumps(row["recipe"], sort_keys=True)
        groups.setdefault((row["dataset"], row["budget"], row["network"], recipe), []).append(row)
    # The ceiling knows no budget: it stands in every table of its dataset and network.
    ceilings: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for (dataset, _, *rest), group in groups.items():
        ceilings.setdefault((dataset, *rest), []).extend(r for r in group if r["method"] == FULL)
    found = []
    for (dataset, budget, network, recipe), group in groups.items():
        own = [r for r in group if r["method"] != FULL] + ceilings[dataset, network, recipe]
        found.append(_table(dataset, budget, network, _spelt(json.loads(recipe)) if several else "", own))
    return found


def _spelt(recipe: Mapping[str, Any]) -> str:
    settings = {key: value for key, value in recipe.items() if key != "kind" and value not in (None, [], False)}
    said = (key if value is True else f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}"
            for key, value in settings.items())  # fmt: skip
    return ", ".join(said)


def _table(dataset: str, budget: str, network: str, recipe: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    done: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if row["status"] == "done":
            done.setdefault(row["method"], {})[row["seed"]] = row
    # However the command spelt them: rows say what was run.
    references = {
        word: next((seeds for seeds in done.values() if next(iter(seeds.values()))["settings"] == settings), {})
        for word, settings in (
            (RANDOM, "random"),
            (SOFT, 'random:labels="teacher"'),
            (CENTRES, "k-means"),
            (FULL, FULL),
        )
    }
    lines = [_line(method, seeds, references) for method, seeds in done.items()]
    order = {"full": 0, "distilled": 1, "baseline": 2}
    lines.sort(key=lambda line: (order[line.kind], -_rank(line.score.value)))
    compared = [line for line in lines if line.kind == "distilled" and len(line.gains) == 2]
    beaten = sum(all(sure(gain) for gain in line.gains.values()) for line in compared)
    metric = next((str(row["metric"]) for row in rows if row["status"] == "done"), "score")
    failures = [row for row in rows if row["status"] != "done"]
    return Table(dataset, budget, network, recipe, metric, lines, failures, (beaten, len(compared)))


def sure(gain: Measured) -> bool:
    """Whether a paired difference is above zero by three standard errors."""
    return math.isfinite(gain.sem) and gain.value > 3 * gain.sem


def _rank(value: float) -> float:
    return value if math.isfinite(value) else -math.inf


def _line(method: str, seeds: Mapping[int, Mapping[str, Any]], references: Mapping[str, Mapping[int, Any]]) -> Line:
    first = next(iter(seeds.values()))
    name = first["settings"].partition(":")[0]
    kind = "full" if name == FULL else "baseline" if name in _SELECTIONS else "distilled"
    of = lambda name: Measured.of(_mean(row["scores"][name]) for row in seeds.values() if name in row["scores"])  # noqa: E731
    gains = {}
    for other in (RANDOM, SOFT):
        shared = [s for s in seeds if s in references[other]]
        if shared and kind != "full" and references[other] is not seeds:
            gains[other] = Measured.of(_own(seeds[s]) - _own(references[other][s]) for s in shared)
    # They are defined for accuracies.
    accuracy = "accuracy" in first["metric"]
    like = references[SOFT if first["soft"] else RANDOM] if accuracy else {}
    labels, augmented = [], []
    for s, row in seeds.items():
        scores = row["scores"]
        if s in like and s in references[FULL] and "hard" in scores:
            labels.append(label_robust(_own(row), _own(like[s]), _own(references[FULL][s]), _mean(scores["hard"])))
        if s in like and "plain" in scores and "plain" in like[s]["scores"]:
            plain = (_mean(scores["plain"]), _mean(like[s]["scores"]["plain"]))
            augmented.append(augmentation_robust(_own(row), _own(like[s]), *plain))
    judges = dict.fromkeys(name for row in seeds.values() for name in row["scores"] if name.startswith("on "))
    shares = [row["indirect"] for row in seeds.values() if row.get("indirect") is not None]
    cost = [row["seconds"]["prepare"] + row["seconds"]["distill"] for row in seeds.values()]
    return Line(
        method,
        kind,
        of("own"),
        Measured.of(row["select"] for row in seeds.values() if row["select"] is not None),
        gains,
        of("plain"),
        Measured.of(labels) if labels else None,
        Measured.of(augmented) if augmented else None,
        {name.removeprefix("on "): of(name) for name in judges},
        {name.removeprefix("by "): of(name) for name in first["scores"] if name.startswith("by ")},
        _portability(seeds, references) if kind == "distilled" else None,
        Measured.of(shares) if shares else None,
        first["items"],
        first["bytes"],
        sum(cost) / len(cost),
        sum(row["wall"] for row in seeds.values()) / len(seeds),
        max(row["memory"] or 0 for row in seeds.values()),
        first["settings"],
    )


def _portability(seeds: Mapping[int, Mapping[str, Any]], references: Mapping[str, Mapping[int, Any]]) -> float | None:
    """Over learners, paired by seed, where both baselines were judged by them too."""
    shared = [s for s in seeds if s in references[RANDOM] and s in references[CENTRES]]
    if not shared:
        return None
    three = [[rows[s]["scores"] for s in shared] for rows in (seeds, references[RANDOM], references[CENTRES])]
    learners = [name for name in three[0][0] if name.startswith("by ") and all(name in s for own in three for s in own)]
    runs = [[[_mean(scores[name]) for scores in own] for own in three] for name in learners]
    return portability([gain(own, others) for own, *others in runs]) if runs else None


def _own(row: Mapping[str, Any]) -> float:
    return _mean(row["scores"]["own"])


def _mean(runs: Sequence[float]) -> float:
    return sum(runs) / len(runs) if runs else math.nan


def spent(line: Line) -> str:
    """Seconds of preparing and distilling, in words."""
    return f"{line.seconds:.0f}" if line.seconds else ""


def plus_minus(measured: Measured | None, signed: bool = False, digits: int = 3) -> str:
    """A mean with its standard error, in words."""
    if measured is None or measured.n == 0 or not math.isfinite(measured.value):
        return ""
    mean = f"{measured.value:{'+' if signed else ''}.{digits}f}"
    return f"{mean} ± {measured.sem:.{digits}f}" if math.isfinite(measured.sem) else mean
