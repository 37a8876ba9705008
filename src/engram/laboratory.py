"""One bench for all studies: a task, its teacher, its engrams, and what they are compared with."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from .budget import Items, Precision
from .canvas import Canvas
from .canvas.points import Points
from .fitting import Data, Fitted, fit
from .linalg import penalised, solve, with_bias
from .methods.two_phase import TwoPhase, real_gradients
from .networks.two_layer import TwoLayer
from .optimizers import SGD, Adam
from .problem import Problem, linear_part
from .random import stream
from .sources.multi_index import MultiIndex
from .subspace import label_weighted_covariance, principal_directions
from .synthetic import Synthetic
from .theory.kernels import tangent_kernel
from .training import Descent, Part, Phase, RedrawBiases, Ridge, Training

__all__ = ["Bench", "leave_one_out", "relative_error", "smallest"]

_REPLAY = 1_000_000
"""Networks that replay are never those that were matched."""
_READOUT_ROWS = 20_000
_NYSTROEM = (1e-5, 1e-3, 1e-1, 10.0)
_PENALTIES = tuple(10.0**k for k in range(-6, 2))


@dataclass(frozen=True)
class Bench:
    """A multi-index task with its data, the two-layer training, and everything measured on it.

    Args:
        task: what is learnt.
        seed: of data, directions and networks.
        width: neurons L.
        networks: replays per measurement, averaged.
        activation: of the network.
        readout: how the readout is fitted.
        inner_steps: of the first layer, each with decay 1/rate.
    """

    task: MultiIndex
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
    def rows(self) -> Data:
        """Real rows on which readouts are fitted: at most twenty thousand."""
        train = self.problem.train
        return train if len(train) <= _READOUT_ROWS else train.rows(torch.arange(_READOUT_ROWS))

    @cached_property
    def targets(self) -> Tensor:
        """Real gradients of the first layer at the matched networks' start."""
        return real_gradients(TwoPhase(), self.problem, self.training, self.seed)

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

    def points(self, method: TwoPhase, items: int) -> Tensor:
        """The decoded points after all outer steps; no labels are fitted for them."""
        return self.bare(method, items).decode().inputs

    def bare(self, method: TwoPhase, items: int) -> Points:
        """The first set alone."""
        canvas = self.distil(replace(method, readout="none"), items)["features"]
        assert isinstance(canvas, Points)
        return canvas

    def numbers(self, *canvases: Canvas) -> int:
        """How many numbers these canvases store, with the linear part that preprocessing took off."""
        linear = 0 if self.problem.linear is None else self.problem.linear.numel()
        return linear + sum(tensor.numel() for canvas in canvases for tensor in canvas.free.values())

    def replay(self, features: Tensor | Data, readout: Data | None = None) -> float:
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

    def features_error(self, features: Data, readout: Data) -> float:
        """Error of a readout whose penalty is chosen by leave-one-out, on features learnt from a set."""
        x, y, _ = readout.batch(slice(None))
        phi, test = self.embedded(features, x), self.embedded(features, self.problem.test.inputs)
        found = [leave_one_out(p, y, t) for p, t in zip(phi, test, strict=True)]
        return self.error_of(torch.stack(found))

    def embedded(self, features: Data, inputs: Tensor) -> Tensor:
        """Features (networks, N, L) of inputs, after a first phase that learns from a set."""
        return self.learnt(features).features(inputs)

    def learnt(self, features: Data) -> Fitted:
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
        found = tangent_kernel(problem.test.inputs, x) @ _loo_weights(tangent_kernel(x, x), y)
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
        found = principal_directions(label_weighted_covariance(self.rows), self.task.r)
        return self.replay(self.points_of(found))

    def true_subspace(self) -> float:
        """Random points of the principal subspace itself, readout on real rows."""
        return self.replay(self.points_of(self.basis))

    def points_of(self, basis: Tensor, count: int = 512) -> Tensor:
        """Gaussian points of a subspace."""
        return torch.randn(count, basis.shape[1], generator=stream(self.seed, "in subspace")) @ basis.T

    @property
    def _full(self) -> dict[str, Data]:
        return {"features": self.problem.train, "readout": self.rows}

    def some(self, rows: int) -> Synthetic:
        """A random real subset."""
        x, y, _ = self.problem.train.sample(rows, 0, self.seed, "subset")
        return Synthetic(x, y)


def leave_one_out(features: Tensor, targets: Tensor, test: Tensor) -> Tensor:
    r"""Ridge predictions with the penalty that leave-one-out error chooses, in closed form.

    .. math:: e_n = \frac{y_n - \hat y_n}{1 - h_n}, \qquad h_n = \sum_k u_{nk}^2 \frac{s_k}{s_k + \lambda}

    Args:
        features: (N, F).
        targets: (N, C).
        test: (M, F).

    Returns:
        (M, C).
    """
    phi, other = (with_bias(part) for part in (features, test))
    if len(phi) <= phi.shape[1]:
        return other @ (phi.mT @ _loo_weights(phi @ phi.mT, targets))
    values, vectors = torch.linalg.eigh((phi.mT @ phi).double())
    values = values.clamp_min(1e-12 * float(values[-1]))
    left = phi.double() @ vectors / values.sqrt()
    turned = left.mT @ targets.double()
    best = (math.inf, turned)
    for penalty in _PENALTIES:
        kept = values / (values + penalty * values.mean())
        error = (targets - left @ (kept[:, None] * turned)) / (1 - left.square() @ kept)[:, None]
        weights = vectors @ ((kept / values.sqrt())[:, None] * turned)
        best = min(best, (float(error.square().mean()), weights), key=lambda pair: pair[0])
    return other @ best[1].float()


def _loo_weights(gram: Tensor, targets: Tensor) -> Tensor:
    """Dual weights of kernel ridge with that penalty."""
    values, vectors = torch.linalg.eigh(gram.double())
    values = values.clamp_min(0)
    turned = vectors.mT @ targets.double()
    best = (math.inf, turned)
    for penalty in _PENALTIES:
        inverse = 1 / (values + penalty * values.mean())
        weights = vectors @ (inverse[:, None] * turned)
        error = weights / (vectors.square() @ inverse)[:, None]
        best = min(best, (float(error.square().mean()), weights), key=lambda pair: pair[0])
    return best[1].float()


def relative_error(found: Tensor, problem: Problem) -> float:
    """Test error over the variance of the target, for another problem than the bench's."""
    targets = problem.test.targets
    return float((found - targets).square().mean() / targets.var())


def smallest(measure: Callable[[int], float], start: int, most: int, bound: float, even: bool = False) -> float:
    """The size at which a falling error first crosses a bound, interpolated between the sizes that were measured.

    Args:
        measure: size to error.
        start: first size.
        most: last size tried.
        bound: the error asked for.
        even: whether sizes are even.

    Returns:
        The size, a real number; not a number when even `most` does not reach the bound.
    """
    size, below = start, None
    while True:
        error = measure(size)
        if error <= bound:
            if below is None:
                return float(size)
            # Between two sizes the error falls like a power.
            share = math.log(below[1] / bound) / math.log(below[1] / error)
            return float(math.exp(math.log(below[0]) + share * (math.log(size) - math.log(below[0]))))
        if size >= most:
            return math.nan
        below = (size, error)
        size = min(most, max(size + 1 + even, round(size * 1.4)))
        size += even and size % 2
