"""What distilling methods share but their objective: a canvas, a pool of networks, the outer step."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..data.problem import Problem
from ..data.rows import Batch
from ..errors import ArtefactError, SettingError
from ..learning.augmentation import augmentation
from ..learning.network import Model, model_of
from ..learning.stacking import each_network
from ..learning.training import Training
from ..numerics.optimizers import Moments, Params
from ..random import stream
from ..samples.budget import Budget, Precision
from ..samples.canvas import Canvas
from ..samples.spending import Packing
from .artefact import as_stored
from .batches import drawn_by_class
from .buffers import Prepared, teacher
from .labels import Labels, Samples, labelling, relabelled
from .method import Metrics
from .outer_optimizer import OuterOptimizer
from .pool import Pool, PoolPolicy
from .ranks import Share, size, summed
from .start import Start, initial

__all__ = ["Matcher", "MatcherState", "Pooled", "StepContext"]


@dataclass(frozen=True, eq=False)
class MatcherState:
    """Everything that the next outer step of a matching method depends on.

    Args:
        canvas: the samples as they now are.
        moments: of the outer optimizer.
        pool: the networks; None for a method that keeps none.
        groups: (N,) class for which each sample was made.
        step: outer steps taken.
        seed: of every draw.
        extra: further tensors that the outer optimizer moves (a learned rate, frequencies).
        prepared: digest of what lies on disk for it; empty when nothing does.
    """

    canvas: Samples
    moments: Moments
    pool: Pool | None
    groups: Tensor
    step: int
    seed: int
    extra: Params = field(default_factory=dict)
    prepared: str = ""


@dataclass(frozen=True, eq=False)
class StepContext:
    """What one outer step sees.

    Args:
        state: before the step.
        problem: real data; `train` alone is read.
        training: the learning process that is compressed.
        model: its network as a pure function.
        networks: parameters and moments of the networks due in this step, those of the share; None for a method without a pool.
        share: what of the step this process computes.
        lead: inner steps by which the oldest network due, whoever computes it, is older than the share's.
    """

    state: MatcherState
    problem: Problem
    training: Training
    model: Model
    networks: tuple[Params, Moments] | None
    share: Share = Share()
    lead: int = 0

    @property
    def params(self) -> Params:
        """Parameters of the networks due in this step."""
        assert self.networks is not None
        return self.networks[0]

    def stream(self, *names: str | int) -> torch.Generator:
        """The generator of this step for one purpose."""
        return stream(self.state.seed, *names, self.state.step)


@dataclass(frozen=True)
class Matcher(ABC):
    """A method that moves samples by a gradient: all that is not its objective.

    Args:
        steps: outer steps, at least 0.
        rate: outer rate for inputs, in units of their standard deviation.
        label_rate: outer rate for soft labels; 0 keeps the labels fixed.
        batch: real rows per outer step (of each class, where classes are matched apart).
        start: samples start as random real rows, k-means centres, noise, or in the principal subspace
            (`start.initial`).
        labels: hard, or soft ones (probabilities or logits) that a teacher trained on all rows gives the samples as they now are.
        augment: differentiable siamese augmentation, for instance ``"crop_scale_rotate"`` (`augmentation`).
        formation: stored images hold so many tiles along a side, each a sample (`canvas.formation`); stored series so many samples
            of fewer frequencies (`canvas.spectrum`).
        mixtures: so many samples for each item of the budget, mixed from fewer bases (`canvas.basis`).
        downsample: sides of these bases are so many times shorter, and there are as many more of them.
        coarse: inputs and labels are stored in four bits, at levels that fit them best, and each item of the budget holds as many
            more samples; every outer step sees them as they will be stored.
        own_labels: each tile or part of a stored sample has a label of its own, for its bytes.
        momentum: the outer optimizer is SGD with this momentum; Adam when None.
        cosine: whether outer rates fall to zero along half a cosine.
        clip: gradients longer than so many times those before are cut to it (Adam); 0 leaves them.

    Raises:
        SettingError: a value out of range.
    """

    steps: int = 100
    rate: float = 0.03
    label_rate: float = 0.0
    batch: int = 64
    start: Start = "centres"
    labels: Labels = "hard"
    augment: str = ""
    formation: int = 1
    mixtures: int = 1
    downsample: int = 1
    coarse: bool = False
    own_labels: bool = False
    momentum: float | None = None
    cosine: bool = True
    clip: float = 0.0

    def __post_init__(self) -> None:
        if min(self.steps, self.rate, self.label_rate, self.clip) < 0:
            raise SettingError(f"{self}: steps, rates and clip are at least 0")
        if self.batch < 1:
            raise SettingError(f"{self}: batch is at least 1")
        augmentation(self.augment)
        _ = self.packing

    @property
    def packing(self) -> Packing:
        """How the bytes of an item are spent."""
        return Packing(self.formation, self.mixtures, self.downsample, self.coarse, self.own_labels)

    @abstractmethod
    def gradient(self, context: StepContext) -> tuple[Params, Tensor]:
        """Gradient of the objective in the free tensors, and its value; of the context's share, where there are several."""

    def pool_policy(self, problem: Problem, training: Training, seed: int) -> tuple[PoolPolicy, int, int] | None:
        """The pool, how many of it are used per outer step, and how far these are then trained; None without a pool."""
        return None

    def inner_batch(self, context: StepContext, canvas: Canvas) -> Batch | None:
        """What the networks due in this step then learn from; None leaves them as they are."""
        return canvas.decode().batch(slice(None))

    def parts(self, problem: Problem) -> int:
        """Into how many parts an outer step's real data fall, each of which a process can see alone; 0 where a step is one piece."""
        return 0

    def extra(self, problem: Problem, training: Training, seed: int) -> Params:
        """Further free tensors."""
        return {}

    def others(self, canvases: Mapping[str, Canvas], problem: Problem) -> tuple[float, float] | None:
        """By what else than the own replay checkpoints are chosen: a weight beside its 1, and a validation score; None for nothing."""
        return None

    def rates(self) -> Mapping[str, float]:
        """OuterOptimizer rates of all free tensors."""
        return {"inputs": self.rate, "targets": self.label_rate, "coefficients": self.rate}

    def prepare(
        self, problem: Problem, training: Training, seed: int, watch: Callable[[float], None] | None = None
    ) -> Prepared:
        """Put on disk what the run will read; nothing by default but a teacher who labels."""
        return labelling(self.labels, problem, training, seed, watch)

    def init(
        self, problem: Problem, training: Training, budget: Budget, precision: Precision, seed: int
    ) -> MatcherState:
        """Start from real rows or their centres, with a pool of fresh networks."""
        if self.augment and len(problem.task.shape) != 3:
            raise SettingError(
                f"augmentation is for images; these inputs have shape {problem.task.shape}: leave it out (augment=)"
            )
        soft = problem.classes is None or self.label_rate > 0 or self.labels != "hard"
        canvas, groups = initial(problem, budget, precision, self.start, soft, seed, training, self.packing)
        canvas = self._labelled(canvas, problem, training, seed)
        kept = self.pool_policy(problem, training, seed)
        extra = self.extra(problem, training, seed)
        moments = self._outer.init(canvas.free | extra)
        prepared = self.prepare(problem, training, seed).digest
        return MatcherState(canvas, moments, kept[0].fill() if kept else None, groups, 0, seed, extra, prepared)

    def step(self, state: MatcherState, problem: Problem, training: Training) -> tuple[MatcherState, Metrics]:
        """Match on a real batch, move the samples, then let the networks learn."""
        if self.prepare(problem, training, state.seed).digest != state.prepared:
            raise ArtefactError(
                "the networks trained on all data are not those that the run began with: start anew with --force"
            )
        kept = self.pool_policy(problem, training, state.seed)
        places = kept[0].due(kept[1], state.step) if kept else None
        context = self.context(state, problem, training)
        grads, loss = self.gradient(context)
        if self.parts(problem):
            grads, loss = summed(grads, loss)
        free, moments = self._outer.step(state.canvas.free | state.extra, grads, state.moments, state.step)
        canvas = state.canvas.with_free({key: free[key] for key in state.canvas.free})
        if self.label_rate == 0:
            canvas = self._labelled(canvas, problem, training, state.seed)
        pool = state.pool
        if kept and pool is not None and places is not None:
            inner_batch = self.inner_batch(context, as_stored(canvas))
            pool = kept[0].advance(pool, places, inner_batch, kept[2], state.step)
        extra = {key: free[key] for key in state.extra}
        state = replace(state, canvas=canvas, moments=moments, pool=pool, extra=extra, step=state.step + 1)
        return state, {"loss": float(loss)}

    def context(self, state: MatcherState, problem: Problem, training: Training) -> StepContext:
        """What the next outer step will see."""
        kept = self.pool_policy(problem, training, state.seed)
        places = kept[0].due(kept[1], state.step) if kept else None
        share = Share() if places is None or size() == 1 else Share.of(len(places), self.parts(problem))
        own = None if places is None else places[share.networks(len(places))]
        networks = None if own is None or state.pool is None else state.pool.at(own)
        lead = 0
        if share.across > 1 and networks is not None and state.pool is not None:
            lead = int(state.pool.moments.count[places].max()) - int(networks[1].count.max())
        state = replace(state, canvas=as_stored(state.canvas))
        return StepContext(state, problem, training, model_of(training.network, problem.task), networks, share, lead)

    def export(self, state: MatcherState) -> Mapping[str, Canvas]:
        """The canvas."""
        return {"main": state.canvas}

    def augmented(self, context: StepContext, *batches: Tensor) -> tuple[Tensor, ...]:
        """Batches of images under one drawn transformation."""
        drawn = augmentation(self.augment).draw(context.stream("augment"))
        return tuple(drawn(batch) for batch in batches)

    def _labelled(self, canvas: Samples, problem: Problem, training: Training, seed: int) -> Samples:
        if self.labels == "hard" or problem.classes is None:
            return canvas
        return relabelled(canvas, teacher(problem, training.network, seed), self.labels)

    @property
    def _outer(self) -> OuterOptimizer:
        return OuterOptimizer(self.rates(), self.steps, self.momentum, self.cosine, self.clip)


