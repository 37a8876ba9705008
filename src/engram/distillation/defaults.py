"""Good settings where the user gave none: one network and training for each kind of data."""

import math
from dataclasses import replace
from typing import Any, Literal

from ..data.preprocessing.encoded import Encoded
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.problem import Problem
from ..learning.network import Network
from ..learning.networks.convnet import ConvNet
from ..learning.networks.decomposed_linear import DecomposedLinear
from ..learning.networks.fcn import FCN
from ..learning.networks.mlp import MLP
from ..learning.networks.random_convolutions import RandomConvolutions
from ..learning.training import Training
from ..random import minibatch
from ..samples.budget import Precision
from ..samples.canvas.spectrum import low_share
from .combined import Combined
from .matcher import Matcher
from .method import Method
from .methods.distribution_matching import DistributionMatching
from .methods.kernel_matching import KernelMatching
from .methods.performance_matching import PerformanceMatching

__all__ = ["Teaches", "learning_network", "method", "network", "precision", "training"]

_TILES = 2
"""Along a side of a stored image."""

_LABELS = 0.06
"""Most that labels of tiles may cost of an image's bytes."""

_LARGE = 28

_PARTS = {2: 0.8, 4: 0.9}
"""Series are stored as the lower half or quarter of their frequencies where that holds this share of their energy."""

_MANY = 5
"""Samples of a class, or of a number, that serve others and the own replay alike."""

_NEAR = 0.5
"""How much samples are held by real rows."""


def network(problem: Problem) -> Network:
    """The architecture for a problem: by its inputs' shape, and by where its data live.

    Args:
        problem: the data.

    Returns:
        ConvNet-3/128/instance for images of 28 pixels and more on a GPU, width 32 on a CPU, a smaller one
        for smaller images; random convolutions for series, a linear forecaster for forecasts; a linear model for what an
        encoder sees; an MLP for everything else.

    Example:
        >>> from engram import load_problem
        >>> network(load_problem("wine"))
        MLP(width=128, depth=1, activation='tanh')
    """
    shape = problem.task.shape
    if isinstance(problem.preprocessing, Encoded):
        return MLP(depth=0)
    if len(shape) == 2:
        return RandomConvolutions() if problem.classes else DecomposedLinear()
    if len(shape) != 3 or min(shape[1:]) < 4:
        return MLP(activation="tanh")
    if _large(problem):
        return ConvNet() if problem.train.device.type == "cuda" else ConvNet(width=32)
    return ConvNet(width=64, depth=2, norm="group")


def learning_network(problem: Problem) -> Network:
    """The architecture for a problem where features shall be learnt: the default one, unless its features stay as drawn.

    Example:
        >>> from engram import load_problem
        >>> learning_network(load_problem("cylinder-bell-funnel"))
        FCN(width=64)
    """
    found = network(problem)
    if not getattr(found, "fixed_features", False):
        return found
    return FCN() if len(problem.task.shape) == 2 else MLP()


def training(problem: Problem, architecture: Network | None = None, method: Method | None = None) -> Training:
    """The learning process for a problem: features by Adam, then a ridge readout; or what the method compresses.

    Images of 28 pixels and more are augmented while features learn: on MNIST with ten images this was worth 0.04 to
    0.12 of accuracy to every method that distils (`benchmarks/`).

    Args:
        problem: the data.
        architecture: the default one when None.
        method: may have a `training` of its own.

    Returns:
        Two phases over one set.

    Example:
        >>> from engram import load_problem
        >>> len(training(load_problem("wine")).phases)
        2
    """
    own = getattr(method, "training", None)
    if own is not None:
        result: Training = own(architecture)
        return result
    architecture = architecture or network(problem)
    if getattr(architecture, "fixed_features", False):
        return Training.default(architecture, steps=0)
    return _tuned(problem).on(architecture)


def _tuned(problem: Problem) -> Training:
    """The training with the network for which its rate was chosen."""
    if len(problem.task.shape) == 2:
        return Training.default(FCN(), steps=100)
    if len(problem.task.shape) != 3:
        return Training.default(MLP(), steps=50, rate=1e-3)
    if not _large(problem):
        return Training.default(ConvNet(width=64), steps=50)
    return Training.default(ConvNet(width=32), steps=100, augment="crop_scale_rotate")


def _large(problem: Problem) -> bool:
    """Whether inputs are images of 28 pixels and more along both sides."""
    shape = problem.task.shape
    return len(shape) == 3 and min(shape[1:]) >= _LARGE


Teaches = Literal["any", "replay"]
"""For whom samples are made: whoever trains on them, in whatever way, or the engram's own replay alone."""


