"""The learning process that is compressed: a network and the phases in which it learns.

Practical distillation is two phases over one synthetic set: features by gradient descent, then a ridge
readout. The two-layer theory is two phases over two sets. `fitting.fit` carries a training out.
"""

import enum
import math
import re
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import torch

from ..errors import SettingError
from ..numerics.optimizers import SGD, Adam, Params
from .augmentation import augmentation
from .network import Model, Network

__all__ = [
    "Before",
    "Descent",
    "Loss",
    "NormaliseRows",
    "Part",
    "Phase",
    "RedrawBiases",
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
class RedrawBiases:
    r"""Draw the biases of the first layer anew: :math:`b_i \sim N(0, \text{spread}^2)`.

    Args:
        spread: standard deviation, at least 0.
    """

    spread: float = 1.0

    def __call__(self, model: Model, params: Params, generator: torch.Generator) -> Params:
        """Replace the first layer's bias."""
        key = model.first_layer()[1]
        drawn = self.spread * torch.randn(params[key].shape, generator=generator)
        return params | {key: drawn.to(params[key])}


@dataclass(frozen=True)
class NormaliseRows:
    r"""Scale the first layer's weights by one number: :math:`\frac1L \sum_i |w_i|^2 = \text{size}^2`.

    A step that forgets the old weights leaves rows whose size is the step's; biases of unit spread then need rows
    of unit size.

    Args:
        size: root mean square of the rows' norms, positive.
    """

    size: float = 1.0

    def __call__(self, model: Model, params: Params, generator: torch.Generator) -> Params:
        """Rescale the first layer's weight."""
        key = model.first_layer()[0]
        size = params[key].square().sum(1).mean().sqrt()
        return params | {key: params[key] * (self.size / size.clamp_min(1e-30))}


@dataclass(frozen=True)
class Descent:
    """Learn by gradient descent.

    Args:
        optimizer: SGD or Adam.
        steps: number of steps, at least 0.
        batch: rows per step, drawn without replacement; all of them when None.
        loss: squared error, or cross-entropy for classes.
        cosine: whether the rate falls to zero along half a cosine.
        augment: strategy of augmentation of images, for instance ``"crop_rotate"``: each network draws one kind in each
            step, with numbers of its own for each row.

    Raises:
        SettingError: a value out of range.
    """

    optimizer: SGD | Adam = Adam()
    steps: int = 100
    batch: int | None = None
    loss: Loss = Loss.SQUARED
    cosine: bool = False
    augment: str = ""

    def __post_init__(self) -> None:
        augmentation(self.augment)
        if self.steps < 0 or (self.batch is not None and self.batch < 1):
            raise SettingError(f"descent takes steps >= 0 and batch >= 1, not {self.steps} and {self.batch}")

    def scale(self, step: int) -> float:
        """Factor of the rate at a step."""
        return 0.5 * (1 + math.cos(math.pi * step / self.steps)) if self.cosine else 1.0


@dataclass(frozen=True)
class Ridge:
    """Fit the readout to the features by ridge regression (`numerics.linalg.ridge`).

    Args:
        regularisation: relative penalty, positive.
        steps: of plain gradient descent on the same objective, from zero; the closed form when None.

    Raises:
        SettingError: a value out of range.
    """

    regularisation: float = 1e-3
    steps: int | None = None

    def __post_init__(self) -> None:
        if not self.regularisation > 0:
            raise SettingError(f"regularisation is {self.regularisation}; it takes a positive number")
        if self.steps is not None and self.steps < 1:
            raise SettingError(f"steps is {self.steps}; it takes a positive number, or None for the closed form")


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

    def __str__(self) -> str:
        """In the words of the command line: what learns, how, on which set."""
        first = "".join(f"{_word(change)}, " for change in self.before)
        return f"{self.part.value} on {self.data}: {first}{_word(self.solver)}"


@dataclass(frozen=True)
class Training:
    """A network and the ordered phases in which it learns.

    Args:
        network: the architecture.
        phases: at least one.
        bounded: whether a trained network sees each number held within the range of those that it last learnt from.
            Far from the few rows that taught it, it says what it says at their edge.

    Raises:
        SettingError: no phase.

    Example:
        >>> from engram.learning.networks.mlp import MLP
        >>> [type(phase.solver).__name__ for phase in Training.default(MLP()).phases]
        ['Descent', 'Ridge']
    """

    network: Network
    phases: tuple[Phase, ...]
    bounded: bool = False

    def __post_init__(self) -> None:
        if not self.phases:
            raise SettingError("a training has at least one phase")

    @classmethod
    def default(
        cls, network: Network, steps: int = 100, rate: float = 3e-3, regularisation: float = 1e-3, augment: str = ""
    ) -> "Training":
        """Features by Adam from a zero readout, then the readout by ridge; both read the same set."""
        learn = Phase(Descent(Adam(rate), steps, augment=augment), before=(ZeroReadout(),))
        return cls(network, (learn, Phase(Ridge(regularisation), Part.READOUT)))

    def on(self, network: Network) -> "Training":
        r"""The same training of another network: :math:`\eta' = \eta\,\min(1, \text{width}/\text{width}')` for Adam.

        A step of Adam moves every weight by its rate, and a unit by a sum over as many inputs as the layer before is
        wide. Another width of the same architecture therefore takes another rate; a narrower one keeps it, since the
        first layer, whose inputs stay as many, would move too far. Plain descent keeps its rate.

        Args:
            network: of any architecture; one of another kind keeps the rate.

        Returns:
            The same phases on this network.

        References:
            Yang et al. 2022, Tensor Programs V, arXiv 2203.03466 (table 3, Adam).

        Example:
            >>> from engram.learning.networks.mlp import MLP
            >>> Training.default(MLP(width=128), rate=4e-3).on(MLP(width=512)).phases[0].solver.optimizer.rate
            0.001
        """
        return replace(self, network=network).scaled(_narrower(self.network, network))

    def scaled(self, factor: float) -> "Training":
        """The same training with Adam's rates times a factor; plain descent keeps its rate."""
        return replace(self, phases=tuple(_scaled(phase, factor) for phase in self.phases))

    @classmethod
    def two_phase(cls, network: Network, rate: float = 1.0, readout: Ridge = Ridge()) -> "Training":
        """The theory's training: one step of the first layer on one set, then the readout on another.

        The step has weight decay 1/rate, which forgets the initial weights: rows become the gradient itself. Then
        biases are drawn anew, rows scaled to unit size, and the readout is fitted.

        Args:
            network: whose output starts at zero, as `TwoLayer`'s does.
            rate: step size of the first layer; what follows forgets it.
            readout: closed form or gradient descent.

        Returns:
            Two phases over the sets ``"features"`` and ``"readout"``.

        References:
            Damian, Lee, Soltanolkotabi 2022; Kinoshita, Nishikawa, Toyoizumi, ICML 2026, arXiv 2603.14830.
        """
        step = Phase(Descent(SGD(rate, decay=1 / rate), steps=1), Part.FIRST_LAYER, "features")
        return cls(network, (step, Phase(readout, Part.READOUT, "readout", (RedrawBiases(), NormaliseRows()))))


def _word(value: Any) -> str:
    """A setting as a word: its name, and the fields that are not at their default."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(value).__name__).lower()
    changed = {f.name: getattr(value, f.name) for f in fields(value) if getattr(value, f.name) != f.default}
    shown = (
        f"{k}={v.value if isinstance(v, enum.Enum) else _word(v) if is_dataclass(v) else v}" for k, v in changed.items()
    )
    return f"{name}:{','.join(shown)}" if changed else name


def _narrower(one: Any, other: Any) -> float:
    """By how much the first of two networks of one architecture is narrower than the second, at most 1."""
    known = type(one) is type(other) and hasattr(one, "width")
    return min(1.0, one.width / other.width) if known else 1.0


def _scaled(phase: Phase, factor: float) -> Phase:
    solver = phase.solver
    if not isinstance(solver, Descent) or not isinstance(solver.optimizer, Adam):
        return phase
    optimizer = replace(solver.optimizer, rate=factor * solver.optimizer.rate)
    return replace(phase, solver=replace(solver, optimizer=optimizer))