@dataclass(frozen=True)
class Pooled(Matcher):
    """A matcher whose networks stand in a pool, at different stages of training.

    Args:
        pool: networks kept.
        networks: networks used per outer step.
        advance: inner steps that a used network is then trained.
        oldest: age in inner steps at which a network is replaced: 0 for fresh ones in every outer step, the training's
            own length when None.

    Raises:
        SettingError: a value out of range.
    """

    pool: int = 10
    networks: int = 1
    advance: int = 1
    oldest: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.pool, self.networks, self.advance) < 1 or (self.oldest or 0) < 0:
            raise SettingError(f"{self}: pool, networks and advance are at least 1, oldest at least 0")

    def pool_policy(self, problem: Problem, training: Training, seed: int) -> tuple[PoolPolicy, int, int]:
        """Networks that follow the training."""
        oldest = getattr(training.phases[0].solver, "steps", 0) if self.oldest is None else self.oldest
        policy = PoolPolicy(training, problem.task, self.pool, oldest, seed, str(problem.train.device))
        return policy, self.networks, self.advance

    def parts(self, problem: Problem) -> int:
        """Networks are shared out, real data are not."""
        return 1

    def real_features(self, context: StepContext) -> Tensor:
        """Features of one real batch per class of the share, without gradient: (networks, classes * batch, F)."""
        train = context.problem.train
        own = context.share.real(len(train.by_class))
        x, *_ = drawn_by_class(train, train.by_class, self.batch, context.stream("real"), own)
        (flat,) = self.augmented(context, x.flatten(0, 1))
        with torch.no_grad():
            found: Tensor = each_network(lambda p: context.model.features(p, flat, half=True), context.params)
        return found
