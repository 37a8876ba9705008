"""The grid: data, methods, budgets, networks and seeds, and the recipe by which every cell is run."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.problem import Problem
from ..distillation import defaults
from ..distillation.matcher import Matcher
from ..distillation.method import Method
from ..distillation.plan import with_steps
from ..distillation.published import DEFAULT, PUBLISHED, method_of
from ..errors import SettingError
from ..evaluation.learners import check_panel
from ..samples.budget import Budget
from ..spec import encode

__all__ = ["BASELINES", "FULL", "Cell", "Recipe", "all_methods", "crossed"]

_PLAIN = "formation=1,mixtures=1,downsample=1,coarse=false"
"""Settings of `Matcher` with which an item is one sample as it is."""

FULL = "full"
"""In place of a method: networks trained on all data, the ceiling."""


BASELINES = (
    FULL,
    "random",
    "random:labels=teacher",
    "random:labels=logits",
    "k-means",
    "k-means:labels=teacher",
    "herding",
    "herding:labels=teacher",
    "herding:space=features",
    "k-center",
    "k-center:labels=teacher",
    "k-center:space=features",
)


def all_methods() -> tuple[str, ...]:
    """Baselines, then every published setting."""
    return (*BASELINES, *PUBLISHED)


def crossed(words: Sequence[str], canvases: Sequence[str]) -> tuple[str, ...]:
    """Every objective on every canvas, so that none is credited with what its canvas gains; what moves no samples stays alone.

    Args:
        words: methods and published settings.
        canvases: ``plain``, or settings of `Matcher` such as ``formation=2``; none leaves the words as they are.

    Returns:
        Words.

    Example:
        >>> crossed(["dm", "random"], ["plain", "formation=2"])
        ('dm:formation=1,mixtures=1,downsample=1,coarse=false', 'dm:formation=2', 'random')
    """
    found: list[str] = []
    for word in words:
        if not canvases or word in (FULL, DEFAULT) or not isinstance(method_of(word), Matcher):
            found.append(word)
            continue
        mark = "," if ":" in word else ":"
        found += [f"{word}{mark}{_PLAIN if canvas == 'plain' else canvas}" for canvas in canvases]
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Args:
        data: a built-in name or a path.
        method: a method, a published setting, or `FULL`.
        budget: how much synthetic data.
        network: on which it is distilled and judged; the default for the data when empty.
        seed: of split, distillation and draws.
    """

    data: str
    method: str
    budget: Budget
    network: str = ""
    seed: int = 0

    @property
    def dataset(self) -> str:
        """Name for tables; where a file lies does not matter."""
        return Path(self.data).stem if Path(self.data).exists() else self.data

    def named(self, recipe: "Recipe") -> dict[str, Any]:
        """By what a row says it, and is found again."""
        return {
            "dataset": self.dataset,
            "method": self.method,
            "budget": str(self.budget),
            "network": self.network,
            "seed": self.seed,
            # Rows that version 0.1.0 wrote, which knew no panel, are found again.
            "recipe": {
                key: "benchmark:Recipe" if key == "kind" else value
                for key, value in encode(recipe).items()
                if (key, value) != ("panel", "none")
            },
        }

    def key(self, recipe: "Recipe") -> str:
        """A name for files."""
        return hashlib.blake2b(json.dumps(self.named(recipe)).encode(), digest_size=10).hexdigest()


@dataclass(frozen=True)
class Recipe:
    """How every cell is run and judged.

    Args:
        quick: published settings at the scale of a CPU in place of the papers' own.
        steps: outer steps in place of each method's own.
        networks: networks trained for each score.
        judges: further architectures on which every engram is judged.
        device: kind of device, cpu or cuda.
        panel: foreign learners by which every engram is judged: none, quick or full.

    Raises:
        SettingError: no network, another panel.
    """

    quick: bool = False
    steps: int | None = None
    networks: int = 3
    judges: tuple[str, ...] = ()
    device: str = "cpu"
    panel: str = "none"

    def __post_init__(self) -> None:
        if self.networks < 1:
            raise SettingError(f"networks is {self.networks}: train at least one for each score")
        check_panel(self.panel)

    def method(self, word: str, problem: Problem | None = None, most: int = 1) -> Method:
        """The method that a word names; `most` items a class are what the default depends on."""
        usual = None if problem is None else defaults.method(problem, most=most)
        return with_steps(method_of(word, usual, self.quick), self.steps)
