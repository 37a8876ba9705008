"""Where synthetic samples start: real rows, their centres, noise, or the principal subspace."""

import math
from typing import Literal

import torch
from torch import Tensor

from ..data.intrinsic_dimension import dimension
from ..data.problem import Problem
from ..errors import BudgetError, DivergenceError, SettingError
from ..learning.fitting import fit
from ..learning.responses import gradient_outer_product
from ..learning.training import Training
from ..numerics.subspaces import principal_directions
from ..random import integer, stream
from ..samples.budget import Budget, Precision
from ..samples.canvas.basis import Basis
from ..samples.canvas.formation import Formation
from ..samples.canvas.plain import Plain
from ..samples.canvas.spectrum import Spectrum
from ..samples.spending import Packing, counts, item_bytes, number_bytes
from .labels import Samples
from .selection import at_random, candidates, centres, choose

__all__ = ["Start", "initial"]

Start = Literal["random", "centres", "noise", "covariance", "pairs", "gradients"]


_NEAR = 16
_PLAIN = Packing()


def initial(
    problem: Problem,
    budget: Budget,
    precision: Precision,
    start: Start,
    soft: bool,
    seed: int,
    training: Training,
    packing: Packing = _PLAIN,
) -> tuple[Samples, Tensor]:
    """Where the synthetic samples start.

    Args:
        problem: its training rows.
        budget: how much synthetic data.
        precision: at which inputs will be stored.
        start: random real rows, k-means centres, noise with balanced labels; or real rows whose deviation from their
            class's mean is kept in the principal subspace alone, that of the data (``"covariance"``), the same in
            mirrored pairs (``"pairs"``), or that of networks trained on all rows (``"gradients"``).
        soft: whether labels are free scores.
        seed: of the draws.
        training: of the networks whose gradients are asked.
        packing: how many samples an item of the budget holds, and how.

    Returns:
        The canvas, and the class for which each sample was made.

    Raises:
        BudgetError: see `samples.spending.shares`; or classes with fewer rows than samples.
    """
    axes, formation, mixtures, coarse = len(problem.task.shape), packing.formation, packing.mixtures, packing.coarse
    if axes == 1 and formation > 1:
        raise SettingError(f"formation is for images and series; these inputs have shape {problem.task.shape}")
    if axes != 3 and packing.downsample > 1:
        raise SettingError(f"downsample is for images; these inputs have shape {problem.task.shape}")
    series = axes == 2
    fold = (formation if series else formation**2) * mixtures
    stored = counts(problem, budget, precision, soft, coarse, fold if packing.own_labels else 1)
    wanted = tuple(count * fold for count in stored)
    if fold > 1 or coarse:
        for rows, count in zip(problem.train.by_class, wanted, strict=True):
            if len(rows) < count:
                raise BudgetError(f"{count} samples of a class were asked for and it has {len(rows)} training rows")
    plain, groups = _started(problem, wanted, start, seed, training)
    if not torch.isfinite(plain.inputs).all():
        raise DivergenceError("the starting samples are not finite")
    classes = 0 if soft else plain.classes
    targets = plain.decode().targets if soft else plain.targets
    if formation > 1:
        shared = targets if packing.own_labels else targets[::fold]
        kind = Spectrum if series else Formation
        return kind.of(plain.inputs, shared, formation, classes, coarse), groups
    if mixtures > 1:
        bases = _bases(problem, precision, soft, sum(stored), sum(wanted), packing.downsample)
        return Basis.of(plain.inputs, targets, bases, classes, packing.downsample), groups
    return Plain(plain.inputs, targets, classes, coarse), groups


def _started(
    problem: Problem, counts: tuple[int, ...], start: Start, seed: int, training: Training
) -> tuple[Plain, Tensor]:
    if start in ("covariance", "pairs", "gradients"):
        plain = _in_subspace(problem, counts, start, seed, training)
    else:
        plain = centres(problem, counts, seed) if start == "centres" else choose(problem, counts, at_random, seed)
    if start == "noise":
        noise = torch.randn(plain.inputs.shape, generator=stream(seed, "noise"))
        plain = plain.with_free({"inputs": noise.to(plain.inputs)})
    return plain, plain.targets if plain.classes else torch.zeros_like(plain.targets[:, 0], dtype=torch.int64)


def _bases(problem: Problem, precision: Precision, soft: bool, items: int, samples: int, downsample: int) -> int:
    """How many bases the bytes of so many plain items leave when samples are their mixtures."""
    per_input, label = item_bytes(problem, precision, soft)
    left = items * (per_input + label) - samples * label
    shape = problem.task.shape
    small = math.prod((shape[0], *(side // downsample for side in shape[1:]))) * precision.bytes
    bases = left // (small + samples * number_bytes(precision))
    if bases < 1:
        raise BudgetError(f"the bytes of {items} items hold no basis for {samples} mixtures: use fewer mixtures")
    return min(bases, samples)


def _in_subspace(problem: Problem, counts: tuple[int, ...], start: str, seed: int, training: Training) -> Plain:
    """Real rows, projected on the principal subspace about their class's mean."""
    basis = dimension(problem.train, seed).directions
    if start == "gradients":
        fitted = fit(training, problem.task, {"main": problem.train}, [integer(seed, "responding", bits=31)])
        basis = principal_directions(gradient_outer_product(fitted, problem.train, 500), basis.shape[1])
    drawn = choose(problem, counts, at_random, seed)
    inputs, targets = drawn.inputs.clone(), drawn.targets.clone()
    groups = drawn.targets if problem.classes else torch.zeros(len(inputs), device=inputs.device)
    for group, rows in enumerate(candidates(problem, counts, seed)):
        x, y, _ = problem.train.batch(rows)
        own = torch.nonzero(groups == group).flatten()
        mean = x.mean(0)
        kept = (inputs[own] - mean).flatten(1) @ basis
        if start == "pairs":
            half = len(own) // 2
            # Where they are odd, the last stands at the mean.
            kept = torch.cat([kept[:half], -kept[:half], torch.zeros_like(kept[: len(own) - 2 * half])])
        inputs[own] = mean + (kept @ basis.mT).reshape(-1, *mean.shape)
        if problem.classes is None:
            # A moved row takes the mean target of the real rows nearest to it in the subspace.
            near = torch.cdist(kept, (x - mean).flatten(1) @ basis).topk(min(_NEAR, len(x)), largest=False).indices
            targets[own] = y[near].mean(1)
    return Plain(inputs, targets, drawn.classes)
