"""The panel: what an engram teaches learners that know nothing of replay, beside real and averaged rows of equal bytes."""

import time
from collections.abc import Mapping
from typing import Any

from ..data.problem import Problem
from ..memory.engram import Engram
from ..memory.lesson import Lesson
from .baselines import Baselines
from .learners import LEARNERS
from .scores import Row, sign

__all__ = ["coresets_win", "judged_by"]


def judged_by(name: str, teacher: str, engram: Engram, problem: Problem, baselines: Baselines) -> Row:
    """One learner, taught by the engram or by a baseline.

    Args:
        name: of `learners.LEARNERS`.
        teacher: of `TEACHERS`.
        engram: what is judged.
        problem: whose test rows score.
        baselines: of the engram.

    Returns:
        The row.
    """
    begun, seeds = time.perf_counter(), baselines.seeds
    if teacher == "engram":
        lessons = [Lesson.of(engram)] * len(seeds)
        size = engram.canvas_bytes
    else:
        lessons = [_lesson(canvas, problem.classes) for canvas in baselines.canvases(teacher)]
        size = min(map(len, lessons)) * baselines.item_bytes(teacher)
    runs = LEARNERS[name].judge(lessons, problem, seeds, problem.test)
    return Row(tuple(runs), min(map(len, lessons)), size, (time.perf_counter() - begun) / len(seeds))


def _lesson(canvas: Any, classes: int | None) -> Lesson:
    targets = canvas.targets
    if not classes:
        return Lesson(canvas.inputs, targets)
    return Lesson(canvas.inputs, targets.long(), canvas.decode().targets + 1 / classes)


def coresets_win(gains: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The learners made of trees that real or averaged rows teach better: a published finding holds there.

    Args:
        gains: of the engram over the better baseline, by learner (`scores.gain`).

    Returns:
        Their names.

    References:
        Florea & Barnoviciu 2026: coresets beat distillation for forests and boosted trees.
    """
    return [name for name, found in gains.items() if LEARNERS[name].trees and sign(found) < 0]
