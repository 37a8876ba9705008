"""Named settings: a paper's own, as plain values with a citation, and the same objective at the scale of a CPU.

``engram distill cifar10.npz --method dsa`` runs the paper's setting; ``dsa:steps=100`` changes a field of it. What our
parts do otherwise than the paper's code is said in `note`, and under "Deviations" of each method.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import UnknownNameError, nearest
from ..learning.network import Network
from ..learning.networks.convnet import ConvNet
from ..spec import load, names, parse, render
from .combined import Combined
from .hypergradients import Implicit, Unroll
from .method import Method
from .methods.characteristic_matching import CharacteristicMatching
from .methods.distribution_matching import DistributionMatching
from .methods.gradient_matching import GradientMatching
from .methods.linear_gradient_matching import LinearGradientMatching
from .methods.patch_selection import PatchSelection
from .methods.performance_matching import PerformanceMatching
from .methods.trajectory_matching import TrajectoryMatching

__all__ = ["DEFAULT", "PUBLISHED", "Published", "method_of", "network_of"]

DEFAULT = "default"
"""The word of the method that the kind of data asks for."""

_ALL = "color_crop_cutout_flip_scale_rotate"


@dataclass(frozen=True)
class Published:
    """A paper's setting.

    Args:
        paper: authors, year, name, identifier.
        method: its objective with its hyperparameters, as far as our parts have them.
        quick: the same objective for MNIST-sized images on two CPU cores, about a minute.
        network: the paper's network.
        note: what differs from the paper.
    """

    paper: str
    method: Method
    quick: Method
    network: Network = ConvNet()
    note: str = ""


_SGD = {"momentum": 0.5, "cosine": False, "start": "random"}
_DC = GradientMatching(
    steps=1000,
    rate=0.1,
    batch=256,
    pool=1,
    oldest=0,
    grain="unit",
    readout="own",
    temperature=1.0,
    **_SGD,  # type: ignore[arg-type]
)
_ONE = "One image per class; ten take ten steps on each network: steps=10000,oldest=450,advance=50."
_MTT = TrajectoryMatching(
    steps=5000,
    rate=1000.0,
    augment=_ALL,
    experts=100,
    expert_steps=9750,
    expert_rate=0.01,
    expert_batch=256,
    expert_augment=_ALL,
    every=195,
    ahead=2,
    last=4,
    student_steps=50,
    student_rate=0.01,
    log_rate=1e-3,
    **_SGD,  # type: ignore[arg-type]
)
_QUICK_MTT = TrajectoryMatching(
    steps=150, rate=0.05, experts=2, expert_steps=200, expert_rate=0.03, last=3, student_rate=0.05
)
_SEGMENTS = "CIFAR-10 at one image per class, an epoch of 195 steps; the rate learns as its logarithm"

PUBLISHED: Mapping[str, Published] = {
    "dd": Published(
        "Wang, Zhu, Torralba, Efros 2018, Dataset Distillation, arXiv 1811.10959",
        PerformanceMatching(
            steps=10_000, rate=0.01, pool=4, networks=4, batch=1024, oldest=0, start="noise", hypergradient=Unroll(10),
            inner_rate=0.02,
        ),
        PerformanceMatching(
            steps=150, pool=1, batch=128, oldest=0, temperature=0.07, inner_rate=0.02, hypergradient=Unroll(5)
        ),
        note="The rate of the inner steps does not learn.",
    ),
    "rat-bptt": Published(
        "Feng, Vedantam, Kempe 2024, Embarrassingly Simple Dataset Distillation, arXiv 2311.07025",
        PerformanceMatching(
            steps=60_000, rate=0.001, pool=1, batch=5000, oldest=0, start="noise", cosine=False, clip=2.0,
            hypergradient=Unroll(200, 60, random=True, constant=True),
        ),
        PerformanceMatching(
            steps=150, pool=1, batch=128, oldest=0, temperature=0.07, clip=2.0,
            hypergradient=Unroll(30, 10, random=True, constant=True),
        ),
        note="The window for CIFAR-10 (60 of 200 steps); CIFAR-100 takes 100 of 300.",
    ),
    "kip": Published(
        "Nguyen, Novak, Xiao, Lee 2021, Dataset Distillation with Infinitely Wide Networks, arXiv 2107.13034",
        PerformanceMatching(
            steps=50_000, rate=0.001, label_rate=0.0, pool=1, batch=5000, oldest=0, start="random", cosine=False
        ),
        PerformanceMatching(steps=1000, rate=0.05, pool=1, batch=64, oldest=0),
        ConvNet(width=1024, norm="none"),
        "Random features of a wide finite network in place of the infinite network's kernel.",
    ),
    "frepo": Published(
        "Zhou, Nezhadarya, Ba 2022, Neural Feature Regression, arXiv 2206.00719",
        PerformanceMatching(
            steps=500_000, rate=0.003, label_rate=0.003, pool=10, batch=1024, oldest=100, start="random"
        ),
        PerformanceMatching(steps=800, rate=0.05, batch=128, pool=10, temperature=0.07),
        ConvNet(width=128, norm="group"),
        "Adam in place of LAMB; cross-entropy at a temperature in place of squared error.",
    ),
    "rcig": Published(
        "Loo, Hasani, Lechner, Rus 2023, Convexified Implicit Gradients, arXiv 2302.06755",
        PerformanceMatching(
            steps=10_000, rate=0.003, label_rate=0.003, pool=30, batch=1024, start="random",
            hypergradient=Implicit(steps=0, damping=1.0, iterations=20),
        ),
        PerformanceMatching(
            steps=250, batch=128, pool=10, temperature=0.07, hypergradient=Implicit(steps=0, damping=1.0, iterations=3)
        ),
        ConvNet(width=128, norm="none"),
        "Curvature of the linearised network by conjugate gradients in place of a learned surrogate.",
    ),
    "remember": Published(
        "Deng, Russakovsky 2022, Remember the Past, arXiv 2206.02916",
        PerformanceMatching(
            steps=50_000, rate=0.001, pool=1, batch=1024, oldest=0, start="random", mixtures=8, downsample=2,
            hypergradient=Unroll(100, 100, constant=True),
        ),
        PerformanceMatching(steps=600, rate=0.05, batch=128, pool=10, temperature=0.07, mixtures=2),
        note="The quick setting keeps the bases and takes the closed-form readout.",
    ),
    "dc": Published(
        "Zhao, Mopuri, Bilen 2021, Dataset Condensation with Gradient Matching, arXiv 2006.05929",
        _DC,
        GradientMatching(steps=80, batch=32),
        note=_ONE,
    ),
    "dsa": Published(
        "Zhao, Bilen 2021, Differentiable Siamese Augmentation, arXiv 2102.08259",
        replace(_DC, augment=_ALL),
        GradientMatching(steps=80, batch=32, augment="crop_scale_rotate"),
        note=f"{_ONE} Leave flip out for digits.",
    ),
    "idc": Published(
        "Kim et al. 2022, Efficient Synthetic-Data Parameterization, arXiv 2205.14959",
        replace(
            _DC, steps=50_000, batch=64, oldest=100, pool_data="real", formation=2, augment="color_crop_cutout"
        ),
        GradientMatching(steps=80, batch=32, formation=2, pool_data="real", augment="crop_scale_rotate"),
        note="Cosine distances, at DC's rate, in place of squared ones without the last layer; no mixing of images.",
    ),
    "lgm": Published(
        "Cazenavette, Torralba, Sitzmann 2025, Linear Gradient Matching, arXiv 2511.16674",
        LinearGradientMatching(steps=5000, rate=0.002, batch=256, heads=1, augment="crop_flip", start="noise"),
        LinearGradientMatching(steps=400, batch=128, rate=0.05, augment="crop_scale_rotate"),
        note="Pass the pretrained backbone as features=; without one it is trained on the data.",
    ),
    "dm": Published(
        "Zhao, Bilen 2023, Distribution Matching, arXiv 2110.04181",
        DistributionMatching(steps=20_000, rate=1.0, batch=256, augment=_ALL, **_SGD),  # type: ignore[arg-type]
        DistributionMatching(steps=200, rate=0.1, batch=32, augment="crop_scale_rotate"),
        note="Leave flip out for digits.",
    ),
    "ncfm": Published(
        "Wang et al. 2025, Neural Characteristic Function Matching, arXiv 2502.20653",
        CharacteristicMatching(
            steps=20_000, rate=0.01, batch=256, pool=20, frequencies=1024, formation=2, augment=_ALL, start="random"
        ),
        CharacteristicMatching(steps=200, rate=0.1, batch=32, augment="crop_scale_rotate"),
    ),
    "mtt": Published(
        "Cazenavette et al. 2022, Matching Training Trajectories, arXiv 2203.11932",
        _MTT,
        _QUICK_MTT,
        note=f"{_SEGMENTS}; its setting without whitening.",
    ),
    "tesla": Published(
        "Cui et al. 2023, Scaling Up Dataset Distillation with Constant Memory, arXiv 2211.10586",
        replace(_MTT, labels="teacher", constant=True),
        replace(_QUICK_MTT, labels="teacher", constant=True),
        note=f"{_SEGMENTS}; its setting without whitening.",
    ),
    "datm": Published(
        "Guo et al. 2024, Difficulty-Aligned Trajectory Matching, arXiv 2310.05773",
        replace(
            _MTT, steps=10_000, rate=100.0, last=3, student_steps=80, labels="teacher", label_rate=5.0, constant=True
        ),
        replace(_QUICK_MTT, labels="teacher", label_rate=0.01, grow=0.5),
        note=f"{_SEGMENTS}. Larger budgets take later segments (grow=0.5, last=20 and more). Whitened images and a "
        "momentum of the labels' own are not ours.",
    ),
    "rded": Published(
        "Sun et al. 2024, On the Diversity and Realism of Distilled Dataset, arXiv 2312.03526",
        PatchSelection(),
        PatchSelection(),
    ),
}  # fmt: skip


def method_of(word: str, usual: Method | None = None, quick: bool = False) -> Method:
    """Read a method, or a published setting, from one word.

    Args:
        word: ``NAME`` or ``NAME:field=value,...``, NAME a method or one of `PUBLISHED`; ``combined:...`` as `spec.render` writes a sum
            of them; or ``default``, which is `usual`.
        usual: a method whose fields stand where the word says nothing, when it is of the same kind.
        quick: whether a published setting is taken at the scale of a CPU.

    Returns:
        The method.

    Raises:
        UnknownNameError: neither a method nor a published setting; an unknown field.

    Example:
        >>> method_of("dsa:steps=50").steps
        50
    """
    if word == DEFAULT and usual is not None:
        return usual
    name, colon, tail = word.partition(":")
    if name == "combined":
        sum_of: Method = parse(Combined, word)
        return sum_of
    known = PUBLISHED.get(name.replace("_", "-"))
    if known is None:
        if name.replace("_", "-") not in names("methods"):
            raise UnknownNameError(f"unknown method {name!r}: {nearest(name, (*names('methods'), *PUBLISHED))}")
        # A field that the word leaves out is the default's own, also where the default is a sum with such a term.
        terms = (usual, *getattr(usual, "terms", ()))
        alike = next((term for term in terms if type(term) is load("methods", name)), usual)
        found: Method = parse("methods", word, alike)
        return found
    setting = known.quick if quick else known.method
    own = render(setting).partition(":")[0]
    changed: Method = parse("methods", f"{own}{colon}{tail}", setting)
    return changed


def network_of(word: str) -> Network | None:
    """The network of a published setting, None for any other method."""
    known = PUBLISHED.get(word.partition(":")[0].replace("_", "-"))
    return known.network if known else None
