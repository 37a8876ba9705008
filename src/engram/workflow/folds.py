"""The journey over several splits of the same data: what a small table needs before a score means something."""

from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.problem import Problem
from ..data.source import load_problem
from ..distillation.ranks import size
from ..errors import SettingError
from ..evaluation.scores import Panel, Row, Scores
from ..evaluation.verdict import Verdict, verdict
from .journey import run
from .outcome import Outcome
from .progress import Progress, Watch

__all__ = ["Folds", "run_folds"]


@dataclass(frozen=True, eq=False)
class Folds:
    """What every split ended with, and all of them together.

    Args:
        outcomes: one for each split.
        scores: a run is the mean over a split's networks.
    """

    outcomes: tuple[Outcome, ...]
    scores: Scores

    @property
    def verdict(self) -> Verdict:
        """What all splits together say."""
        return verdict(self.scores, self.outcomes[0].engram.provenance)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: all splits together, then each."""
        return {
            "metric": self.scores.metric,
            "folds": len(self.outcomes),
            "scores": self.scores.as_json(),
            "verdict": self.verdict.as_json(),
            "panel": self.scores.panel.as_json() if self.scores.panel else None,
            "splits": [outcome.as_json() for outcome in self.outcomes],
        }


def run_folds(
    source: Any,
    folds: int,
    *,
    out: str | Path | None = None,
    seed: int = 0,
    seeds: int = 5,
    metric: str | None = None,
    watch: Watch | None = None,
    **how: Any,
) -> Folds:
    """Distil and judge on several random splits; the scores' errors are those of splits.

    The first split's engram is `out`, what one run writes; the others lie beside it, in ``NAME.folds``.

    Args:
        source: a name, a path or a dataset, whose test rows are drawn by seed.
        folds: number of splits, at least 2: seeds `seed`, `seed` + 1, ...
        out: the first split's file; ``SOURCE.engram`` here when None.
        seed: of the first split.
        seeds: networks per row and split, at least 1.
        metric: see `load_problem`.
        watch: called with the progress of every stage.
        how: what `run` takes, settings of the source included.

    Returns:
        Every outcome, and the scores over splits.

    Raises:
        SettingError: one fold, no networks, or data that are split already.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = run_folds("wine", 2, out=f"{folder}/wine.engram", seeds=1, steps=3, panel="none")
        >>> found.scores.as_json()["engram"]["n"]
        2
    """
    if size() > 1:
        raise SettingError(
            "splits are judged one by one, which several processes do not share: start one, or leave out --folds"
        )
    if folds < 2 or seeds < 1:
        raise SettingError(f"{folds} folds of {seeds} networks each: take 2 folds and 1 network, or more")
    takes = signature(run).parameters
    settings = {key: how.pop(key) for key in [*how] if key not in takes}
    seen = watch or (lambda progress: None)
    problems = [load_problem(source, seed=seed + fold, metric=metric, **settings) for fold in range(folds)]
    if _same_test(problems[0], problems[1]):
        raise SettingError("these data have a test split of their own, which no seed draws anew: leave out --folds")
    first = Path(out or f"{problems[0].name}.engram")
    outcomes = []
    for fold, problem in enumerate(problems):
        path = first if fold == 0 else first.with_suffix(".folds") / f"{fold}.engram"
        path.parent.mkdir(parents=True, exist_ok=True)

        def tell(now: Progress, fold: int = fold) -> None:
            seen(replace(now, stage=f"{now.stage}, split {fold + 1} of {folds}"))

        outcomes.append(run(problem, out=path, seed=seed + fold, seeds=seeds, watch=tell, **how))
    return Folds(tuple(outcomes), _together([outcome.scores for outcome in outcomes]))


def _same_test(one: Problem, other: Problem) -> bool:
    """Whether no seed moves the test rows: by their raw values, since what is stored is scaled by the training rows."""
    if isinstance(one.test.raw, pd.DataFrame) and isinstance(other.test.raw, pd.DataFrame):
        return one.test.raw.equals(other.test.raw)
    if one.test.raw is not None and other.test.raw is not None:
        return np.array_equal(one.test.raw, other.test.raw)
    first, second = (np.asarray(problem.preprocessing.recover(problem.test.inputs)) for problem in (one, other))
    return first.shape == second.shape and np.allclose(first, second, rtol=1e-3, atol=1e-6)


def _together(found: list[Scores | None]) -> Scores:
    scores = [one for one in found if one is not None]
    names = [name for name in scores[0].rows if all(name in one.rows for one in scores)]
    constants = [one.constant for one in scores if one.constant is not None]
    constant = sum(constants) / len(constants) if constants else None
    return replace(
        scores[0],
        rows={name: _mean([one.rows[name] for one in scores]) for name in names},
        panel=_panels([one.panel for one in scores]),
        constant=constant,
    )


def _panels(found: list[Panel | None]) -> Panel | None:
    panels = [panel for panel in found if panel is not None]
    if len(panels) < len(found):
        return None
    return Panel(
        {
            learner: {teacher: _mean([panel.rows[learner][teacher] for panel in panels]) for teacher in own}
            for learner, own in panels[0].rows.items()
        }
    )


def _mean(rows: list[Row]) -> Row:
    """One run for each split: the mean over its networks."""
    runs = tuple(sum(row.runs) / len(row.runs) for row in rows)
    return replace(rows[0], runs=runs, seconds=sum(row.seconds for row in rows) / len(rows))