def method(problem: Problem, teaches: Teaches = "any", most: int = 1, stored: Precision | None = None) -> Method:
    """Performance matching with settings for the kind of data; beside further terms where others shall learn too.

    The closed form ties samples to the readout that it solves. For whoever trains another way, learners in closed form
    (`KernelMatching`) are matched as well; on images of 28 pixels and more, class means of features too, and each item holds
    two images of four bits, each cut into four tiles with labels of their own (`benchmarks/README.md` has what each is worth).

    Few rows of few numbers are soon learnt by heart: tables get whole batches with noise, and fewer steps.
    The noise falls as one over the root of the rows: many rows are their own noise.

    Args:
        problem: the data.
        teaches: any, or replay.
        most: items that the budget has for a class (in all for numbers): fewer than five weigh others less, and each tile
            starts as a real row, which a class must have.
        stored: the precision that is asked for; four bits stand for the eight of pixels alone. That of the data when None.

    Returns:
        The method.

    Example:
        >>> from engram import load_problem
        >>> method(load_problem("wine"), "replay").noise
        0.5
    """
    own = _for_replay(problem)
    if teaches == "replay":
        return own
    if isinstance(problem.preprocessing, Series):
        return _for_series(problem, own, most)
    if isinstance(problem.preprocessing, Encoded):
        return _with(own, (KernelMatching(near=_NEAR),), (min(1.0, most / _MANY),), steps=own.steps)
    if not _large(problem):
        # Convolutions share less with those learners than tables' networks do, and one sample of a class cannot serve
        # all as five can: the own replay would pay for more.
        image = len(problem.task.shape) == 3
        weight = (0.1 if image else 1.0) * min(1.0, most / _MANY)
        return _with(own, (KernelMatching(near=_NEAR),), (weight,), steps=800 if image else 1000)
    if problem.classes is None:
        return own
    means = DistributionMatching(batch=32, augment="crop_scale_rotate")
    others = KernelMatching(learners="linear+svm+laplace+perceptron+neighbour", near=0.3)
    return _with(own, (means, others), (0.3, 0.3), steps=600, **_canvas(problem, most, stored or precision(problem)))


def _for_replay(problem: Problem) -> PerformanceMatching:
    if isinstance(problem.preprocessing, Encoded):
        # All networks are one: a linear readout.
        few = PerformanceMatching(steps=600, rate=0.02, label_rate=0.02, pool=1, networks=1, batch=512, noise=0.2)
        return replace(few, temperature=0.2)
    if _large(problem):
        return PerformanceMatching(rate=0.05, batch=128, pool=10, temperature=0.07)
    if len(problem.task.shape) == 3:
        return PerformanceMatching()
    if len(problem.task.shape) == 2:
        # A linear forecaster learns few windows by heart, as tables' networks do; convolutions forget where a point stands.
        noise = 0.0 if problem.classes else round(min(0.6, 10 / len(problem.train) ** 0.5), 3)
        return PerformanceMatching(steps=600, rate=0.03, label_rate=0.01, pool=4, batch=256, noise=noise)
    noise = round(min(0.5, 10 / len(problem.train) ** 0.5), 3)
    return PerformanceMatching(
        steps=400, rate=0.02, label_rate=0.02, pool=4, networks=4, batch=512, temperature=0.5, noise=noise
    )


def _for_series(problem: Problem, own: PerformanceMatching, most: int) -> Combined:
    """Smooth series stand two or four to the numbers of one, and start as real ones: centres of shifted shapes have none."""
    rows = problem.train.rows(minibatch(len(problem.train), 1000, 0, 0, "smooth"))
    channels = problem.preprocessing.channels  # type: ignore[attr-defined]
    (x, *_) = rows.batch(slice(None))
    if problem.classes is None:
        return _with(own, (KernelMatching(near=_NEAR),), (0.3,), steps=own.steps)
    fewest = min(map(len, problem.train.by_class))
    fits = [f for f, share in _PARTS.items() if most * f <= fewest and low_share(x[:, :channels], f) >= share]
    weight = min(1.0, most / _MANY)
    method = _with(own, (KernelMatching(near=_NEAR),), (weight,), steps=own.steps, formation=max(fits, default=1))
    return replace(method, start="random")


def _canvas(problem: Problem, most: int, stored: Precision) -> dict[str, Any]:
    """How large images are stored: in tiles and in four bits, as far as every class has the rows with which they start."""
    fewest = min(map(len, problem.train.by_class))
    coarse = stored is Precision.UINT8
    for tiles, four in ((_TILES, coarse), (_TILES, False), (1, False)):
        if most * tiles**2 * (1 + four) <= fewest:
            break
    # Half a byte a score: of many classes the labels would cost what the tiles save.
    dear = tiles**2 * problem.task.outputs > _LABELS * math.prod(problem.task.shape)
    return {"formation": tiles, "coarse": four, "own_labels": four and tiles > 1 and not dear}


def _with(
    own: PerformanceMatching, terms: tuple[Matcher, ...], weights: tuple[float, ...], steps: int, **canvas: Any
) -> Combined:
    """Performance matching beside other terms, at its own rates."""
    return Combined(
        steps=steps,
        rate=own.rate,
        label_rate=own.label_rate,
        batch=own.batch,
        pool=own.pool,
        networks=own.networks,
        **canvas,
        terms=(own, *terms),
        weights=(1.0, *weights),
    )


def precision(problem: Problem) -> Precision:
    """Eight bits where the source has them, sixteen elsewhere."""
    pixels = problem.preprocessing
    return Precision.UINT8 if isinstance(pixels, Pixels) and pixels.native else Precision.FLOAT16
