"""What every method must do, and what each must know."""

import dataclasses

import numpy as np
import pytest
import torch

import engram
from engram.data.problem import Problem
from engram.distillation import defaults
from engram.distillation.hypergradients import Unroll
from engram.distillation.loop import iterate
from engram.distillation.methods import private_matching
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.distillation.methods.herding import Herding
from engram.distillation.methods.k_center import KCenter
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.methods.private_matching import PrivateMatching
from engram.distillation.plan import Plan
from engram.errors import BudgetError, SettingError
from engram.learning.networks.mlp import MLP
from engram.learning.training import Descent
from engram.numerics.distances import cosine_distance
from engram.random import stream
from engram.samples.budget import Bytes, Items, PerClass, Precision
from engram.spec import load, names

_TWO_SETS = ("two-phase", "principal-subspace")
"""Each has a test file of its own."""

ALL = [load("methods", name) for name in names("methods") if name not in _TWO_SETS]
"""All that distil one set for a training of one set."""


IMAGES_ONLY = ("PatchSelection",)
TABLES = [cls for cls in ALL if cls.__name__ not in IMAGES_ONLY]


def small(cls, **settings):
    """A method of few steps, whose experts are short."""
    named = {field.name for field in dataclasses.fields(cls)}
    short = {"steps": 4, "expert_steps": 20, "every": 5, "last": 2, "experts": 2, "frequencies": 8}
    return cls(**({key: value for key, value in short.items() if key in named} | settings))


