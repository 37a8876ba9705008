"""Continual learning: what a learner still knows of all experiences, with memories of equal bytes side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..data.problem import Problem
from ..distillation import defaults
from ..distillation.method import Method
from ..errors import SettingError
from ..evaluation.scores import gain, sign, summarise
from .experiences import By, Experience, experiences
from .keeping import KINDS, kept_bytes
from .learner import Learner
from .life import Life, Lived, ways_of

__all__ = ["MEMORIES", "Continual", "continual"]

MEMORIES = (*KINDS, "nothing", "joint")
"""What is kept of the past (`keeping.Kind`), nothing of it, or all rows of all experiences learnt at once."""

_ROWS = {3: 20}
"""Rows of a class whose bytes a memory has by default, by the axes of inputs: of images; two of all else."""


@dataclass(frozen=True)
class Continual:
    """What was found.

    Args:
        metric: its name.
        lives: all of them.
    """

    metric: str
    lives: tuple[Lived, ...]

    def of(self, memory: str, way: str | None = None) -> list[Lived]:
        """The lives with a memory, seed by seed, in the way that does best on validation rows unless it is named."""
        own = [life for life in self.lives if life.memory == memory]
        ways = {life.way for life in own}
        best = way or max(sorted(ways), key=lambda w: sum(_known(life.select) for life in own if life.way == w))
        return sorted((life for life in own if life.way == best), key=lambda life: life.seed)

    @property
    def memories(self) -> list[str]:
        """Those that were tried, in order."""
        tried = {life.memory for life in self.lives}
        return [name for name in MEMORIES if name in tried]

    def gain(self, over: str) -> dict[str, Any]:
        """The engram's score minus another memory's, seed by seed."""
        return gain([life.score for life in self.of("engram")], [[life.score for life in self.of(over)]])

    @property
    def verdict(self) -> str:
        """In one sentence."""
        rivals = [name for name in self.memories if name not in ("engram", "joint", "packed")]
        if "engram" not in self.memories or not rivals:
            return "nothing was compared with the engram"
        best = max(rivals, key=lambda name: sum(_known(life.score) for life in self.of(name)))
        found = self.gain(best)
        if found["sem"] is None:
            return f"one seed proves nothing: {found['mean']:+.3f} to {best.replace('_', ' ')}, the best memory of equal bytes"
        words = {1: "better than every memory of equal bytes", 0: "no better than", -1: "worse than"}[sign(found)]
        which = "; the best of them is" if sign(found) > 0 else ""
        said = f"{words}{which} {best.replace('_', ' ')} ({found['mean']:+.3f} ± {found['sem']:.3f})"
        packed: dict[str, Any] = self.gain("packed") if "packed" in self.memories else {"mean": 0.0, "sem": None}
        if sign(packed) < 0:
            said += f"; random rows stored as engrams are do better undistilled ({-packed['mean']:+.3f}): try --method with steps=0"
        return said

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: scores, forgetting, forward transfer, bytes and seconds by memory, and both ways."""
        found: dict[str, Any] = {
            "metric": self.metric,
            "scores": {},
            "forgetting": {},
            "forward_transfer": {},
            "bytes": {},
            "seconds": {},
        }
        for name in self.memories:
            lives = self.of(name)
            ways = sorted({life.way for life in self.lives if life.memory == name})
            all_ways = {way: summarise(tuple(life.score for life in self.of(name, way))) for way in ways}
            found["scores"][name] = summarise(tuple(life.score for life in lives)) | {
                "way": lives[0].way,
                "ways": all_ways,
            }
            if name not in ("engram", "joint") and "engram" in self.memories:
                found["scores"][name]["difference"] = self.gain(name)
            found["forgetting"][name] = summarise(tuple(life.forgetting for life in lives))
            forward = [life.forward for life in lives if life.forward is not None]
            found["forward_transfer"][name] = summarise(tuple(forward)) if forward else None
            found["bytes"][name] = max(life.bytes for life in lives)
            found["seconds"][name] = sum(life.seconds for life in lives) / len(lives)
        return found | {"verdict": self.verdict}


def continual(
    problem: Problem,
    count: int = 5,
    *,
    by: By = "class",
    along: str | None = None,
    size: int | None = None,
    seeds: int = 3,
    learner: Learner | None = None,
    method: Method | str | None = None,
    memories: Sequence[str] = MEMORIES,
    known: Sequence[Lived] = (),
    kept: Callable[[Lived], None] | None = None,
    watch: Callable[[float, str], None] | None = None,
) -> Continual:
    """Learn one experience after another by plain descent, with memories of equal bytes.

    Args:
        problem: cut into experiences (`experiences.experiences`).
        count: of experiences, at least 2.
        by: class, task, domain or time.
        along: column of a table, for domain and time.
        size: bytes of the memory of all experiences; those of 20 rows of each class of each experience for images, of 2 for all else, when None.
        seeds: lives of each memory; those of one seed share order and first network.
        learner: network and descent; by the kind of data when None.
        method: distils; by the kind of data when None.
        memories: of `MEMORIES`.
        known: lives of the same settings, which are not lived again.
        kept: called with every life as soon as it ended.
        watch: called with the share of lives that ended, and what goes on.

    Returns:
        The lives, each memory in both ways.

    Raises:
        EngramError: a cut, size or memory that these data do not take.

    References:
        Prabhu et al. 2020, GDumb; Zhao & Bilen 2023, section 4.4 (arXiv 2110.04181): distilled samples as memory.

    Example:
        >>> from engram import load_problem
        >>> from engram.learning.networks.mlp import MLP
        >>> quick = Learner(MLP(width=32), steps=20)
        >>> found = continual(load_problem("wine"), 2, by="domain", seeds=1, learner=quick, memories=("random", "nothing"))
        >>> found.memories
        ['random', 'nothing']
    """
    for name in memories:
        if name not in MEMORIES:
            raise SettingError(f"{name!r} is no memory; choose {', '.join(MEMORIES)}")
    if seeds < 1:
        raise SettingError(f"seeds is {seeds}: live at least once")
    learner = learner or Learner(defaults.learning_network(problem))
    done = {(life.memory, life.way, life.seed): life for life in known}
    cells = [(seed, name) for seed in range(seeds) for name in memories]
    found: list[Lived] = []
    for k, (seed, name) in enumerate(cells):
        if watch is not None:
            watch(k / len(cells), f"{name.replace('_', ' ')}, seed {seed}")
        ways = ways_of(name)
        if all((name, way, seed) in done for way in ways):
            found += [done[name, way, seed] for way in ways]
            continue
        lives = experiences(problem, count, by, along, seed)
        life = Life(lives, name, size or _usual(problem, lives), by, learner, method, seed)
        for lived in life.lived():
            found.append(lived)
            if kept is not None and (name, lived.way, seed) not in done:
                kept(lived)
    if watch is not None:
        watch(1.0, "")
    return Continual(problem.metric.value, tuple(found))


def _known(value: float) -> float:
    """A score, the least of all where there is none."""
    return value if value == value else -1.0


def _usual(problem: Problem, lives: Sequence[Experience]) -> int:
    """Bytes of the usual number of rows of each class of each experience; of numbers, of as many rows as ten classes have."""
    classes = sum(len(one.outputs) if problem.classes else 10 for one in lives)
    return _ROWS.get(len(problem.task.shape), 2) * classes * kept_bytes("random", problem, problem.task.outputs)
