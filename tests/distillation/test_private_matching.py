"""What is promised of private samples: one look at the rows, bounded, with the noise that the guarantee needs."""

import math
from dataclasses import replace

import pytest
import torch

from engram import PerClass, distill
from engram.distillation import defaults
from engram.distillation.methods import private_matching
from engram.distillation.methods.private_matching import PrivateMatching
from engram.errors import SettingError
from engram.learning.network import model_of
from engram.learning.networks.mlp import MLP

pytest.importorskip("dp_accounting", reason="pip install 'engram-distillation[privacy]'")
SMALL = PrivateMatching(steps=6, features=16, networks=2)


@pytest.fixture
def training(wine):
    return defaults.training(wine, MLP(width=8))


def psi_of(wine, training):
    model = model_of(training.network, wine.task)
    return SMALL._features(wine, training, 0, model, SMALL._centre(wine, training, 0, model))


def without_noise(monkeypatch):
    monkeypatch.setattr(PrivateMatching, "_sigma", lambda self: 0.0)


def delta_of(sigma, epsilon):
    """Of a Gaussian mechanism of sensitivity 1, in closed form (Balle and Wang 2018, theorem 8)."""

    def phi(t):
        return math.erfc(-t / math.sqrt(2)) / 2

    a, b = 1 / (2 * sigma), epsilon * sigma
    return phi(a - b) - math.exp(epsilon) * phi(-a - b)


@pytest.mark.parametrize("epsilon", [0.5, 2.0, 8.0])
def test_the_noise_is_what_the_guarantee_needs(epsilon):
    sigma = PrivateMatching(epsilon=epsilon)._sigma()
    assert delta_of(sigma, epsilon) <= 1e-5 * 1.001
    assert delta_of(sigma * 0.97, epsilon) > 1e-5


def test_one_row_moves_what_is_released_by_no_more_than_the_sensitivity(wine, training):
    psi = psi_of(wine, training)
    x, *_ = wine.train.batch(slice(None))
    lengths = torch.cat([psi(x), torch.ones(len(x), 1)], 1).norm(dim=1)
    assert torch.allclose(lengths, torch.full_like(lengths, 2**0.5), atol=1e-4)
    # However far out the row.
    assert float(psi(1e4 * x[:1]).norm()) == pytest.approx(1, abs=1e-4)


def test_without_noise_the_means_are_those_of_the_rows(wine, training, monkeypatch):
    without_noise(monkeypatch)
    released = SMALL.extra(wine, training, 0)["released"]
    x, *_ = wine.train.batch(slice(None))
    psi = psi_of(wine, training)(x)
    for c, rows in enumerate(wine.train.by_class):
        assert torch.allclose(released[c], psi[rows].mean(0), atol=1e-5)


def test_no_seed_repeats_the_noise_and_its_size_is_right(wine, training, monkeypatch):
    monkeypatch.setattr(PrivateMatching, "_sigma", lambda self: 3.0)
    first, second = (SMALL.extra(wine, training, 0)["released"] for _ in range(2))
    assert not torch.equal(first, second)
    without_noise(monkeypatch)
    exact = SMALL.extra(wine, training, 0)["released"]
    monkeypatch.setattr(PrivateMatching, "_sigma", lambda self: 0.01)
    count = torch.tensor([len(rows) for rows in wine.train.by_class])[:, None]
    gaps = torch.cat([(SMALL.extra(wine, training, 0)["released"] - exact) * count for _ in range(40)])
    assert float(gaps.std()) == pytest.approx(0.01 * 2**0.5, rel=0.1)


def test_after_the_release_no_row_is_read(wine, training):
    state = SMALL.init(wine, training, PerClass(2), defaults.precision(wine), 0)
    other = replace(wine, train=replace(wine.train, inputs=torch.full_like(wine.train.inputs, torch.nan)))
    first, second = (SMALL.step(state, problem, training)[0].canvas.inputs for problem in (wine, other))
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()
    # The start neither.
    start = SMALL.init(
        replace(wine, train=replace(wine.train, inputs=wine.train.inputs.flip(1))),
        training,
        PerClass(2),
        defaults.precision(wine),
        0,
    )
    assert torch.equal(start.canvas.inputs, state.canvas.inputs)


def test_the_file_says_what_is_promised_and_keeps_the_last_samples(wine, training, monkeypatch):
    monkeypatch.setattr(private_matching.secrets, "randbits", lambda bits: 7)
    memory = distill(wine, SMALL, training=training, budget=PerClass(1))
    assert "(1, 1e-05)-differentially private in the training rows" in memory.provenance["guarantee"]
    assert memory.provenance["guarantee"] in memory.provenance["notes"]
    longer = distill(wine, replace(SMALL, steps=0), training=training, budget=PerClass(1))
    assert not torch.equal(memory.samples.inputs, longer.samples.inputs), "the start is never the best of all"


def test_more_privacy_costs_score(wine):
    scores = {}
    for epsilon in (0.05, 50):
        method = PrivateMatching(steps=150, features=64, epsilon=epsilon)
        memory = distill(wine, method, budget=PerClass(1))
        scores[epsilon] = memory.provenance["select_score"]
    assert scores[50] > 0.85
    assert scores[50] > scores[0.05] + 0.1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epsilon": 0}, "epsilon lies in"),
        ({"epsilon": 51}, "epsilon lies in"),
        ({"delta": 1.0}, "delta lies in"),
        ({"start": "centres"}, "starts from noise"),
        ({"labels": "probabilities"}, "its labels are the classes"),
        ({"label_rate": 0.1}, "its labels are the classes"),
    ],
)
def test_what_would_break_the_promise_is_refused(given, said):
    with pytest.raises(SettingError, match=said):
        PrivateMatching(**given)


def test_numbers_and_large_deltas_are_refused(wine, diabetes, training):
    with pytest.raises(SettingError, match="for classes"):
        distill(diabetes, SMALL, steps=1)
    with pytest.raises(SettingError, match="less than one over their number"):
        distill(wine, replace(SMALL, delta=0.5), training=training)
