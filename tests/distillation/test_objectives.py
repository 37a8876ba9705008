"""Known answers of the objectives: where synthetic and real are the same there is nothing to match."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from engram.data.problem import Problem
from engram.distillation import defaults
from engram.distillation.buffers import experts
from engram.distillation.distiller import distill
from engram.distillation.hypergradients import Unroll
from engram.distillation.loop import iterate
from engram.distillation.matcher import StepContext
from engram.distillation.methods.characteristic_matching import CharacteristicMatching, characteristic_distance
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.distillation.methods.linear_gradient_matching import LinearGradientMatching, head_gradients
from engram.distillation.methods.patch_selection import PatchSelection
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.methods.trajectory_matching import TrajectoryMatching
from engram.distillation.outer_optimizer import OuterOptimizer
from engram.errors import ArtefactError, NetworkError, SettingError
from engram.learning.gradients import mean_loss
from engram.learning.network import initialise, model_of
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.mlp import MLP
from engram.learning.training import Loss
from engram.random import stream
from engram.samples.budget import PerClass, Precision

AUGMENT = "color_crop_cutout_scale_rotate"
EXACT = {"start": "random", "batch": 10_000}
MATCHERS = {
    "gradient": GradientMatching(grain="layer", **EXACT | {"batch": 4}),
    "gradient by unit": GradientMatching(grain="unit", readout="own", **EXACT | {"batch": 4}),
    "gradient as a whole": GradientMatching(grain="whole", readout="own", **EXACT | {"batch": 4}),
    "gradient, siamese": GradientMatching(augment=AUGMENT, **EXACT | {"batch": 4}),
    "distribution": DistributionMatching(**EXACT | {"batch": 4}),
    "distribution, siamese": DistributionMatching(augment=AUGMENT, **EXACT | {"batch": 4}),
    "characteristic function": CharacteristicMatching(**EXACT | {"batch": 4}),
    "linear gradient": LinearGradientMatching(**EXACT),
    "linear gradient, siamese": LinearGradientMatching(augment=AUGMENT, **EXACT),
    "trajectory": TrajectoryMatching(
        experts=1, expert_steps=3, expert_rate=0.1, expert_batch=10_000, every=1, ahead=1, student_steps=1,
        student_rate=0.1, last=2, start="random",
    ),
    "trajectory, constant memory": TrajectoryMatching(
        experts=1, expert_steps=4, expert_rate=0.1, expert_batch=10_000, every=2, ahead=1, student_steps=2,
        student_rate=0.1, last=1, start="random", constant=True,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def copies():
    """Images of which every class has copies of one alone: one sample of each class is the whole data."""
    one = np.random.default_rng(0).integers(0, 255, (3, 8, 8)).astype("uint8")
    labels = np.repeat(np.arange(3), 12)
    held = np.repeat(np.arange(3), 4)
    return Problem.from_arrays(one[labels], labels, test=(one[held], held), select=(one[held], held))


def first_loss(method, problem, move=0.0):
    training = defaults.training(problem, ConvNet(width=8, depth=2, norm="group"))
    state = method.init(problem, training, PerClass(1), Precision.FLOAT32, 0)
    noise = torch.randn(state.canvas.inputs.shape, generator=stream(0, "move"))
    canvas = state.canvas.with_free(state.canvas.free | {"inputs": state.canvas.inputs + move * noise})
    return method.step(dataclasses.replace(state, canvas=canvas), problem, training)[1]["loss"]


@pytest.mark.parametrize("name", MATCHERS)
def test_with_synthetic_equal_to_real_there_is_nothing_to_match(name, copies):
    method = MATCHERS[name]
    scale = first_loss(method, copies, move=0.5)
    # A root makes 3e-5 of a rounding error of 1e-9.
    tolerance = 1e-3 if name == "characteristic function" else 1e-4
    assert abs(first_loss(method, copies)) < tolerance * scale, "equal sets"
    assert scale > 1e-3, "sets that differ"


def test_augmentation_that_is_not_siamese_is_caught(copies, monkeypatch):
    """The real and the synthetic batch under two draws: the loss of equal sets is no longer zero."""
    calls = iter(range(1000))

    def careless(self, context, *batches):
        from engram.learning.augmentation import augmentation

        return tuple(augmentation(self.augment).draw(stream(next(calls), "careless"))(b) for b in batches)

    monkeypatch.setattr(DistributionMatching, "augmented", careless)
    method = MATCHERS["distribution, siamese"]
    assert first_loss(method, copies) > 1e-3 * first_loss(method, copies, move=0.5)


def test_constant_memory_moves_samples_as_plain_unrolling_does(digits):
    training = defaults.training(digits, MLP(width=16))
    settings = {"experts": 1, "expert_steps": 20, "every": 5, "last": 2, "student_steps": 6}
    moved = []
    for constant in (False, True):
        method = TrajectoryMatching(steps=1, constant=constant, label_rate=0.01, augment="crop_rotate", **settings)
        state = method.init(digits, training, PerClass(1), Precision.FLOAT32, 0)
        model = model_of(training.network, digits.task)
        moved.append(method.gradient(StepContext(state, digits, training, model, None))[0])
    for key in ("inputs", "targets", "log_rate"):
        assert torch.allclose(
            moved[0][key], moved[1][key], rtol=1e-4, atol=1e-7 + 1e-4 * float(moved[0][key].abs().max())
        )
        assert float(moved[0][key].abs().max()) > 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classify", [False, True])
def test_gradients_of_linear_heads_are_those_of_automatic_differentiation(wine, classify, weighted):
    x, y, _ = wine.train.batch(slice(0, 20))
    w = torch.linspace(0.5, 2, 20) if weighted else None
    heads = torch.randn(2, 13, 3, generator=stream(0, "heads")).requires_grad_()
    loss = sum(mean_loss(Loss.CROSS_ENTROPY if classify else Loss.SQUARED, x @ head, y, w) for head in heads)
    (expected,) = torch.autograd.grad(loss, heads)
    assert torch.allclose(head_gradients(x, y, heads.detach(), classify, w), expected, atol=1e-5)


def test_characteristic_distance_has_its_known_value():
    one, other = ((torch.tensor([value.real]), torch.tensor([value.imag])) for value in (0.3 + 0.4j, -0.6 + 0.1j))
    whole = abs((0.3 + 0.4j) - (-0.6 + 0.1j)) / math.sqrt(2)
    assert float(characteristic_distance(one, other, 0.5)) == pytest.approx(whole, abs=1e-6)
    assert float(characteristic_distance(one, other, 1.0)) == pytest.approx(abs(0.5 - abs(-0.6 + 0.1j)), abs=1e-6)


def test_frequencies_climb(digits):
    training = defaults.training(digits, MLP(width=16))
    method = CharacteristicMatching(steps=5, batch=8, pool=2, frequencies=16)
    *_, (state, _) = iterate(method, digits, training, PerClass(1))
    assert float(state.extra["log_spread"].abs().max()) > 0
    fixed = CharacteristicMatching(steps=5, batch=8, pool=2, frequencies=16, spread_rate=0.0)
    *_, (state, _) = iterate(fixed, digits, training, PerClass(1))
    assert float(state.extra["log_spread"].abs().max()) == 0


def test_segments_rise_with_difficulty(digits, monkeypatch):
    training = defaults.training(digits, MLP(width=8))
    settings = {"experts": 2, "expert_steps": 24, "every": 2, "ahead": 1, "first": 1, "last": 10}
    method = TrajectoryMatching(steps=100, grow=0.5, **settings)
    state = method.init(digits, training, PerClass(1), Precision.FLOAT32, 0)
    buffer = experts(digits, training.network, method.recipe, 0)
    starts = []
    monkeypatch.setattr(type(buffer), "at", lambda self, expert, point, device: starts.append(point))
    for step in range(100):
        context = StepContext(dataclasses.replace(state, step=step), digits, training, None, None)
        method._segment(context, buffer)
    starts, ends = starts[::2], starts[1::2]
    assert [b - a for a, b in zip(starts, ends, strict=True)] == [1] * 100
    assert set(starts[:5]) == {1}
    assert max(starts[:25]) <= 6 < max(starts[50:]) <= 10


def test_experts_that_changed_under_a_run_are_refused(digits):
    training = defaults.training(digits, MLP(width=8))
    method = TrajectoryMatching(steps=2, experts=1, expert_steps=4, every=2, last=0, ahead=1)
    state = method.init(digits, training, PerClass(1), Precision.FLOAT32, 0)
    with pytest.raises(ArtefactError, match="not those that the run began with"):
        method.step(dataclasses.replace(state, prepared="other"), digits, training)


def test_patches_are_crops_that_a_teacher_is_sure_of(digits):
    training = defaults.training(digits, MLP(width=32))
    for mosaic in (1, 2):
        state = PatchSelection(mosaic=mosaic).init(digits, training, PerClass(2), Precision.FLOAT32, 0)
        samples = state.canvas.decode()
        assert samples.inputs.shape == (20, 1, 8, 8)
        right = (samples.targets.argmax(1) == torch.arange(10).repeat_interleave(2)).float().mean()
        assert float(right) > (0.9 if mosaic == 1 else 0.1)
    whole = PatchSelection(crops=1, labels="hard").init(digits, training, PerClass(1), Precision.FLOAT32, 0).canvas
    real = {tuple(row) for row in digits.train.batch(slice(None))[0].flatten(1).tolist()}
    assert all(tuple(row) in real for row in whole.inputs.flatten(1).tolist()), "the first offer is the image itself"


def test_patches_are_for_images(wine):
    with pytest.raises(SettingError, match="images of classes"):
        PatchSelection().init(wine, defaults.training(wine), PerClass(1), Precision.FLOAT32, 0)


def test_labels_of_a_teacher_follow_the_samples(digits):
    training = defaults.training(digits, MLP(width=32))
    memory = distill(
        digits, DistributionMatching(steps=5, rate=0.5, labels="teacher"), budget=PerClass(1), training=training
    )
    from engram.distillation.buffers import teacher

    expected = teacher(digits, training.network, 0).outputs(memory.samples.inputs)[0].softmax(-1) - 0.1
    assert float((memory.samples.targets - expected).abs().max()) < 0.05, "of the moved samples, but for rounding"
    free = GradientMatching(steps=3, pool=1, labels="teacher", label_rate=0.1)
    *_, (state, _) = iterate(free, digits, training, PerClass(1))
    start = free.init(digits, training, PerClass(1), Precision.FLOAT32, 0)
    assert not torch.equal(state.canvas.targets, start.canvas.targets)
    with pytest.raises(SettingError, match="labels=teacher"):
        DistributionMatching(label_rate=0.1)


def test_any_callable_serves_as_features(wine):
    training = defaults.training(wine, MLP(width=16))
    weight = torch.randn(13, 20, generator=stream(0, "features"))
    method = LinearGradientMatching(
        steps=30, rate=0.1, start="noise", features=lambda x: (x @ weight).relu(), name="relu"
    )
    losses = [metrics["loss"] for _, metrics in iterate(method, wine, training, PerClass(1))]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    memory = distill(wine, dataclasses.replace(method, steps=2), budget=PerClass(1), training=training)
    assert "relu" in memory.provenance["method"], "a file keeps the name of the features, not their code"
    odd = LinearGradientMatching(steps=1, features=lambda x: x.sum())
    with pytest.raises(NetworkError, match="give \\(N, F\\)"):
        list(iterate(odd, wine, training, PerClass(1)))


def test_every_way_to_unroll_learns(wine):
    training = defaults.training(wine, MLP(width=16))
    for hypergradient in (Unroll(3), Unroll(8, 2, random=True, constant=True)):
        method = PerformanceMatching(
            steps=40, pool=1, oldest=0, batch=64, rate=0.1, start="noise", temperature=1.0, hypergradient=hypergradient
        )
        losses = [metrics["loss"] for _, metrics in iterate(method, wine, training, PerClass(1))]
        assert sum(losses[-8:]) < 0.9 * sum(losses[:8]), hypergradient


def test_augmented_training_draws_for_each_network_and_step(digits):
    """The same seed trains the same network beside others or alone; without augmentation it is another one."""
    from engram.learning.fitting import fit
    from engram.learning.training import Training

    plain, augmented = (Training.default(MLP(width=8), steps=5, augment=word) for word in ("", "crop_rotate"))
    sets = {"main": PatchSelection(labels="hard", crops=1).select(digits, plain, (1,) * 10, 0).decode()}
    together = fit(augmented, digits.task, sets, [3, 4]).params["embed.1.weight"]
    alone = fit(augmented, digits.task, sets, [4]).params["embed.1.weight"]
    assert torch.allclose(together[1], alone[0], atol=1e-6)
    assert not torch.allclose(fit(plain, digits.task, sets, [4]).params["embed.1.weight"], alone, atol=1e-4)


def test_half_precision_agrees_where_it_is_used():
    from engram.data.metrics import Metric
    from engram.data.task import Task

    task = Task((1, 28, 28), 10, Metric.ACCURACY)
    x = torch.randn(8, 1, 28, 28, generator=stream(0, "x"))
    for norm in ("none", "instance"):
        network = ConvNet(width=8, norm=norm)
        model, params = model_of(network, task), initialise(network, task, 0)
        whole, half = model.features(params, x), model.features(params, x, half=True)
        assert half.dtype == torch.float32
        assert float((whole - half).norm() / whole.norm()) < 0.02


def test_large_images_go_network_by_network_with_the_same_result(rng):
    from engram.data.metrics import Metric
    from engram.data.task import Task
    from engram.learning.gradients import mean_loss
    from engram.learning.stacking import each_network, stack

    task = Task((1, 28, 28), 3, Metric.ACCURACY)
    network = ConvNet(width=4, depth=2, norm="instance")
    model = model_of(network, task)
    params = stack([initialise(network, task, seed) for seed in range(2)])
    x, y = torch.randn(5, 1, 28, 28), torch.zeros(5, 3)
    slope = torch.func.grad(lambda p, x, y: mean_loss(Loss.SQUARED, model.outputs(p, x), y))
    found = each_network(slope, params, x, y)
    expected = torch.func.vmap(slope, in_dims=(0, None, None))(params, x, y)
    for key in params:
        assert torch.allclose(found[key], expected[key], atol=1e-5)


def test_small_gradients_keep_their_digits_at_the_rates_of_trajectory_matching():
    outer = OuterOptimizer({"inputs": 1000.0}, steps=1, momentum=0.5, cosine=False)
    pixel = {"inputs": torch.ones(1)}
    moved, _ = outer.step(pixel, {"inputs": torch.full((1,), 1e-9)}, outer.init(pixel), 0)
    assert float(moved["inputs"] - 1) == pytest.approx(-1e-6, rel=0.1), "1 - 1e-9 is 1 in single precision"
