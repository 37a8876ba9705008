"""Networks trained on all real data by minibatches: experts, teachers, backbones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from ..data.split import Split
from ..errors import SettingError
from ..numerics.optimizers import SGD, Adam, Params
from ..random import isolated, stream
from .augmentation import augmentation
from .gradients import mean_loss
from .network import Model
from .training import Loss

__all__ = ["Experts", "Watch", "learn", "share_done"]


@dataclass(frozen=True)
class Experts:
    """A recipe for training on all real data.

    Args:
        count: networks, at least 1.
        steps: of minibatches.
        batch: rows per step.
        optimizer: of the networks.
        every: steps between two stored points of a trajectory; only its ends are stored when None.
        augment: strategy of augmentation, for instance ``"crop_rotate"``.
        cosine: whether the rate falls to zero along half a cosine.

    Raises:
        SettingError: a value out of range.
    """

    count: int = 1
    steps: int = 600
    batch: int = 128
    optimizer: SGD | Adam = Adam(3e-3)
    every: int | None = None
    augment: str = ""
    cosine: bool = False

    def __post_init__(self) -> None:
        if min(self.count, self.steps, self.batch, self.every or 1) < 1:
            raise SettingError(f"{self}: count, steps, batch and every are at least 1")
        augmentation(self.augment)


Watch = Callable[[float], None]
"""Called with the share of the work that is done."""


def learn(
    model: Model,
    params: Params,
    split: Split,
    recipe: Experts,
    loss: Loss,
    seed: int,
    *names: str | int,
) -> Iterator[Params]:
    """Train one network on minibatches of real rows, at half precision where convolutions gain by it.

    Args:
        model: the pure function.
        params: where it starts.
        split: real rows.
        recipe: steps, batch, optimizer, augmentation, schedule.
        loss: what is minimised.
        seed: of the batches.
        names: the purpose.

    Yields:
        The parameters after every step, each in memory of their own.

    Raises:
        SettingError: augmentation of rows that are no images.
    """
    state = recipe.optimizer.init(params)
    strategy, shape = augmentation(recipe.augment), split.preprocessing.shape
    if strategy.kinds and len(shape) != 3:
        raise SettingError(
            f"augmentation is for images; these inputs have shape {shape}: leave it out (expert_augment=)"
        )
    schedule = torch.cos(torch.linspace(0, torch.pi, recipe.steps + 1)).add(1).div(2).tolist()
    for step in range(recipe.steps):
        x, y, w = split.sample(recipe.batch, step, seed, *names)
        x = strategy.draw(stream(seed, *names, "augment", step), len(x))(x)
        free = {key: value.detach().requires_grad_() for key, value in params.items()}
        with isolated(seed, *names, "dropout", step):
            found = mean_loss(loss, model.outputs(free, x, training=True, half=True), y, w)
        grads = dict(zip(free, torch.autograd.grad(found, list(free.values())), strict=True))
        # A step makes new tensors, so points of a trajectory never share memory.
        with torch.no_grad():
            params, state = recipe.optimizer.step(params, grads, state, schedule[step] if recipe.cosine else 1.0)
        yield params


def share_done(watch: Watch, k: int, count: int, done: float) -> None:
    """Tell how much of the whole is done when so much of part k is."""
    watch((k + done) / count)
