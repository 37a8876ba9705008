"""Engrams of what was learnt as the memory of a learner that goes on learning: one label space, so many bytes."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ..data.preprocessing import Preprocessing
from ..data.targets import Classes, Target
from ..errors import BudgetError, DataError, SettingError, UnknownNameError, nearest
from ..learning.gradients import mean_loss
from ..learning.training import Loss
from ..memory.engram import Engram
from ..memory.lesson import Lesson
from ..samples.synthetic import Synthetic
from .thinning import least_bytes, thinned

__all__ = ["ReplayMemory", "Replayed", "in_label_space"]


class Replayed(NamedTuple):
    """A batch of memories.

    Args:
        inputs: (N, *shape), normalised.
        targets: (N, C) probabilities of classes; or standardised numbers.
    """

    inputs: Tensor
    targets: Tensor


@dataclass(frozen=True, eq=False)
class ReplayMemory:
    r"""Engrams in one label space, of at most so many bytes in all.

    A learner replays them beside what it learns now:

    .. math:: L = \frac1{|B|}\sum_{(x, y) \in B} \ell(f(x), y) + \frac1{|M|}\sum_{(x, p) \in M} \ell(f(x), p)

    Args:
        target: the label space; when None that of the engrams, classes in the order in which they came.
        limit: bytes; engrams are thinned when all would cost more. None for as many as come.
        engrams: what is remembered.

    Example:
        >>> import engram
        >>> wine = engram.load_problem("wine")
        >>> memory = ReplayMemory().add(engram.distill(wine, budget=engram.PerClass(1), steps=5))
        >>> replayed = memory.sample(2, torch.Generator().manual_seed(0))
        >>> memory.loss(torch.zeros(2, 3), replayed) > 1
        tensor(True)
    """

    target: Target | None = None
    limit: int | None = None
    engrams: tuple[Engram, ...] = ()

    def __len__(self) -> int:
        return sum(engram.items for engram in self.engrams)

    def __repr__(self) -> str:
        limit = "" if self.limit is None else f" of {self.limit:,}"
        return f"ReplayMemory({len(self.engrams)} engrams, {len(self)} samples, {self.bytes:,}{limit} bytes)"

    @property
    def bytes(self) -> int:
        """Cost of all samples; what prepares inputs is shared and small."""
        return sum(engram.canvas_bytes for engram in self.engrams)

    @property
    def preprocessing(self) -> Preprocessing:
        """By which raw inputs become those of `sample`: the first engram's."""
        if not self.engrams:
            raise SettingError("the memory is empty: add an engram first")
        return self.engrams[0].preprocessing

    @property
    def space(self) -> Target:
        """The label space."""
        if self.target is not None:
            return self.target
        if not self.engrams:
            raise SettingError("the memory is empty: add an engram first, or say which classes there will be")
        first = self.engrams[0].target
        if not isinstance(first, Classes):
            return first
        names = dict.fromkeys(name for engram in self.engrams for name in engram.target.names)
        return replace(first, names=tuple(names))

    def add(self, engram: Engram) -> "ReplayMemory":
        """The memory with one more engram, all of them thinned where the limit asks for it.

        Args:
            engram: of labelled samples, whose inputs have the shape of those before.

        Returns:
            Another memory; each class has an equal share of the bytes, and what a small engram leaves goes to others.

        Raises:
            DataError: inputs of another shape, numbers beside classes.
            UnknownNameError: a class that the label space does not have.
            BudgetError: the limit does not hold one item of every class.
        """
        if not engram.labelled:
            raise SettingError("its points are the theory's own, which hold no labels: there is nothing to replay")
        if self.engrams and engram.task.shape != self.preprocessing.shape:
            raise DataError(
                f"inputs of shape {engram.task.shape} do not go beside those of shape {self.preprocessing.shape}"
            )
        known = self.target or (self.engrams[0].target if self.engrams else engram.target)
        if isinstance(known, Classes) != isinstance(engram.target, Classes) or (
            not isinstance(known, Classes) and known.outputs != engram.target.outputs
        ):
            raise DataError("an engram of classes and one of numbers (or of other outputs) share no label space")
        if isinstance(self.target, Classes):
            for name in engram.target.names:
                if name not in self.target.names:
                    raise UnknownNameError(
                        f"class {name!r} is not of this memory's; {nearest(name, self.target.names)}"
                    )
        engrams = (*self.engrams, engram)
        return replace(self, engrams=engrams if self.limit is None else _within(engrams, self.limit))

    @cached_property
    def samples(self) -> Synthetic:
        """All samples, with probabilities of the label space's classes or its standardised numbers."""
        parts = [_replayed(engram, self.preprocessing, self.space) for engram in self.engrams]
        return Synthetic(torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))

    def sample(self, size: int, generator: torch.Generator) -> Replayed:
        """Some samples, each once; all of them where there are fewer.

        Args:
            size: how many, at least 1.
            generator: of the draw.

        Returns:
            Inputs and targets.

        Raises:
            SettingError: nothing is remembered yet.
        """
        if not self.engrams:
            raise SettingError("the memory is empty: add an engram first")
        drawn = torch.randperm(len(self.samples), generator=generator)[:size].to(self.samples.device)
        return Replayed(self.samples.inputs[drawn], self.samples.targets[drawn])

    def loss(self, outputs: Tensor, replayed: Replayed) -> Tensor:
        """What the labels of memories are for: cross-entropy with probabilities, squared error of standardised numbers.

        Args:
            outputs: (N, C) of a learner for the inputs of a batch.
            replayed: the batch.

        Returns:
            A number, differentiable in the outputs.
        """
        if outputs.shape != replayed.targets.shape:
            raise SettingError(
                f"outputs of shape {tuple(outputs.shape)} do not go with targets of shape {tuple(replayed.targets.shape)}: the "
                "learner needs one output for each class of the label space"
            )
        if isinstance(self.space, Classes):
            return mean_loss(Loss.CROSS_ENTROPY, outputs, replayed.targets - 1 / outputs.shape[1])
        return mean_loss(Loss.SQUARED, outputs, replayed.targets)


