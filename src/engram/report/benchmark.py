"""A benchmark's rows as tables, figures, and one self-contained page."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from ..benchmark import FULL
from ..evaluation.robust import augmentation_robust, label_robust
from ..published import PUBLISHED
from ..study import Measured
from .figures import INK, STYLE, inline, plain_log, saved

__all__ = ["Line", "Table", "benchmark_page", "figures", "plus_minus", "save", "spent", "sure", "tables"]

_RANDOM, _SOFT = "random", "random:labels=teacher"
_SELECTIONS = ("random", "herding", "k-center", "k-means")
_COLOURS = {"distilled": "#2a9d5c", "baseline": "#8a8f96", "full": "#4a7fd4"}


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
    told = {key: value for key, value in recipe.items() if key != "kind" and value not in (None, [], False)}
    said = (key if value is True else f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}"
            for key, value in told.items())  # fmt: skip
    return ", ".join(said)


def _table(dataset: str, budget: str, network: str, recipe: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    done: dict[str, dict[int, Mapping[str, Any]]] = {}
    for row in rows:
        if row["status"] == "done":
            done.setdefault(row["method"], {})[row["seed"]] = row
    # However the command spelt them: rows say what was run.
    references = {
        word: next((seeds for seeds in done.values() if next(iter(seeds.values()))["settings"] == settings), {})
        for word, settings in ((_RANDOM, "random"), (_SOFT, 'random:labels="teacher"'), (FULL, FULL))
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
    for other in (_RANDOM, _SOFT):
        shared = [s for s in seeds if s in references[other]]
        if shared and kind != "full" and references[other] is not seeds:
            gains[other] = Measured.of(_own(seeds[s]) - _own(references[other][s]) for s in shared)
    # They are defined for accuracies.
    accuracy = "accuracy" in first["metric"]
    like = references[_SOFT if first["soft"] else _RANDOM] if accuracy else {}
    labels, augmented = [], []
    for s, row in seeds.items():
        scores = row["scores"]
        if s in like and s in references[FULL] and "hard" in scores:
            labels.append(label_robust(_own(row), _own(like[s]), _own(references[FULL][s]), _mean(scores["hard"])))
        if s in like and "plain" in scores and "plain" in like[s]["scores"]:
            plain = (_mean(scores["plain"]), _mean(like[s]["scores"]["plain"]))
            augmented.append(augmentation_robust(_own(row), _own(like[s]), *plain))
    judges = dict.fromkeys(name for row in seeds.values() for name in row["scores"] if name.startswith("on "))
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
        first["items"],
        first["bytes"],
        sum(cost) / len(cost),
        sum(row["wall"] for row in seeds.values()) / len(seeds),
        max(row["memory"] or 0 for row in seeds.values()),
        first["settings"],
    )


def _own(row: Mapping[str, Any]) -> float:
    return _mean(row["scores"]["own"])


def _mean(runs: Sequence[float]) -> float:
    return sum(runs) / len(runs) if runs else math.nan


def figures(found: Sequence[Table]) -> dict[str, tuple[Figure, str]]:
    """Figures by name, each with its caption: cost, budgets where there are several, transfer.

    Args:
        found: of `tables`.

    Returns:
        Figures to be saved or put on a page.
    """
    drawn: dict[str, tuple[Figure, str]] = {}
    for table in found:
        name = _word(table.title)
        if any(line.kind == "distilled" for line in table.lines):
            drawn[f"{name}-cost"] = (
                _cost(table),
                f"{table.title}: {table.metric} against the seconds that preparing and distilling took.",
            )
        if any(line.transfer for line in table.lines):
            drawn[f"{name}-transfer"] = (
                _transfer(table),
                f"{table.title}: {table.metric} of other networks taught by the same samples.",
            )
    curves: dict[str, list[Table]] = {}
    for table in found:
        curves.setdefault(replace(table, budget="").title, []).append(table)
    for title, several in curves.items():
        if len(several) > 1:
            caption = f"{title}: {several[0].metric} against bytes of samples."
            drawn[f"{_word(title)}-budget"] = (_budgets(several), caption)
    return drawn


def _word(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")


def _cost(table: Table) -> Figure:
    figure = Figure(figsize=(9.5, 4.4))
    axes = figure.add_axes((0.08, 0.12, 0.66, 0.84))
    for place, line in enumerate(line for line in table.lines if line.kind == "distilled"):
        axes.errorbar(
            max(line.seconds, 0.5),
            line.score.value,
            yerr=_bar(line.score),
            **_look(place),
            linestyle="",
            label=line.method,
        )
    for line in table.lines:
        if line.kind == "full" or line.method in (_RANDOM, _SOFT, "k-means"):
            style = {FULL: "-", _RANDOM: ":", _SOFT: "-."}.get(line.method, "--")
            label = {FULL: "all data", _SOFT: "random + soft labels"}.get(line.method, line.method)
            axes.axhline(line.score.value, color=_COLOURS[line.kind], linestyle=style, linewidth=1.2, label=label)
    plain_log(axes.xaxis)
    axes.set_xlabel("seconds")
    axes.set_ylabel(f"test {table.metric}")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    return figure


def _look(place: int) -> dict[str, Any]:
    """Marker and colour of a method."""
    colour = matplotlib.colormaps["tab10"](place % 10)
    return {"marker": "osD^vP*Xh"[place % 9], "markersize": 5, "capsize": 2, "color": colour}


def _transfer(table: Table) -> Figure:
    lines = [line for line in table.lines if line.transfer]
    words = list(lines[0].transfer)
    grid = [
        [line.score.value, *(line.transfer[w].value if w in line.transfer else math.nan for w in words)]
        for line in lines
    ]
    figure = Figure(figsize=(9.5, 0.3 * len(lines) + 1.2))
    axes = figure.add_axes((0.22, 0.02, 0.76, 1 - 0.9 / (0.3 * len(lines) + 1.2)))
    low, high = min(map(min, grid)), max(map(max, grid))
    axes.imshow(grid, aspect="auto", cmap="viridis")
    axes.set_xticks(range(len(words) + 1), [table.network or "own", *words], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(lines)), [line.method for line in lines], fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, values in enumerate(grid):
        for column, value in enumerate(values):
            dark = value < 0.6 * high + 0.4 * low
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else "black"
            )
    return figure


def _budgets(several: Sequence[Table]) -> Figure:
    figure = Figure(figsize=(9.5, 4.2))
    axes = figure.add_axes((0.08, 0.13, 0.56, 0.84))
    methods = {line.method: line.kind for table in several for line in table.lines}
    for place, (method, kind) in enumerate(methods.items()):
        of = [(line.bytes, line.score) for table in several for line in table.lines if line.method == method]
        points = sorted(of, key=lambda point: point[0])
        if kind == "full":
            axes.axhline(points[0][1].value, color=_COLOURS["full"], linestyle="--", linewidth=1, label="all data")
            continue
        axes.errorbar(
            [x for x, _ in points],
            [y.value for _, y in points],
            yerr=[_bar(y) for _, y in points],
            linewidth=1.2,
            label=method,
            **_look(place) | ({} if kind == "distilled" else {"color": _COLOURS["baseline"]}),
        )
    plain_log(axes.xaxis)
    axes.set_xlabel("bytes")
    axes.set_ylabel(f"test {several[0].metric}")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1), ncols=2)
    return figure


def _bar(measured: Measured) -> float:
    return measured.sem if math.isfinite(measured.sem) else 0.0


def save(found: Sequence[Table]) -> dict[str, bytes]:
    """Every figure as files, dark ink on white: contents by file name."""
    with matplotlib.rc_context(STYLE | INK):
        drawn = {name: saved(figure) for name, (figure, _) in figures(found).items()}
    return {f"{name}.{ending}": content for name, files in drawn.items() for ending, content in files.items()}


def benchmark_page(rows: Sequence[Mapping[str, Any]], source: Path) -> str:
    """One page of tables and figures.

    Args:
        rows: of a benchmark.
        source: where they stand, for the reader.

    Returns:
        One HTML document that needs no network.
    """
    found = tables(rows)
    with matplotlib.rc_context(STYLE):
        drawn = [(Markup(inline(figure, caption, box=None)), caption) for figure, caption in figures(found).values()]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engram", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["pm"] = plus_minus
    environment.filters["sure"] = sure
    environment.filters["spent"] = spent
    hardware = sorted({json.dumps(row["hardware"], sort_keys=True) for row in rows})
    versions = sorted({json.dumps(row["versions"] | {"code": row["code"]}, sort_keys=True) for row in rows})
    return environment.get_template("benchmark.html").render(
        tables=found,
        drawn=drawn,
        source=source.name,
        runs=len(rows),
        hours=sum(row["wall"] for row in rows) / 3600,
        hardware=[_facts(text) for text in hardware],
        versions=[_facts(text) for text in versions],
        papers={name: setting.paper for name, setting in PUBLISHED.items()},
        random=_RANDOM,
        soft=_SOFT,
    )


def _facts(text: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in json.loads(text).items() if value is not None)


def spent(line: Line) -> str:
    """Seconds of preparing and distilling, in words."""
    return f"{line.seconds:.0f}" if line.seconds else ""


def plus_minus(measured: Measured | None, signed: bool = False, digits: int = 3) -> str:
    """A mean with its standard error, in words."""
    if measured is None or measured.n == 0 or not math.isfinite(measured.value):
        return ""
    mean = f"{measured.value:{'+' if signed else ''}.{digits}f}"
    return f"{mean} ± {measured.sem:.{digits}f}" if math.isfinite(measured.sem) else mean