@pytest.fixture(params=["wine", "diabetes"])
def problem(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("cls", TABLES)
def test_steps_repeat_bit_for_bit_whatever_else_draws(cls, problem, monkeypatch):
    if cls is PrivateMatching:
        if problem.classes is None:
            pytest.skip("private matching is for classes")
        # The one draw that no seed repeats.
        monkeypatch.setattr(private_matching.secrets, "randbits", lambda bits: 7)
    training, budget = defaults.training(problem, MLP(width=16)), Items(6)

    def final():
        method = small(cls)
        state = method.init(problem, training, budget, Precision.FLOAT32, 3)
        for _ in range(method.steps):
            torch.rand(2)
            state, metrics = method.step(state, problem, training)
            assert all(isinstance(v, float) for v in metrics.values())
        return method.export(state)["main"].decode()

    one, two = final(), final()
    assert torch.equal(one.inputs, two.inputs)
    assert torch.equal(one.targets, two.targets)
    assert one.inputs.shape == (6, *problem.task.shape)
    assert one.targets.shape == (6, problem.task.outputs)
    assert torch.isfinite(one.inputs).all()


@pytest.mark.parametrize("cls", TABLES)
def test_another_seed_gives_another_run_and_states_are_not_changed(cls, wine):
    training = defaults.training(wine, MLP(width=16))
    method = small(cls)
    states = [method.init(wine, training, PerClass(2), Precision.FLOAT32, seed) for seed in (0, 1)]
    if method.steps:
        before = states[0].canvas.inputs.clone()
        after, _ = method.step(states[0], wine, training)
        assert torch.equal(states[0].canvas.inputs, before), "a step returns a new state"
        assert not torch.equal(after.canvas.inputs, before)
        assert after.step == 1
        if states[0].pool is not None:
            assert not torch.equal(*(state.pool.params["embed.0.weight"] for state in states))


@pytest.mark.parametrize("cls", TABLES)
def test_budgets_hold(cls, wine):
    training = defaults.training(wine, MLP(width=16))
    method = small(cls)
    for budget, items in ((PerClass(2), 6), (Items(4), 4)):
        state = method.init(wine, training, budget, Precision.FLOAT32, 0)
        assert len(method.export(state)["main"].decode()) == items
    state = method.init(wine, training, Bytes(400), Precision.FLOAT16, 0)
    canvas = method.export(state)["main"]
    label = 2 * 3 if not canvas.classes else 1
    assert len(canvas.inputs) == 400 // (2 * 13 + label)
    for bad in (Items(2), Items(500), Bytes(20)):
        with pytest.raises(BudgetError):
            method.init(wine, training, bad, Precision.FLOAT32, 0)


def test_selected_rows_are_real_and_of_their_class(wine):
    real = {tuple(row): int(label) for row, label in zip(wine.train.inputs.tolist(), wine.train.targets, strict=True)}
    for name in ("random", "herding", "k-center"):
        method = load("methods", name)()
        canvas = method.init(wine, None, PerClass(3), Precision.FLOAT32, 0).canvas
        assert [real[tuple(row)] for row in canvas.inputs.tolist()] == canvas.targets.tolist()
        assert len({tuple(row) for row in canvas.inputs.tolist()}) == 9, "no row twice"


def test_herding_and_k_center_have_known_answers():
    rows = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    assert Herding.pick(rows, 2, stream(0)).tolist() == [3, 2], "nearest 3.2, then the mean of two nearest 3.2"
    assert Herding.pick(rows, 5, stream(0)).sort().values.tolist() == [0, 1, 2, 3, 4]
    assert KCenter.pick(rows, 2, stream(0)).tolist() == [3, 4]
    assert Herding() == Herding()
    assert KCenter() == KCenter()


def test_k_means_at_one_per_class_is_the_class_mean(wine):
    canvas = load("methods", "k-means")().init(wine, None, PerClass(1), Precision.FLOAT32, 0).canvas
    for c in range(3):
        assert torch.allclose(canvas.inputs[c], wine.train.inputs[wine.train.targets == c].mean(0), atol=1e-5)


def test_the_loss_falls(wine, diabetes):
    for problem, budget in ((wine, PerClass(1)), (diabetes, Items(5))):
        for method in (
            PerformanceMatching(steps=60, rate=0.05, batch=512, start="noise", pool=2),
            GradientMatching(steps=60, rate=0.1, batch=128, start="noise", pool=2),
        ):
            losses = [m["loss"] for _, m in iterate(method, problem, defaults.training(problem, MLP(width=32)), budget)]
            assert sum(losses[-10:]) < 0.9 * sum(losses[:10]), method


def test_gradients_of_equal_sets_do_not_differ(wine):
    """With the synthetic set equal to the real set every matching loss is zero; a wrong sign is not."""
    from engram.distillation.batches import grouped
    from engram.distillation.methods.gradient_matching import _gradients
    from engram.learning.network import initialise, model_of
    from engram.learning.stacking import stack
    from engram.learning.training import Loss

    network = MLP(width=8)
    model = model_of(network, wine.task)
    params = stack([initialise(network, wine.task, s) for s in range(2)])
    x, y, _ = wine.train.batch(slice(None))
    batch = grouped(x, y, wine.train.targets, 3)
    one = _gradients(model, Loss.CROSS_ENTROPY, 1.0, params, batch)
    pick = lambda grads, k, c: {key: value[k, c] for key, value in grads.items()}  # noqa: E731
    units = 8 + 3
    for k in range(2):
        for c in range(3):
            own = pick(one, k, c)
            # A unit that no row of the class switches on has no direction.
            silent = sum(int((v.flatten(1) == 0).all(1).sum()) for v in own.values() if v.ndim >= 2)
            assert float(cosine_distance(own, own, "unit")) == pytest.approx(0, abs=1e-2)
            flipped = {key: -value for key, value in own.items()}
            assert float(cosine_distance(own, flipped, "unit")) == pytest.approx(2 * (units - silent), abs=1e-2)
            if silent:
                awake = {key: torch.ones_like(value) for key, value in own.items()}
                seen = cosine_distance(own, awake, "unit")
                assert float(seen) >= silent - 1e-3, "silent on one side alone counts one"


@pytest.mark.parametrize("grain", ["unit", "layer", "whole"])
def test_directions_do_not_depend_on_lengths(grain):
    g = {"a": torch.randn(3, 4, generator=stream(0, "g"))}
    small = {key: 1e-7 * value for key, value in g.items()}
    assert float(cosine_distance(small, small, grain)) == pytest.approx(0, abs=1e-4)
    assert float(cosine_distance(g, small, grain)) == pytest.approx(0, abs=1e-4)


def test_a_training_that_the_samples_cannot_reach_is_refused(wine):
    training = defaults.training(wine, MLP(width=8))
    bare = dataclasses.replace(training, phases=training.phases[:1])
    with pytest.raises(SettingError, match="nothing depends on the samples"):
        PerformanceMatching().init(wine, bare, PerClass(1), Precision.FLOAT32, 0)
    reached = PerformanceMatching(steps=3, hypergradient=Unroll(steps=2))
    *_, (state, _) = iterate(reached, wine, bare, PerClass(1))
    start = reached.init(wine, bare, PerClass(1), Precision.FLOAT32, 0)
    assert not torch.equal(state.canvas.inputs, start.canvas.inputs)


def test_directions_by_unit_layer_and_whole_have_known_values():
    one = {"a": torch.tensor([[1.0, 0.0], [0.0, 2.0]]), "b": torch.tensor([3.0])}
    other = {"a": torch.tensor([[0.0, 1.0], [0.0, 4.0]]), "b": torch.tensor([-3.0])}
    assert float(cosine_distance(one, other, "unit")) == pytest.approx(1)
    assert float(cosine_distance(one, other, "layer")) == pytest.approx(1 - 8 / (5 * 17) ** 0.5)
    assert float(cosine_distance(one, other, "whole")) == pytest.approx(1 - (8 - 9) / (14 * 26) ** 0.5)


def test_class_gradients_are_those_of_each_class_alone(wine):
    from engram.distillation.batches import grouped
    from engram.distillation.methods.gradient_matching import _gradients
    from engram.learning.gradients import mean_loss
    from engram.learning.network import initialise, model_of
    from engram.learning.training import Loss

    network = MLP(width=8)
    model = model_of(network, wine.task)
    params = initialise(network, wine.task, 0)
    x, y, _ = wine.train.batch(slice(None))
    found = _gradients(
        model, Loss.CROSS_ENTROPY, 0.5, {k: v[None] for k, v in params.items()}, grouped(x, y, wine.train.targets, 3)
    )
    for c in range(3):
        own = {k: v.clone().requires_grad_() for k, v in params.items()}
        rows = wine.train.targets == c
        mean_loss(Loss.CROSS_ENTROPY, model.outputs(own, x[rows]) / 0.5, y[rows]).backward()
        assert torch.allclose(found["embed.0.weight"][0, c], own["embed.0.weight"].grad, atol=1e-6)


def test_networks_of_the_pool_grow_and_are_replaced(wine):
    training = defaults.training(wine, MLP(width=8))
    short = dataclasses.replace(
        training, phases=(dataclasses.replace(training.phases[0], solver=Descent(steps=4)), *training.phases[1:])
    )
    method = PerformanceMatching(steps=30, pool=3, networks=2)
    state = method.init(wine, short, PerClass(1), Precision.FLOAT32, 0)
    ages = []
    for _ in range(30):
        state, _ = method.step(state, wine, short)
        ages.append(state.pool.ages.tolist())
    assert max(map(max, ages)) == 4, "a network that has completed its training is used once more, then replaced"
    assert min(state.pool.generation.tolist()) >= 3
    assert len({tuple(a) for a in ages}) > 3


def test_a_sum_of_objectives_is_the_sum_of_their_gradients(digits):
    from dataclasses import replace

    from engram.distillation.combined import Combined
    from engram.distillation.matcher import StepContext
    from engram.learning.network import model_of

    one, other = PerformanceMatching(batch=32, pool=2), DistributionMatching(batch=4, augment="crop_scale_rotate")
    both = Combined(terms=(one, other), weights=(2.0, 0.5), label_rate=0.01, pool=2, batch=32)
    training = defaults.training(digits, MLP(width=8))
    state = both.init(digits, training, PerClass(1), Precision.FLOAT32, 0)
    networks = state.pool.at(torch.tensor([0]))
    context = StepContext(state, digits, training, model_of(training.network, digits.task), networks)
    grads, value = both.gradient(context)
    parts = [term.gradient(context) for term in (one, other)]
    for key in ("inputs", "targets"):
        expected = 2.0 * parts[0][0][key] + 0.5 * parts[1][0][key]
        assert torch.allclose(grads[key], expected, atol=1e-7)
        wrong = parts[0][0][key] + parts[1][0][key]
        assert key == "targets" or not torch.allclose(grads[key], wrong, atol=1e-7)
    assert float(value) == pytest.approx(2.0 * float(parts[0][1]) + 0.5 * float(parts[1][1]), rel=1e-5)
    alone = replace(both, terms=(one,), weights=(1.0,))
    assert torch.equal(alone.gradient(context)[0]["inputs"], parts[0][0]["inputs"])


@pytest.mark.parametrize(
    "settings", [{}, {"terms": (DistributionMatching(),)}, {"terms": (DistributionMatching(),), "weights": (0.0,)}]
)
def test_a_sum_needs_a_weight_for_each_term(settings):
    from engram.distillation.combined import Combined

    with pytest.raises(SettingError, match="positive weight for each"):
        Combined(**settings)


def test_large_images_are_made_for_any_training_where_their_classes_allow_it():
    from engram.distillation.combined import Combined
    from engram.distillation.plan import Plan

    x = torch.rand(60, 28, 28, generator=torch.Generator().manual_seed(0))
    problem = Problem.from_arrays(x, torch.arange(60) % 2, name="large")
    assert isinstance(Plan.of(problem).method, Combined)
    assert isinstance(Plan.of(problem, teaches="replay").method, PerformanceMatching)
    few = Plan.of(problem, budget=PerClass(10)).method  # forty tiles of a class that has nineteen rows
    assert (few.formation, few.coarse) == (1, False)
    pixels = (255 * x.repeat(2, 1, 1)).byte()
    bytes_of = {"name": "pixels", "kind": "images"}
    known = Problem.from_arrays(pixels, torch.arange(120) % 2, **bytes_of)
    found = [Plan.of(known, budget=PerClass(count)).method for count in (1, 5, 8)]
    assert [(m.formation, m.coarse, m.own_labels) for m in found] == [
        (2, True, True),  # eight tiles each
        (2, False, False),  # twenty of 38 rows, and not forty
        (2, False, False),
    ]
    assert not Plan.of(known, precision=Precision.FLOAT32).method.coarse, "what is asked for is kept"
    many = Problem.from_arrays(pixels, torch.arange(120) % 20, **bytes_of)
    assert not Plan.of(many).method.own_labels, "labels of twenty classes would cost a tenth of the images"
    named = Plan.of(problem, "performance-matching").method
    assert named == Plan.of(problem, teaches="replay").method, "a word gets the default's own fields"
    assert Plan.of(problem, "performance-matching:steps=7").method.temperature == named.temperature
    odd = Problem.from_arrays(torch.rand(40, 29, 31, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 2)
    assert Plan.of(odd).method.formation == 2, "tiles need not divide it"
    assert engram.distill(odd, steps=1, network="convnet:width=4").samples.inputs.shape[2:] == (29, 31)
    real = Problem.from_arrays(x, x.mean((1, 2)), task="regression")
    assert isinstance(Plan.of(real).method, PerformanceMatching)
    memory = engram.distill(problem, steps=2, network="convnet:width=4")
    assert len(memory.samples) == 8
    assert memory.replay(0).predict(x[:3]).shape == (3,)


def test_series_are_cut_to_the_frequencies_that_hold_their_energy(rng):

    t = np.arange(64)
    phase = rng.uniform(0, 6, (60, 1))
    slow = np.sin(0.15 * t + phase)
    made = {
        "slow": slow,
        "mixed": slow + 0.35 * rng.normal(size=(60, 64)),
        "noise": slow + 3 * rng.normal(size=(60, 64)),
    }
    found = {
        name: defaults.method(engram.Problem.from_arrays(x, np.arange(60) % 2, kind="series"), "any", 2).formation
        for name, x in made.items()
    }
    assert found == {"slow": 4, "mixed": 2, "noise": 1}
    # Classes of fewer rows than the parts need are not cut.
    problem = engram.Problem.from_arrays(slow, np.arange(60) % 2, kind="series")
    assert defaults.method(problem, "any", 15).formation == 1
    assert defaults.method(problem, "any", 8).formation == 2


@pytest.mark.parametrize("word", ["dm", "dsa", "idc", "kip"])
def test_settings_for_images_run_on_series_without_their_augmentation(word):
    problem = engram.load_problem("cylinder-bell-funnel:rows=60")
    plan = Plan.of(problem, word, quick=True, steps=1)
    assert plan.method.augment == ""
    assert type(plan.training.network).__name__ == "RandomConvolutions"
    small = Plan.of(problem, word, quick=True, steps=1, network="random-convolutions:width=16")
    assert engram.distill(problem, small.method, training=small.training).items in (3, 6)


@pytest.mark.parametrize("word", ["dm", "dsa", "mtt"])
def test_settings_for_images_run_on_tables_without_their_augmentation(wine, word):
    plan = Plan.of(wine, word, quick=True)
    assert plan.method.augment == getattr(plan.method, "expert_augment", "") == ""
    assert engram.distill(wine, word, steps=1, quick=True).items == 3
    with pytest.raises(SettingError, match="for images"):
        engram.distill(wine, f"{word}:augment=crop", steps=1, quick=True)


def test_experts_of_tables_take_no_augmentation(wine):
    with pytest.raises(SettingError, match="expert_augment"):
        engram.distill(wine, "mtt:expert_augment=crop", steps=1, quick=True)
