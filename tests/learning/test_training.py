"""Training in phases: alone and stacked, resumable data order, named parts, two sets."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import nn

from engram import Protocol, distill, evaluate
from engram.data.metrics import Metric, score
from engram.data.task import Task
from engram.distillation import defaults
from engram.errors import DivergenceError, NetworkError, SettingError
from engram.learning.fitting import fit
from engram.learning.gradients import mean_loss
from engram.learning.network import initialise, model_of
from engram.learning.networks.custom import Custom
from engram.learning.networks.mlp import MLP
from engram.learning.networks.two_layer import TwoLayer
from engram.learning.training import Descent, Loss, Part, Phase, Ridge, Training, ZeroReadout
from engram.memory.replay import Replay
from engram.numerics.linalg import ridge
from engram.numerics.optimizers import SGD, Adam
from engram.samples.synthetic import Synthetic

TASK = Task((4,), 2, Metric.ACCURACY)


def samples(n=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=generator)
    return Synthetic(x, torch.stack([x[:, 0], -x[:, 0]], 1).sign() / 2)


def test_stacked_networks_learn_as_they_do_alone():
    training = Training.default(MLP(width=8), steps=20)
    data = {"main": samples()}
    together = fit(training, TASK, data, [3, 4, 5])
    for place, seed in enumerate([3, 4, 5]):
        alone = fit(training, TASK, data, [seed])
        for key, value in alone.params.items():
            assert torch.allclose(value[0], together.params[key][place], atol=1e-4), key


def test_own_sets_per_seed_are_not_mixed_up():
    training = Training.default(MLP(width=8), steps=10)
    sets = [{"main": samples(seed=s)} for s in (0, 1)]
    together = fit(training, TASK, sets, [0, 1])
    alone = fit(training, TASK, sets[1], [1])
    assert torch.allclose(alone.params["head.weight"][0], together.params["head.weight"][1], atol=1e-4)


def test_descent_agrees_with_a_plain_loop():
    training = Training(MLP(width=8), (Phase(Descent(SGD(0.1), 15), before=(ZeroReadout(),)),))
    data = samples()
    found = fit(training, TASK, {"main": data}, [7])
    module = MLP(width=8).build((4,), 2)
    module.load_state_dict(initialise(MLP(width=8), TASK, 7))
    nn.init.zeros_(module.head.weight)
    nn.init.zeros_(module.head.bias)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(15):
        optimizer.zero_grad()
        (module(data.inputs) - data.targets).square().sum(1).mean().backward()
        optimizer.step()
    for key, value in module.state_dict().items():
        assert torch.allclose(value, found.params[key][0], atol=1e-5), key


def test_minibatches_visit_every_row_and_repeat_by_seed():
    training = Training(MLP(width=8), (Phase(Descent(Adam(0.01), 9, batch=4)),))
    one, two = (fit(training, TASK, {"main": samples()}, [0, 1]) for _ in range(2))
    assert all(torch.equal(one.params[k], two.params[k]) for k in one.params)


def test_the_readout_phase_is_the_ridge_solution():
    training = Training(MLP(width=8), (Phase(Ridge(1e-2)),))
    data = samples()
    fitted = fit(training, TASK, {"main": data}, [0])
    expected = ridge(fitted.features(data.inputs)[0], data.targets, 1e-2)
    assert torch.allclose(fitted.params["head.weight"][0], expected[:-1].T, atol=1e-6)
    assert torch.allclose(fitted.params["head.bias"][0], expected[-1], atol=1e-6)


def test_the_readout_streamed_over_batches_is_the_same(digits):
    network = MLP(width=16)
    training = Training(network, (Phase(Ridge(1e-2)),))
    streamed = fit(training, digits.task, {"main": digits.train}, [0])
    whole = fit(training, digits.task, {"main": Synthetic(*digits.train.batch(slice(None))[:2])}, [0])
    assert torch.allclose(streamed.params["head.weight"], whole.params["head.weight"], atol=2e-4)


@dataclass(frozen=True)
class ShiftBiases:
    """A change of the parameters that a phase may make, as the two-layer theory needs it."""

    def __call__(self, model, params, generator):
        key = model.first_layer()[1]
        return params | {key: torch.randn(params[key].shape, generator=generator)}


def test_two_phases_over_two_sets_as_in_the_theory():
    """First layer by one step of weight decay 1/rate on one set, biases redrawn, readout on another."""
    task = Task((4,), 1, Metric.R2)
    one = Synthetic(torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.ones(6, 1))
    two = Synthetic(torch.randn(30, 4, generator=torch.Generator().manual_seed(2)), torch.ones(30, 1))
    step = Phase(Descent(SGD(2.0, decay=0.5), 1), Part.FIRST_LAYER, "features")
    training = Training(TwoLayer(width=8), (step, Phase(Ridge(), Part.READOUT, "labels", (ShiftBiases(),))))
    fitted = fit(training, task, {"features": one, "labels": two}, [0])
    start = initialise(TwoLayer(width=8), task, 0)
    w, a = start["embed.1.weight"], start["head.weight"][0]
    residual = -one.targets[:, 0]
    gates = ((one.inputs @ w.T) > 0).float()
    slope = 2 * (residual[:, None, None] * gates[:, :, None] * a[:, None] * one.inputs[:, None, :]).mean(0)
    assert torch.allclose(fitted.params["embed.1.weight"][0], -2.0 * slope, atol=1e-5), "the old weights are forgotten"
    with pytest.raises(SettingError, match="reads the set 'labels'"):
        fit(training, task, {"features": one}, [0])


def test_a_paired_network_starts_at_zero():
    task = Task((5,), 3, Metric.R2)
    params = initialise(TwoLayer(width=10), task, 0)
    x = torch.randn(7, 5)
    assert model_of(TwoLayer(width=10), task).outputs(params, x).abs().max() < 1e-6
    with pytest.raises(SettingError, match="even"):
        TwoLayer(width=5)


def test_losses_have_known_values():
    y = torch.tensor([[0.5, -0.5]])
    assert float(mean_loss(Loss.CROSS_ENTROPY, torch.zeros(1, 2), y)) == pytest.approx(0.6931, abs=1e-4)
    assert float(mean_loss(Loss.SQUARED, y, y)) == 0
    assert float(mean_loss(Loss.SQUARED, torch.zeros(1, 2), y, torch.tensor([3.0]))) == pytest.approx(1.5)


def test_metrics_have_known_values():
    outputs = torch.eye(3)[[0, 0, 0, 1]]
    targets = torch.tensor([0, 0, 1, 2])
    assert float(score(Metric.ACCURACY, outputs, targets)) == 0.5
    assert float(score(Metric.BALANCED_ACCURACY, outputs, targets)) == pytest.approx(1 / 3)
    y = torch.tensor([[1.0], [3.0]])
    assert float(score(Metric.R2, y, y)) == 1
    assert float(score(Metric.R2, torch.full((2, 1), 2.0), y)) == 0


def test_divergence_is_an_error_not_garbage():
    training = Training(MLP(width=8), (Phase(Descent(SGD(1e20), 30)),))
    with pytest.raises(DivergenceError, match="lower the learning rate"):
        fit(training, TASK, {"main": samples()}, [0])


class Dropped(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.drop, self.fc = nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 2)

    def forward(self, x):
        return self.fc(self.drop(self.a(x).relu()))


class Tied(nn.Module):
    """The readout shares its weights with the layer before it."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Linear(4, 2), nn.Linear(2, 2), nn.Linear(2, 2)
        self.fc.weight = self.b.weight

    def forward(self, x):
        return self.fc(self.b(self.a(x).tanh()).tanh())


