"""From where a network begins to learn a task, and in which way it goes on."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch

from ..data.problem import Problem
from ..data.task import Task
from ..distillation.selection import at_random, choose
from ..errors import BudgetError
from ..evaluation.baselines import Baselines
from ..evaluation.ceiling import full_steps, train_full
from ..learning.fitting import Fitted, fit
from ..learning.training import Part, Phase, Ridge, Training
from ..memory.engram import Engram
from ..numerics.optimizers import Params
from ..samples.budget import Items
from ..samples.spending import shares
from ..samples.synthetic import Synthetic

__all__ = ["NEED_SOURCE", "STARTS", "WAYS", "Bench", "Start"]

Start = Literal["scratch", "random_features", "engram", "all_data", "random", "k_means"]
STARTS: tuple[Start, ...] = get_args(Start)
"""From where a network learns the task: nowhere; features that nothing taught; an engram of the source; all rows of the source, and random
rows or k-means centres of the engram's bytes (these three need the source)."""

NEED_SOURCE = ("all_data", "random", "k_means")

WAYS = ("frozen", "warm", "joint")
"""A readout alone is learnt on features that stay; all is learnt on, from there; or samples of the source and rows of the task teach one
body together, each by outputs of their own, and then a readout is learnt."""

_PENALTY = 1e-2
"""Of readouts of few rows."""


@dataclass(frozen=True)
class Bench:
    """All that the starts share.

    Args:
        engram: of the source task.
        problem: the target task.
        source: the data of the source task, if they are known.
        training: of a network.
        seeds: draws of known rows, and networks.
        shots: known rows of each class.
    """

    engram: Engram
    problem: Problem
    source: Problem | None
    training: Training
    seeds: tuple[int, ...]
    shots: int

    def learnt(self, start: str) -> dict[str, Fitted]:
        """Networks of the task, by way."""
        shots = self._shots()
        readout = Training(self.training.network, (Phase(Ridge(_PENALTY), Part.READOUT),))
        task, seeds = self.problem.task, list(self.seeds)
        if start == "scratch":
            return {"warm": fit(self.training, task, shots, seeds)}
        if start == "random_features":
            return {"frozen": fit(readout, task, shots, seeds)}
        sets, own = self._taught(start)
        body = self._body(fit(self.training, own, sets, seeds) if sets else self._full())
        found = {
            "frozen": fit(readout, task, shots, seeds, start=body),
            "warm": fit(self.training, task, shots, seeds, start=body),
        }
        if sets:
            body = self._body(self._together(sets, shots, own))
            found["joint"] = fit(readout, task, shots, seeds, start=body)
        return found

    def _shots(self) -> list[dict[str, Synthetic]]:
        """Known rows of each seed."""
        classes = self.problem.classes
        count = self.shots * (classes or 10)
        if count > len(self.problem.train):
            raise BudgetError(
                f"{count} rows were asked for and {self.problem.name} has {len(self.problem.train)}: ask for fewer shots"
            )
        each = shares(self.problem, Items(count), 1)
        return [{"main": choose(self.problem, each, at_random, seed).decode()} for seed in self.seeds]

    def _taught(self, start: str) -> tuple[list[dict[str, Synthetic]], Task]:
        """What teaches the source task, for each seed; nothing where all of it does."""
        if start == "engram":
            return [{"main": self.engram.samples}] * len(self.seeds), self.engram.task
        assert self.source is not None
        if start == "all_data":
            return [], self.source.task
        baselines = Baselines(self.engram, self.source, self.training, self.seeds)
        rows = [canvas.decode() for canvas in baselines.canvases(f"{start}_bytes")]
        fewest = min(map(len, rows))
        return [{"main": Synthetic(own.inputs[:fewest], own.targets[:fewest])} for own in rows], self.source.task

    def _full(self) -> Fitted:
        assert self.source is not None
        full = train_full(self.source, self.training.network, list(self.seeds), full_steps(self.source))
        return full.fitted

    def _body(self, fitted: Fitted) -> Params:
        """Parameters of all layers but the readout; a few networks serve many seeds in turn."""
        kept = {key: value for key, value in fitted.params.items() if key not in fitted.model.readout()}
        turn = torch.arange(len(self.seeds)) % fitted.networks
        return {key: value[turn.to(value.device)] for key, value in kept.items()}

    def _together(self, sets: list[dict[str, Synthetic]], shots: list[dict[str, Synthetic]], own: Task) -> Fitted:
        """Networks of both tasks: each row says nothing of the other's outputs."""
        task = self.problem.task
        both = replace(task, outputs=own.outputs + task.outputs)
        union = [{"main": _padded(one["main"], two["main"])} for one, two in zip(sets, shots, strict=True)]
        first = tuple(phase for phase in self.training.phases if not isinstance(phase.solver, Ridge))
        return fit(Training(self.training.network, first, self.training.bounded), both, union, list(self.seeds))


def _padded(one: Synthetic, two: Synthetic) -> Synthetic:
    left, right = one.targets.shape[1], two.targets.shape[1]
    targets = torch.cat(
        [
            torch.cat([one.targets, one.targets.new_zeros(len(one), right)], 1),
            torch.cat([two.targets.new_zeros(len(two), left), two.targets], 1),
        ]
    )
    return Synthetic(torch.cat([one.inputs, two.inputs]), targets)
