"""One bench for all studies: a task, its teacher, its engrams, and what they are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ..data.linear_part import linear_part
from ..data.problem import Problem
from ..data.rows import Rows
from ..distillation.first_layer import real_gradients
from ..distillation.methods.two_phase import TwoPhase
from ..learning.fitting import Fitted, fit
from ..learning.networks.two_layer import TwoLayer
from ..learning.training import Descent, Part, Phase, RedrawBiases, Ridge, Training
from ..numerics.leave_one_out import dual_weights, leave_one_out
from ..numerics.linalg import penalised, solve
from ..numerics.optimizers import SGD, Adam
from ..numerics.subspaces import principal_directions
from ..random import stream
from ..samples.budget import Items, Precision
from ..samples.canvas import Canvas
from ..samples.canvas.points import Points
from ..samples.synthetic import Synthetic
from ..theory.first_step import second_moment
from ..theory.kernels import tangent_kernel
from .planted import PlantedTask

__all__ = ["Bench", "relative_error"]

_REPLAY = 1_000_000
"""Networks that replay are never those that were matched."""


_READOUT_ROWS = 20_000


_NYSTROEM = (1e-5, 1e-3, 1e-1, 10.0)


@dataclass(frozen=True)
class Bench:
    """A task whose subspace is known with its data, the two-layer training, and everything measured on it.

    Args:
        task: what is learnt.
        seed: of data, directions and networks.
        width: neurons L.
        networks: replays per measurement, averaged.
        activation: of the network.
        readout: how the readout is fitted.
        inner_steps: of the first layer, each with decay 1/rate.
    """

    task: PlantedTask
    seed: int
    width: int = 1000
    networks: int = 1
    activation: Any = "relu"
    readout: Ridge = Ridge()
    inner_steps: int = 1

    @cached_property
    def problem(self) -> Problem:
        """The data."""
        return self.task.load(self.seed)

    @cached_property
    def training(self) -> Training:
        """The two-phase training."""
        network = TwoLayer(self.width, self.activation, antithetic=True)
        one, two = Training.two_phase(network, readout=self.readout).phases
        longer = replace(one, solver=Descent(SGD(1.0, decay=1.0), self.inner_steps))
        return Training(network, (longer, two))

    @cached_property
    def basis(self) -> Tensor:
        """The principal subspace (d, r)."""
        return self.task.subspace(self.seed)

    @cached_property
    def rows(self) -> Rows:
        """Real rows on which readouts are fitted: at most twenty thousand."""
        train = self.problem.train
        return train if len(train) <= _READOUT_ROWS else train.rows(torch.arange(_READOUT_ROWS))

    @cached_property
    def targets(self) -> Tensor:
        """Real gradients of the first layer at the matched networks' start."""
        return real_gradients(self.problem, self.training, self.seed, TwoPhase().networks)

    @cached_property
    def covariance(self) -> Tensor:
        r"""Label-weighted covariance :math:`\frac1N \sum_n y_n x_n x_n^\top` of all rows (d, d)."""
        parts = (second_moment(x, y[:, 0]) * len(x) for x, y, _ in self.problem.train.batches())
        return torch.stack(list(parts)).sum(0) / len(self.problem.train)

    def shuffled(self) -> "Bench":
        """The same bench with labels that belong to other rows."""
        other = replace(self)
        targets = other.problem.train.targets
        targets.copy_(targets[torch.randperm(len(targets), generator=stream(self.seed, "shuffled labels"))])
        return other

    @property
    def seeds(self) -> list[int]:
        """Fresh networks."""
        return [_REPLAY + 1000 * self.seed + k for k in range(self.networks)]

    def distil(self, method: TwoPhase, items: int) -> Mapping[str, Canvas]:
        """The canvases after all outer steps, with so many points (or vectors)."""
        state = method.begin(self.problem, self.training, Items(items), Precision.FLOAT32, self.seed, self.targets)
        for _ in range(method.steps):
            state, _ = method.step(state, self.problem, self.training)
        return method.export(state)

    def label(self, method: TwoPhase, labels: int, points: Points) -> Mapping[str, Canvas]:
        """An engram with these points and so many labels, fitted for them."""
        method = replace(method, labels=labels, steps=1)
        state = method.begin(self.problem, self.training, Items(2), Precision.FLOAT32, self.seed, self.targets)
        state = replace(state, points=points)
        return method.export(replace(state, labels=method.labelled(state, self.problem, self.training)))

    def undistilled(self, count: int) -> Points:
        """Gaussian points, which a seed draws."""
        return Points(torch.randn(count, self.task.d, generator=stream(self.seed, "undistilled points")))

    def points(self, method: TwoPhase, items: int) -> Tensor:
        """The decoded points after all outer steps; no labels are fitted for them."""
        return self.first_set(method, items).decode().inputs

    def first_set(self, method: TwoPhase, items: int) -> Points:
        """The first set alone."""
        canvas = self.distil(replace(method, readout="none"), items)["features"]
        assert isinstance(canvas, Points)
        return canvas

    def numbers(self, *canvases: Canvas) -> int:
        """How many numbers these canvases store, with the linear part that preprocessing took off."""
        linear = 0 if self.problem.linear is None else self.problem.linear.numel()
        return linear + sum(tensor.numel() for canvas in canvases for tensor in canvas.free.values())

    def replay(self, features: Tensor | Rows, readout: Rows | None = None) -> float:
        """Error of fresh networks that learn from these sets; the readout from real rows when None."""
        if isinstance(features, Tensor):
            features = Synthetic(features, torch.ones(len(features), 1))
        sets = {"features": features, "readout": self.rows if readout is None else readout}
        return self.error(fit(self.training, self.problem.task, sets, self.seeds))

    def engram_error(self, canvases: Mapping[str, Canvas]) -> float:
        """Error of fresh networks that learn from an engram alone."""
        sets = {name: canvas.decode() for name, canvas in canvases.items()}
        return self.replay(sets["features"], sets["readout"])

    def error(self, fitted: Fitted) -> float:
        r"""Test error :math:`E (f - y)^2 / \mathrm{Var}(y)`, the linear part added back, mean over networks."""
        return self.error_of(fitted.outputs(self.problem.test.inputs))

    def error_of(self, outputs: Tensor) -> float:
        """The same for outputs (..., N, 1) on the test rows."""
        test = self.problem.test
        whole = test.targets
        if self.problem.linear is not None:
            whole = whole + linear_part(self.problem.linear, test.inputs)
        return float((outputs - test.targets).square().mean() / whole.var())

    def one_step(self) -> float:
        """Full data, one step of the first layer: the teacher of the theory."""
        return self.replay(self.problem.train)

    def converged(self, steps: int = 3000) -> float:
        """Full data, the same network trained by Adam to the end, then its readout by ridge."""
        learn = Phase(Descent(Adam(3e-3), steps, 256, cosine=True), before=(RedrawBiases(),))
        training = Training(self.training.network, (learn, Phase(Ridge(1e-4), Part.READOUT)))
        sets = {"main": self.problem.train}
        return self.error(fit(training, self.problem.task, sets, self.seeds))

    def subset(self, rows: int) -> float:
        """A random real subset in both phases, its readout's penalty by leave-one-out."""
        some = self.some(rows)
        return self.features_error(some, some)

    def random_inputs(self, numbers: int) -> float:
        """So many undistilled Gaussian inputs in both phases with a teacher's labels: seeded, only labels cost."""
        return self._taught(torch.randn(numbers, self.task.d, generator=stream(self.seed, "undistilled")))

    def subset_soft(self, rows: int) -> float:
        """A random real subset in both phases with a teacher's labels."""
        return self._taught(self.some(rows).inputs)

    def _taught(self, inputs: Tensor) -> float:
        teacher = fit(self.training, self.problem.task, self._full, [self.seed])
        some = Synthetic(inputs, teacher.outputs(inputs)[0])
        return self.features_error(some, some)

    def random_features(self) -> float:
        """A first layer that learns nothing, its readout on real rows."""
        still = replace(self.training.phases[0], solver=Descent(steps=0))
        training = Training(self.training.network, (still, self.training.phases[1]))
        return self.error(fit(training, self.problem.task, {"features": self.rows, "readout": self.rows}, self.seeds))

    def features_error(self, features: Rows, readout: Rows) -> float:
        """Error of a readout whose penalty is chosen by leave-one-out, on features learnt from a set."""
        x, y, _ = readout.batch(slice(None))
        phi, test = self.embedded(features, x), self.embedded(features, self.problem.test.inputs)
        found = [leave_one_out(p, y, t) for p, t in zip(phi, test, strict=True)]
        return self.error_of(torch.stack(found))

    def embedded(self, features: Rows, inputs: Tensor) -> Tensor:
        """Features (networks, N, L) of inputs, after a first phase that learns from a set."""
        return self.learnt(features).features(inputs)

    def learnt(self, features: Rows) -> Fitted:
        """Networks after the first phase, their readout still to be fitted."""
        one, two = self.training.phases
        learnt = Training(self.training.network, (one, replace(two, solver=Descent(steps=0))))
        return fit(learnt, self.problem.task, {"features": features, "readout": features}, self.seeds)

    def kernel(self, rows: int) -> float:
        """Ridge with the two-layer tangent kernel on a random real subset."""
        return self.kernel_error(self.some(rows), self.problem)

    def kernel_error(self, some: Synthetic, problem: Problem) -> float:
        """The same on given rows of a problem."""
        x, y, _ = some.batch(slice(None))
        found = tangent_kernel(problem.test.inputs, x) @ dual_weights(tangent_kernel(x, x), y)
        return self.error_of(found) if problem is self.problem else relative_error(found, problem)

    def nystroem(self, landmarks: int = 1000) -> float:
        """The same on all rows, through so many landmarks; the penalty does best on validation rows."""
        centres = self.some(landmarks).batch(slice(None))[0]
        values, vectors = torch.linalg.eigh(tangent_kernel(centres, centres).double())
        root = (vectors * values.clamp_min(1e-8 * values[-1]) ** -0.5).float()
        embed = lambda x: tangent_kernel(x, centres) @ root  # noqa: E731
        gram = moment = torch.zeros(())
        for x, y, _ in self.problem.train.batches():
            phi = embed(x)
            gram, moment = gram + phi.mT @ phi, moment + phi.mT @ y
        valid = self.problem.select
        held = embed(valid.inputs)
        every = [solve(penalised(gram, penalty, len(self.problem.train)), moment) for penalty in _NYSTROEM]
        best = min(every, key=lambda weights: float((held @ weights - valid.targets).square().mean()))
        return self.error_of(embed(self.problem.test.inputs) @ best)

    def linear(self) -> float:
        """Least squares: all that is left after the linear part is the error."""
        return self.error_of(torch.zeros_like(self.problem.test.targets))

    def singular(self) -> float:
        """Random points of the span of the label-weighted covariance's top r eigenvectors, readout on real rows."""
        return self.replay(self.points_of(principal_directions(self.covariance, self.task.r)))

    def true_subspace(self) -> float:
        """Random points of the principal subspace itself, readout on real rows."""
        return self.replay(self.points_of(self.basis))

    def points_of(self, basis: Tensor, count: int = 512) -> Tensor:
        """Gaussian points of a subspace."""
        return torch.randn(count, basis.shape[1], generator=stream(self.seed, "in subspace")) @ basis.T

    @property
    def _full(self) -> dict[str, Rows]:
        return {"features": self.problem.train, "readout": self.rows}

    def some(self, rows: int) -> Synthetic:
        """A random real subset."""
        x, y, _ = self.problem.train.sample(rows, 0, self.seed, "subset")
        return Synthetic(x, y)


def relative_error(found: Tensor, problem: Problem) -> float:
    """Test error over the variance of the target, for another problem than the bench's."""
    targets = problem.test.targets
    return float((found - targets).square().mean() / targets.var())
