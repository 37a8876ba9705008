"""The first layer at the start of training: networks, real gradients, gradients of synthetic points."""

from functools import lru_cache

import torch
from torch import Tensor

from ..data.problem import Problem
from ..data.task import Task
from ..errors import SettingError
from ..learning.gradients import gradient, mean_loss
from ..learning.network import Model, Network, initialise, model_of
from ..learning.stacking import each_network, stack
from ..learning.training import Loss, Part, Phase, Ridge, Training
from ..numerics.optimizers import Params
from ..samples.canvas.points import Points

__all__ = ["real_gradients", "start_networks", "synthetic_gradient", "two_phases"]


def start_networks(problem: Problem, training: Training, seed: int, count: int) -> Params:
    """The initialisations whose gradients are matched, stacked."""
    drawn = _drawn(training.network, problem.task, seed, count)
    return {key: value.to(problem.train.device) for key, value in drawn.items()}


@lru_cache(maxsize=2)
def _drawn(network: Network, task: Task, seed: int, count: int) -> Params:
    """Every outer step asks for them; nothing changes them."""
    return stack([initialise(network, task, seed, "matched", k) for k in range(count)])


def real_gradients(problem: Problem, training: Training, seed: int, count: int) -> Tensor:
    """Gradients (networks, L, d) of the real loss in the first layer's weights, over all rows, at the start."""
    two_phases(training)
    if problem.task.outputs != 1 or problem.classes is not None:
        raise SettingError(f"two-phase distils one real target; {problem.name} has {problem.task.outputs} outputs")
    model = model_of(training.network, problem.task)
    params = start_networks(problem, training, seed, count)
    return gradient(model, Loss.SQUARED, Part.FIRST_LAYER, params, problem.train)[model.first_layer()[0]]


def two_phases(training: Training) -> tuple[Phase, Phase]:
    """The phases of the theory's training: first layer, readout."""
    if [phase.data for phase in training.phases] != ["features", "readout"]:
        raise SettingError(
            "two-phase distils a training of two phases over the sets 'features' and 'readout': use Training.two_phase"
        )
    one, two = training.phases
    if not isinstance(two.solver, Ridge):
        raise SettingError(f"the readout is fitted by ridge regression, not by {two.solver}")
    return one, two


def synthetic_gradient(model: Model, params: Params, points: Points) -> Tensor:
    """Gradient (networks, L, d) of the synthetic loss in the first layer's weights; differentiable in the points."""
    x, y, _ = points.decode().batch(slice(None))
    key = model.first_layer()[0]

    def one(network: Params) -> Tensor:
        def loss(weight: Tensor) -> Tensor:
            return mean_loss(Loss.SQUARED, model.outputs(network | {key: weight}, x), y)

        return torch.func.grad(loss)(network[key])

    result: Tensor = each_network(one, params)
    return result
