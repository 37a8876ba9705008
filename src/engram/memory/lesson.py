"""An engram as other libraries read it: inputs as an export has them, labels that any trainer takes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ..data.targets import Classes
from ..samples.synthetic import Synthetic, scores_of
from .engram import Engram

__all__ = ["Lesson", "probabilities"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """Samples for a trainer that knows nothing of replay.

    Args:
        inputs: (N, *shape), normalised.
        targets: (N,) class numbers, or (N, C) standardised numbers.
        probabilities: (N, C) on the simplex; None for numbers.
    """

    inputs: Tensor
    targets: Tensor
    probabilities: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    @classmethod
    def of(cls, engram: Engram) -> "Lesson":
        """The samples of the first set, written out and read again: categories are whole, pixels within their range.

        Args:
            engram: whose samples.

        Returns:
            What a stranger has of it.

        Example:
            >>> import engram
            >>> memory = engram.distill(engram.load_problem("wine"), steps=1)
            >>> Lesson.of(memory).targets
            tensor([0, 1, 2])
        """
        samples, preprocessing = engram.samples, engram.preprocessing
        written = preprocessing.normalise(preprocessing.encode(preprocessing.decode(samples.inputs)))
        inputs = written.to(samples.inputs)
        if not isinstance(engram.target, Classes):
            return cls(inputs, samples.targets)
        return cls(inputs, samples.targets.argmax(1), probabilities(samples.targets, engram.temperature))

    def hard(self, classes: int | None) -> Synthetic:
        """Samples with the scores of their classes, or with their numbers."""
        return Synthetic(self.inputs, scores_of(self.targets, classes or 0, self.inputs))

    def dataset(self) -> TensorDataset:
        """Pairs for a `DataLoader`: normalised inputs, and class numbers or standardised numbers.

        Example:
            >>> import engram
            >>> memory = engram.distill(engram.load_problem("wine"), steps=1)
            >>> Lesson.of(memory).dataset()[2][1]
            tensor(2)
        """
        return TensorDataset(self.inputs, self.targets)

    def soft(self) -> Synthetic:
        """Samples with the scores of their probabilities, which cross-entropy reads."""
        assert self.probabilities is not None
        return Synthetic(self.inputs, self.probabilities - 1 / self.probabilities.shape[1])


def probabilities(scores: Tensor, temperature: float) -> Tensor:
    r"""Scores of classes as probabilities: :math:`p = \mathrm{softmax}(y/\tau)`; the likeliest class is that of the largest score.

    Args:
        scores: (N, C), centred.
        temperature: :math:`\tau`, at least 0; 0 gives all to the largest.

    Returns:
        (N, C), nonnegative, rows summing to one.

    Example:
        >>> probabilities(torch.tensor([[0.5, -0.5]]), 0.0)
        tensor([[1., 0.]])
    """
    if temperature == 0:
        return torch.nn.functional.one_hot(scores.argmax(1), scores.shape[1]).to(scores)
    return (scores / temperature).softmax(1)
