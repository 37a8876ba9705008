"""The learning process that is compressed: a network and the phases in which it learns.

Practical distillation is two phases over one synthetic set: features by gradient descent, then a ridge
readout. The two-layer theory is two phases over two sets. `fitting.fit` carries a training out.
"""

import enum
import math
from dataclasses import dataclass
from typing import Protocol

import torch

from .errors import SettingError
from .network import Model, Network
from .optimizers import SGD, Adam, Params

__all__ = [
    "Before",
    "Descent",
    "Loss",
    "Part",
    "Phase",
    "Ridge",
    "Training",
    "ZeroReadout",
]


class Loss(enum.Enum):
    """How outputs are compared with target scores."""

    SQUARED = "squared"
    CROSS_ENTROPY = "cross-entropy"


class Part(enum.Enum):
    """Which parameters learn in a phase."""

    ALL = "all"
    FIRST_LAYER = "first layer"
    READOUT = "readout"


class Before(Protocol):
    """A change of the parameters at the start of a phase: redraw biases, normalise rows."""

    def __call__(self, model: Model, params: Params, generator: torch.Generator) -> Params:
        """The parameters of one network, changed."""
        ...


@dataclass(frozen=True)
class ZeroReadout:
    """Start the readout at zero, so that the first outputs are zero and no random readout must be unlearned."""

    def __call__(self, model: Model, params: Params, generator: torch.Generator) -> Params:
        """Set the head's weight and bias to zero."""
        return params | {key: torch.zeros_like(params[key]) for key in model.readout()}


@dataclass(frozen=True)
class Descent:
    """Learn by gradient descent.

    Args:
        optimizer: SGD or Adam.
        steps: number of steps, at least 0.
        batch: rows per step, drawn without replacement; all of them when None.
        loss: squared error, or cross-entropy for classes.
        cosine: whether the rate falls to zero along half a cosine.

    Raises:
        SettingError: a value out of range.
    """

    optimizer: SGD | Adam = Adam()
    steps: int = 100
    batch: int | None = None
    loss: Loss = Loss.SQUARED
    cosine: bool = False

    def __post_init__(self) -> None:
        if self.steps < 0 or (self.batch is not None and self.batch < 1):
            raise SettingError(f"descent takes steps >= 0 and batch >= 1, not {self.steps} and {self.batch}")

    def scale(self, step: int) -> float:
        """Factor of the rate at a step."""
        return 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.cosine else 1.0


@dataclass(frozen=True)
class Ridge:
    """Fit the readout in closed form on the features (`linalg.ridge`).

    Args:
        regularisation: relative penalty, positive.

    Raises:
        SettingError: not positive.
    """

    regularisation: float = 1e-3

    def __post_init__(self) -> None:
        if not self.regularisation > 0:
            raise SettingError(f"regularisation is {self.regularisation}; it takes a positive number")


@dataclass(frozen=True)
class Phase:
    """One stage of learning.

    Args:
        solver: gradient descent, or the closed-form readout.
        part: which parameters learn (a closed-form readout always fits the readout).
        data: name of the set it reads.
        before: changes of the parameters made first.
    """

    solver: Descent | Ridge
    part: Part = Part.ALL
    data: str = "main"
    before: tuple[Before, ...] = ()


@dataclass(frozen=True)
class Training:
    """A network and the ordered phases in which it learns.

    Args:
        network: the architecture.
        phases: at least one.

    Raises:
        SettingError: no phase.

    Example:
        >>> from engram.networks.mlp import MLP
        >>> [type(phase.solver).__name__ for phase in Training.default(MLP()).phases]
        ['Descent', 'Ridge']
    """

    network: Network
    phases: tuple[Phase, ...]

    def __post_init__(self) -> None:
        if not self.phases:
            raise SettingError("a training has at least one phase")

    @classmethod
    def default(
        cls, network: Network, steps: int = 100, rate: float = 3e-3, regularisation: float = 1e-3
    ) -> "Training":
        """Features by Adam from a zero readout, then the readout by ridge; both read the same set."""
        learn = Phase(Descent(Adam(rate), steps), before=(ZeroReadout(),))
        return cls(network, (learn, Phase(Ridge(regularisation), Part.READOUT)))
