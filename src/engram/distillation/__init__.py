"""From real data to synthetic samples: objectives, hypergradients, the outer loop."""

from .combined import Combined
from .distiller import distill
from .hypergradients import Implicit, Unroll
from .loop import iterate
from .method import Method
from .methods.characteristic_matching import CharacteristicMatching
from .methods.distribution_matching import DistributionMatching
from .methods.gradient_matching import GradientMatching
from .methods.kernel_matching import KernelMatching
from .methods.linear_gradient_matching import LinearGradientMatching
from .methods.performance_matching import PerformanceMatching
from .methods.trajectory_matching import TrajectoryMatching
from .methods.two_phase import TwoPhase

__all__ = [
    "CharacteristicMatching",
    "Combined",
    "DistributionMatching",
    "GradientMatching",
    "Implicit",
    "KernelMatching",
    "LinearGradientMatching",
    "Method",
    "PerformanceMatching",
    "TrajectoryMatching",
    "TwoPhase",
    "Unroll",
    "distill",
    "iterate",
]
