"""Objectives that differentiate through training do: most of their gradient is not the readout's alone."""

from dataclasses import replace

import pytest
import torch

from engram.distillation import defaults
from engram.distillation.hypergradients import Implicit, Unroll
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.published import PUBLISHED
from engram.errors import SettingError
from engram.learning.networks.mlp import MLP
from engram.learning.training import Descent, Loss, Phase, Training
from engram.samples.budget import PerClass, Precision


def _share(method, problem, steps):
    training = defaults.training(problem)
    state = method.init(problem, training, PerClass(1), Precision.FLOAT16, 0)
    shares = []
    for step in range(steps):
        if step >= steps - 6:
            shares.append(method.indirect_share(method.context(state, problem, training)))
        state, _ = method.step(state, problem, training)
    return sum(shares) / len(shares)


@pytest.mark.parametrize(("word", "steps", "least"), [("dd", 12, 0.3), ("rcig", 70, 0.3), ("rat-bptt", 12, 0.2)])
def test_quick_settings_are_what_they_are_called(digits, word, steps, least):
    assert _share(PUBLISHED[word].quick, digits, steps) > least


def test_a_setting_that_learns_nothing_of_features_is_seen(digits):
    planted = replace(PUBLISHED["dd"].quick, inner_rate=0.005)
    assert _share(planted, digits, 12) < 0.1
    assert _share(PUBLISHED["frepo"].quick, digits, 12) == 0


def test_the_share_is_that_of_both_gradients(wine):
    """Against gradients written out by hand: features held still, and not."""
    training = Training.default(MLP(width=8), steps=20, rate=0.02)
    method = PerformanceMatching(pool=1, oldest=0, hypergradient=Unroll(3), inner_rate=0.1, batch=32)
    state = method.init(wine, training, PerClass(2), Precision.FLOAT32, 0)
    context = method.context(state, wine, training)
    whole, _ = method.gradient(context)
    held, _ = replace(method, hypergradient=Unroll(3, window=0)).gradient(context)
    rest = torch.cat([(whole[key] - held[key]).flatten() for key in whole]).norm()
    own = torch.cat([value.flatten() for value in held.values()]).norm()
    assert method.indirect_share(context) == pytest.approx(float(rest / (rest + own)), rel=1e-4)


def test_implicit_gradients_refuse_cross_entropy(wine):
    learn = Phase(Descent(steps=5, loss=Loss.CROSS_ENTROPY))
    training = replace(Training.default(MLP(width=8)), phases=(learn, Training.default(MLP(width=8)).phases[1]))
    method = PerformanceMatching(hypergradient=Implicit(steps=2))
    with pytest.raises(SettingError, match="cross-entropy"):
        method.init(wine, training, PerClass(1), Precision.FLOAT32, 0)