@pytest.mark.parametrize("factory", [Dropped, Tied])
def test_custom_networks_train_and_repeat_whatever_else_draws(factory):
    training = Training.default(Custom(factory, head="fc"), steps=10)
    one = fit(training, TASK, {"main": samples()}, [0, 1])
    torch.rand(5)
    two = fit(training, TASK, {"main": samples()}, [0, 1])
    assert all(torch.equal(one.params[k], two.params[k]) for k in one.params)
    assert torch.isfinite(one.outputs(samples().inputs)).all()


def test_dropout_is_on_in_training_and_off_in_prediction():
    network = Custom(Dropped, head="fc")
    model = model_of(network, TASK)
    params = initialise(network, TASK, 0)
    x = samples().inputs
    assert torch.equal(model.outputs(params, x), model.outputs(params, x))
    assert not torch.equal(model.outputs(params, x, training=True), model.outputs(params, x, training=True))


def test_plain_modules_of_tied_networks_predict_the_same():
    fitted = fit(Training.default(Custom(Tied, head="fc"), steps=5), TASK, {"main": samples()}, [0])
    x = samples().inputs
    assert torch.allclose(Replay(fitted, None, None).module(x), fitted.outputs(x)[0], atol=1e-5)


def test_tied_weights_stay_tied_in_descent():
    fitted = fit(Training(Custom(Tied, head="fc"), (Phase(Descent(SGD(0.1), 3)),)), TASK, {"main": samples()}, [0])
    assert "module.fc.weight" not in fitted.params
    assert "module.b.weight" in fitted.params


class Normed(Dropped):
    def __init__(self):
        super().__init__()
        self.drop = nn.BatchNorm1d(16)


class Pretrained(Normed):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.drop(torch.randn(64, 16) * 3 + 1)


