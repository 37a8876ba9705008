"""Judging an engram that is written: row by row, each kept as it comes, the scores added at the end."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..data.problem import Problem
from ..evaluation.ceiling import Full, full_networks
from ..evaluation.directions import directions
from ..evaluation.fidelity import fidelity
from ..evaluation.protocol import Protocol, evaluate, row_name, row_names
from ..evaluation.scores import Row, Scores
from ..evaluation.verdict import verdict
from ..memory.engram import Engram
from ..memory.run_folder import RunFolder
from ..spec import encode
from .progress import LOGGER, Progress, Watch, brief, never_fatal, of_rows

__all__ = ["judge"]


def judge(
    memory: Engram,
    problem: Problem,
    protocol: Protocol,
    out: Path,
    folder: RunFolder,
    watch: Watch,
    train: Callable[..., Full] | None = None,
) -> tuple[Scores | None, Engram]:
    """Judge, going on after the rows that are known; add the scores to the artefact; compare for the report.

    Args:
        memory: what is judged.
        problem: on which data.
        protocol: by which recipe.
        out: the artefact's file.
        folder: where rows are kept as they come.
        watch: called with the progress.
        train: how networks learn everything (`evaluate`).

    Returns:
        The scores, None when judging failed; the engram with its scores.

    Raises:
        KeyboardInterrupt: the rows that are known are kept.
    """
    begun = time.perf_counter()
    said, names = _said(protocol), row_names(protocol, memory, problem)
    rows, record = folder.read(memory)
    compared = record.get("protocol") == said
    stored = rows | _by_learner(record) if compared else folder.read_rows(memory, said)
    runs = dict.fromkeys(names, protocol.seeds) | {"full": full_networks(problem, protocol.seeds)}
    known = {name: row for name in names if (row := _row(stored.get(name), runs[name]))}
    if len(known) == len(names) and compared:
        LOGGER.info("%s is finished; this is its result", out)
    elif known:
        LOGGER.info("%s of %s rows are judged already", len(known), len(names))

    lost: list[str] = []

    def keep(name: str, row: Row) -> None:
        if lost:
            return
        lost.append(name)
        with never_fatal("judged rows could not be kept"):
            folder.keep_row(memory, said, name, asdict(row))
            lost.remove(name)

    try:
        scores = evaluate(memory, problem, protocol, of_rows(len(names), watch), known, keep, train)
    except Exception as error:
        LOGGER.warning("judging failed (%s); %s is written: engram evaluate judges it again", brief(error), out)
        LOGGER.debug("", exc_info=error)
        return None, memory
    except KeyboardInterrupt:
        LOGGER.warning(
            "interrupted while judging; %s is written: repeat the command with --resume to judge the rest", out
        )
        raise
    spent = {"train_engram": scores.rows["engram"].seconds, "train_full": scores.rows["full"].seconds}
    seconds = folder.seconds(memory) | spent | {"judge": time.perf_counter() - begun}
    concluded = verdict(scores, memory.provenance)
    found: dict[str, Any] = {"scores": scores.summary(), "verdict": concluded.as_json()}
    if scores.panel is not None:
        found["panel"] = scores.panel.summary()
    if {key: memory.provenance.get(key) for key in found} != found:
        memory = replace(memory, provenance=dict(memory.provenance) | found)
        with never_fatal(f"the scores could not be added to {out}"):
            memory.save(out, force=True)
    if concluded.failed:
        LOGGER.warning("%s", concluded)
    if not compared or len(known) < len(names):
        _compare(memory, problem, protocol, folder, scores, seconds, watch)
    return scores, memory


def _compare(
    memory: Engram,
    problem: Problem,
    protocol: Protocol,
    folder: RunFolder,
    scores: Scores,
    seconds: Mapping[str, float | None],
    watch: Watch,
) -> None:
    """Keep what the report draws beside scores: learning curves, and the directions that are held."""
    watch(Progress("comparing", 0.0, "learning curves"))
    curves = held = None
    with never_fatal("learning curves could not be compared"):
        curves = fidelity(memory, problem, [0, 1, 2])
    watch(Progress("comparing", 0.5, "directions"))
    with never_fatal("directions could not be compared"):
        held = directions(memory, problem, [0, 1])
    watch(Progress("comparing", 1.0))
    with never_fatal("results could not be kept for the report"):
        shown = [part.as_json() if part else None for part in (curves, held)]
        panel = None if scores.panel is None else scores.panel.as_json()
        folder.keep(memory, scores.as_json(), seconds, shown[0], shown[1], _said(protocol), panel)


def _by_learner(record: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the panel that was kept, by the names under which they are judged."""
    try:
        return {
            row_name(learner, teacher): row
            for learner, own in record["panel"]["learners"].items()
            for teacher, row in own.items()
            if teacher != "gain"
        }
    except (KeyError, TypeError, AttributeError):
        return {}


def _said(protocol: Protocol) -> str:
    return json.dumps(encode(protocol))


def _row(plain: Any, count: int) -> Row | None:
    """A row that was kept; None for what is none, or has another number of runs."""
    try:
        runs = tuple(float(run) for run in plain["runs"])
        recall = tuple(float("nan") if value is None else float(value) for value in plain.get("recall", ()))
        counts = int(plain["items"]), int(plain["bytes"])
        row = Row(runs, *counts, float(plain["seconds"]), str(plain.get("note", "")), recall)
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
    return row if len(runs) == count else None