def in_label_space(targets: Tensor, own: Classes, space: Classes) -> Tensor:
    """(N, own classes) probabilities as those of a larger label space, (N, C): nothing for classes that are not its own."""
    wide = torch.zeros(len(targets), space.outputs, device=targets.device, dtype=targets.dtype)
    wide[:, [space.names.index(name) for name in own.names]] = targets
    return wide


def _replayed(engram: Engram, preprocessing: Preprocessing, space: Target) -> tuple[Tensor, Tensor]:
    """An engram's samples as a stranger reads them, through one preprocessing and in one label space."""
    lesson = Lesson.of(engram)
    raw = engram.preprocessing.decode(lesson.inputs)
    inputs = preprocessing.normalise(preprocessing.encode(raw)).to(lesson.inputs)
    if isinstance(engram.target, Classes) and isinstance(space, Classes):
        assert lesson.probabilities is not None
        return inputs, in_label_space(lesson.probabilities, engram.target, space)
    return inputs, space.encode(engram.target.decode(lesson.targets)).to(lesson.targets)


def _within(engrams: tuple[Engram, ...], limit: int) -> tuple[Engram, ...]:
    """Engrams of at most so many bytes: equal shares of classes, the rest of small ones going to others."""
    weights = [engram.task.outputs if isinstance(engram.target, Classes) else 1 for engram in engrams]
    kept: dict[int, Engram] = {}
    left = limit
    # From the least per class on: what one leaves over is there for all that cost more.
    for k in sorted(range(len(engrams)), key=lambda k: engrams[k].canvas_bytes / weights[k]):
        open_weights = sum(weight for i, weight in enumerate(weights) if i not in kept)
        try:
            kept[k] = thinned(engrams[k], left * weights[k] // open_weights)
        except BudgetError as error:
            least = sum(map(least_bytes, engrams))
            raise BudgetError(
                f"{limit} bytes are too few for {len(engrams)} engrams ({error}); one item of every class takes {least}"
            ) from error
        left -= kept[k].canvas_bytes
    return tuple(kept[k] for k in range(len(engrams)))