def test_batch_norms_keep_what_they_saw_or_become_group_norms():
    fresh, seen = (model_of(Custom(cls, head="fc"), TASK) for cls in (Normed, Pretrained))
    assert isinstance(fresh.module.module.drop, nn.GroupNorm)
    norm = seen.module.module.drop
    x = torch.randn(5, 16)
    assert torch.allclose(norm(x), Pretrained().eval().drop(x))
    # One row's output does not depend on the others, in training mode either.
    assert torch.allclose(norm.train()(x)[:1], norm(x[:1]))
    fitted = fit(
        Training(Custom(Pretrained, head="fc"), (Phase(Descent(SGD(0.1), 3)),)), TASK, {"main": samples()}, [0]
    )
    assert "module.drop.weight" in fitted.params


class Buffered(Dropped):
    def __init__(self):
        super().__init__()
        self.register_buffer("noise", torch.randn(3))


class Softmaxed(Dropped):
    def forward(self, x):
        return super().forward(x).softmax(-1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Custom(Buffered, head="fc"), "buffer 'module.noise' is drawn at random"),
        (Custom(Softmaxed, head="fc"), "changes its outputs after 'fc'"),
        (Custom(Dropped, head="head"), "not a linear layer of the network; its linear layers: a, fc"),
        (Custom(lambda: nn.Sequential(nn.Linear(4, 3)), head="0"), "this problem has 2"),
        (Custom(lambda: nn.Sequential(nn.Linear(5, 2)), head="0"), "does not take inputs of shape"),
        (Custom(name="mine", head="fc"), "no file carries"),
    ],
)
def test_networks_that_cannot_be_trained_are_refused_with_the_reason(network, message):
    with pytest.raises(NetworkError, match=message):
        model_of(network, TASK)


def first_output(training):
    """Size of the outputs after one step from a readout of zeros."""
    learn = training.phases[0]
    one = replace(training, phases=(replace(learn, solver=replace(learn.solver, steps=1)),))
    return float(fit(one, TASK, {"main": samples()}, [0, 1, 2]).outputs(samples(seed=1).inputs).abs().mean())


def test_a_wider_network_takes_steps_as_long_as_the_one_for_which_the_rate_was_chosen():
    training = Training.default(MLP(width=128))
    own = first_output(training)
    wide = training.on(MLP(width=4096))
    assert first_output(wide) == pytest.approx(own, rel=0.25)
    # The same rate at every width is caught: its first step is 32 times as long.
    assert first_output(replace(training, network=MLP(width=4096))) > 20 * own


def test_narrower_networks_other_architectures_and_plain_descent_keep_their_rate():
    training = Training.default(MLP(width=32))
    assert training.on(MLP(width=32)) == training
    for network in (MLP(width=8), TwoLayer(width=512)):
        assert training.on(network) == replace(training, network=network)
    plain = Training.two_phase(TwoLayer(width=8))
    assert plain.on(TwoLayer(width=64)) == replace(plain, network=TwoLayer(width=64))


def test_defaults_choose_their_rate_for_one_width(wine):
    usual = lambda training: training.phases[0].solver.optimizer.rate  # noqa: E731
    assert usual(defaults.training(wine, MLP(width=512))) == usual(defaults.training(wine)) / 4


def test_replays_and_scores_on_a_wider_network_take_its_rate(wine):
    memory = distill(wine, steps=2, network=MLP(width=16))
    wide = MLP(width=64)
    expected = fit(memory.training.on(wide), memory.task, memory.sets, [0]).outputs(wine.test.inputs)
    assert torch.equal(memory.fit([0], wide).outputs(wine.test.inputs), expected)
    scores = evaluate(memory, wine, Protocol(seeds=1, network=wide, baselines=False, full_steps=5))
    assert scores.rows["engram"].runs[0] == float(score(wine.metric, expected, wine.test.targets)[0])


def test_a_bounded_network_says_far_away_what_it_says_at_the_edge():
    training = replace(Training.default(MLP(width=8), steps=20), bounded=True)
    sets = [{"main": samples(seed=s)} for s in (0, 1)]
    fitted = fit(training, TASK, sets, [0, 1])
    far = 1e3 * torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    for k, own in enumerate(sets):
        x = own["main"].inputs
        edge = far.clamp(x.amin(0), x.amax(0))
        assert torch.allclose(fitted.outputs(far)[k], fitted.model.outputs(fitted.one(k), edge), atol=1e-5)
        assert not torch.allclose(fitted.outputs(far)[k], fitted.model.outputs(fitted.one(k), far), atol=1e-1)
    shared = fit(training, TASK, sets[0], [0, 1])
    assert torch.allclose(shared.outputs(far)[0], fitted.outputs(far)[0], atol=1e-4)
    assert torch.allclose(Replay(shared, None, None).module(far), shared.outputs(far)[0], atol=1e-4)
    loose = fit(replace(training, bounded=False), TASK, sets[0], [0, 1])
    inside = sets[0]["main"].inputs
    assert torch.allclose(shared.outputs(inside), loose.outputs(inside), atol=1e-5)
