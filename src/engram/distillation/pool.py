"""Networks at different stages of training, stacked: what the outer loop learns from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.rows import Batch
from ..data.task import Task
from ..errors import SettingError
from ..learning.augmentation import augmentation
from ..learning.fitting import descend
from ..learning.network import initialise, model_of
from ..learning.stacking import stack
from ..learning.training import Descent, Training
from ..numerics.optimizers import Moments, Params
from ..random import stream
from .ranks import divided, gathered, rank, size

__all__ = ["Pool", "PoolPolicy"]


@dataclass(frozen=True, eq=False)
class Pool:
    """Stacked networks and what their optimizer remembers.

    Args:
        params: by name, each with a leading axis of networks.
        moments: of the inner optimizer.
        ages: (networks,) inner steps taken. The first generation starts with ages spread out, so that
            renewals never come all at once.
        generation: (networks,) how often each place was renewed.
    """

    params: Params
    moments: Moments
    ages: Tensor
    generation: Tensor

    def at(self, places: Tensor) -> tuple[Params, Moments]:
        """The networks at these places."""
        return _at(self.params, self.moments, places)

    def put(self, places: Tensor, params: Params, moments: Moments, ages: Tensor, renewed: int) -> "Pool":
        """The pool with other networks at these places."""
        put = lambda old, new: {key: old[key].index_copy(0, places, new[key].detach()) for key in old}  # noqa: E731
        return Pool(
            put(self.params, params),
            Moments(
                put(self.moments.first, moments.first),
                put(self.moments.second, moments.second),
                self.moments.count.index_copy(0, places, moments.count),
            ),
            self.ages.index_copy(0, places, ages),
            self.generation.index_add(0, places, torch.full_like(places, renewed)),
        )


@dataclass(frozen=True)
class PoolPolicy:
    """How the networks of a pool are initialised, trained and replaced.

    Args:
        training: its first phase is what they follow.
        task: shape of inputs and number of outputs.
        size: number of networks.
        oldest: age in inner steps after which a fresh network takes the place.
        seed: the run's seed.
        device: where they live.
    """

    training: Training
    task: Task
    size: int
    oldest: int
    seed: int
    device: str = "cpu"

    def fill(self) -> Pool:
        """A pool of fresh networks."""
        params = stack([self._fresh(place, 0) for place in range(self.size)])
        ages = torch.arange(self.size, device=self.device) * max(self.oldest, 1) // self.size
        return Pool(params, self._descent.optimizer.init(params, self.size), ages, torch.zeros_like(ages))

    def due(self, count: int, step: int) -> Tensor:
        """Places due at an outer step: each network is used once in size / count steps."""
        return (step * count + torch.arange(min(count, self.size), device=self.device)) % self.size

    def advance(
        self,
        pool: Pool,
        places: Tensor,
        batch: Batch | None,
        steps: int = 1,
        step: int = 0,
    ) -> Pool:
        """Train the networks at these places on a batch, and replace those that have grown too old.

        Without a batch they age all the same. `step` is the outer step, by which augmentation draws.
        """
        params, moments = pool.at(places)
        if self.oldest and batch is not None:
            params, moments = self._taught(params, moments, batch, steps, step)
        pool = pool.put(places, params, moments, pool.ages[places] + steps, renewed=0)
        old = places[pool.ages[places] > self.oldest]
        if len(old) == 0:
            return pool
        fresh = stack([self._fresh(place, int(pool.generation[place]) + 1) for place in old.tolist()])
        blank = self._descent.optimizer.init(fresh, len(old))
        return pool.put(old, fresh, blank, torch.zeros_like(old), renewed=1)

    def _taught(self, params: Params, moments: Moments, batch: Batch, steps: int, step: int) -> tuple[Params, Moments]:
        """Networks after some inner steps; each process teaches some of them, and then has all."""
        count = len(moments.count)
        own = divided(count, rank(), size())
        params, moments = _at(params, moments, own)
        x, y, w = batch
        model, strategy = model_of(self.training.network, self.task), augmentation(self._descent.augment)
        for k in range(steps if own.stop > own.start else 0):
            drawn = strategy.draw(stream(self.seed, "pool augment", step, k), len(x))(x)
            params, moments, _ = descend(model, self.training.phases[0], params, moments, (drawn, y, w))
        params, first, second, counts = gathered((params, moments.first, moments.second, moments.count), count)
        return params, Moments(first, second, counts)

    def _fresh(self, place: int, generation: int) -> Params:
        params = initialise(self.training.network, self.task, self.seed, "pool", place, generation)
        for change in self.training.phases[0].before:
            model = model_of(self.training.network, self.task)
            params = change(model, params, stream(self.seed, "pool before", place, generation))
        return {key: value.to(self.device) for key, value in params.items()}

    @property
    def _descent(self) -> Descent:
        solver = self.training.phases[0].solver
        if not isinstance(solver, Descent) or solver.batch is not None or solver.cosine:
            raise SettingError(
                "networks of the pool learn by descent on all samples at a constant rate: the training's first phase "
                f"is {solver}"
            )
        return solver


def _at(params: Params, moments: Moments, places: Tensor | slice) -> tuple[Params, Moments]:
    pick = lambda group: {key: value[places] for key, value in group.items()}  # noqa: E731
    return pick(params), Moments(pick(moments.first), pick(moments.second), moments.count[places])
