"""Which directions of the input an engram holds, and whether they are those that networks learn from all data."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from ..data.intrinsic_dimension import dimension
from ..data.problem import Problem
from ..errors import DataError
from ..learning.fitting import fit
from ..learning.responses import gradient_outer_product
from ..learning.training import Descent, Loss, Phase, Training
from ..memory.engram import Engram
from ..numerics.subspaces import overlap, principal_angles, principal_directions, whitening

__all__ = ["Directions", "directions"]

_MOST_INPUTS = 256
"""Numbers in an input, beyond which an estimate takes minutes."""
_ROWS = 200
_COVARIANCE = 20_000


@dataclass(frozen=True)
class Directions:
    """Shares of energy in subspaces of as many directions as the task is estimated to have, in whitened coordinates.

    Whitened, directions are compared by what they do on the data: two that differ only where columns repeat one
    another are the same.

    Args:
        inputs: numbers in an input, d.
        dimension: estimated directions k; `low` and `high` are its interval.
        low: lower end.
        high: upper end.
        chance: k/d, the share of a random direction.
        samples_data: share of the samples' deviations from their mean in the data's principal subspace.
        samples_network: the same in the subspace to which networks trained on all data respond.
        data_network: share of the data's subspace in that of those networks.
        engram_network: share of the subspace to which networks taught by the engram respond in that of networks
            trained on all data.
        angles: principal angles between the last two, in degrees.
    """

    inputs: int
    dimension: int
    low: int
    high: int
    chance: float
    samples_data: float
    samples_network: float
    data_network: float
    engram_network: float
    angles: tuple[float, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return vars(self) | {"angles": list(self.angles)}


def directions(engram: Engram, problem: Problem, seeds: list[int]) -> Directions | None:
    """Compare the subspaces of data, networks and samples; only `train` is read.

    Args:
        engram: whose first phase is a descent.
        problem: the data it stands for.
        seeds: of networks.

    Returns:
        The shares; None where nothing can be estimated: inputs too large, rows too few, no direction found.
    """
    # Directions for the first layer are the engram's own: networks of all data learn without.
    own = [phase for phase in engram.training.phases if phase.data == "main" or not engram.labelled]
    phase = own[0]
    d = math.prod(problem.task.shape)
    if d > _MOST_INPUTS or not isinstance(phase.solver, Descent):
        return None
    try:
        found = dimension(problem.train, 0)
    except DataError:
        return None
    if found.estimate == 0:
        return None
    loss = Loss.CROSS_ENTROPY if problem.classes else Loss.SQUARED
    learn = Phase(Descent(phase.solver.optimizer, max(phase.solver.steps, 100), 64, loss), before=phase.before)
    if not engram.labelled:
        sets = dict.fromkeys((p.data for p in engram.training.phases), problem.train)
        full = fit(engram.training, problem.task, sets, seeds)
    else:
        full = fit(Training(engram.training.network, (learn,)), problem.task, {"main": problem.train}, seeds)
    k = found.estimate
    rows = problem.train.batch(slice(0, _COVARIANCE))[0].flatten(1)
    root, back = whitening(rows - rows.mean(0))
    network, taught = (
        principal_directions(back @ gradient_outer_product(fitted, problem.train, _ROWS) @ back, k)
        for fitted in (full, engram.fit(seeds))
    )
    data = torch.linalg.qr(back @ found.directions[:, :k])[0]
    points = engram.sets.get("features", engram.samples).inputs.flatten(1)
    samples = (points - rows.mean(0)) @ root
    moved = samples - samples.mean(0) if len(engram.canvases) == 1 and len(samples) > 1 else samples
    angles = principal_angles(taught, network).rad2deg()
    return Directions(
        d,
        k,
        found.low,
        found.high,
        k / d,
        float(overlap(moved, data).mean()),
        float(overlap(moved, network).mean()),
        float(overlap(data.mT, network).mean()),
        float(overlap(taught.mT, network).mean()),
        tuple(round(float(angle), 1) for angle in angles),
    )
