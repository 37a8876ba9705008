"""Runs resume bit for bit, keep the best, and stop at a loss that is not finite."""

import dataclasses

import pytest
import torch

from engram.distillation import defaults
from engram.distillation.checkpoint import load_checkpoint, save_checkpoint
from engram.distillation.distiller import distill
from engram.distillation.hypergradients import Implicit, Unroll
from engram.distillation.loop import run
from engram.distillation.methods.characteristic_matching import CharacteristicMatching
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.distillation.methods.gradient_matching import GradientMatching
from engram.distillation.methods.linear_gradient_matching import LinearGradientMatching
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.methods.trajectory_matching import TrajectoryMatching
from engram.distillation.plan import Plan
from engram.errors import ArtefactError, DivergenceError
from engram.learning.networks.custom import Custom
from engram.learning.networks.mlp import MLP
from engram.samples.budget import Items, PerClass, Precision


def runs(method, problem, training, start=None, stop=None):
    last = None
    for last, _ in run(Plan(method, training, PerClass(1), Precision.FLOAT16), problem, start):
        torch.rand(1)
        if stop is not None and last.step == stop:
            break
    return last


METHODS = [
    PerformanceMatching(steps=40),
    PerformanceMatching(steps=40, mixtures=2, clip=2.0, hypergradient=Unroll(4, 2, random=True, constant=True)),
    PerformanceMatching(steps=40, oldest=10, hypergradient=Implicit(2)),
    GradientMatching(steps=40, batch=16),
    GradientMatching(steps=40, batch=16, readout="own", pool_data="real", momentum=0.5, cosine=False),
    DistributionMatching(steps=40, batch=8),
    CharacteristicMatching(steps=40, batch=8, frequencies=16, pool=3),
    LinearGradientMatching(steps=40, batch=16, labels="teacher"),
    TrajectoryMatching(steps=40, expert_steps=20, every=5, last=2, experts=2, label_rate=0.01, grow=0.5),
]


def test_mixtures_resume_bit_for_bit_where_their_vectors_come_transposed(diabetes, tmp_path):
    """Singular vectors come in another order of memory than a file keeps."""
    plan = Plan(PerformanceMatching(steps=6, mixtures=2), defaults.training(diabetes, MLP(width=16)), Items(10))
    states = [state for state, _ in run(plan, diabetes)]
    save_checkpoint(tmp_path / "c", states[3], "own")
    again = [state for state, _ in run(plan, diabetes, load_checkpoint(tmp_path / "c", "own"))][-1]
    for key, value in states[-1].state.canvas.free.items():
        assert torch.equal(value, again.state.canvas.free[key]), key


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_forty_steps_are_twenty_saved_loaded_and_twenty_more(method, wine, tmp_path):
    training = defaults.training(wine, MLP(width=16))
    identity = Plan(method, training, PerClass(1), Precision.FLOAT16, 0).identity(wine)
    whole = runs(method, wine, training)
    save_checkpoint(tmp_path / "c", runs(method, wine, training, stop=20), identity)
    torch.manual_seed(123)
    halves = runs(method, wine, training, start=load_checkpoint(tmp_path / "c", identity))
    assert torch.equal(whole.state.canvas.inputs, halves.state.canvas.inputs)
    assert torch.equal(whole.best["main"].inputs, halves.best["main"].inputs)
    assert torch.equal(whole.state.canvas.decode().targets, halves.state.canvas.decode().targets)
    for key, value in whole.state.pool.params.items() if whole.state.pool else ():
        assert torch.equal(value, halves.state.pool.params[key])
    for key, value in whole.state.extra.items():
        assert torch.equal(value, halves.state.extra[key])
    assert whole.best_score == halves.best_score
    assert str(whole.history) == str(halves.history)


def test_a_run_that_goes_on_counts_the_seconds_before(wine, tmp_path):
    method, training = PerformanceMatching(steps=4), defaults.training(wine, MLP(width=8))
    stopped = runs(method, wine, training, stop=2)
    assert stopped.seconds > 0
    save_checkpoint(tmp_path / "c", dataclasses.replace(stopped, seconds=1000.0), "own")
    assert 1000 < runs(method, wine, training, start=load_checkpoint(tmp_path / "c", "own")).seconds < 1600


def test_a_checkpoint_of_other_settings_or_data_is_refused(wine, diabetes, tmp_path):
    method, training = PerformanceMatching(steps=4), defaults.training(wine, MLP(width=8))
    save_checkpoint(tmp_path / "c", runs(method, wine, training, stop=2), "own")
    with pytest.raises(ArtefactError, match="other data or settings"):
        load_checkpoint(tmp_path / "c", Plan(method, training, PerClass(2), Precision.FLOAT16, 0).identity(wine))
    one = Plan(method, training, PerClass(1), Precision.FLOAT16, 0).identity(wine)
    assert one != Plan(method, training, PerClass(1), Precision.FLOAT16, 1).identity(wine)
    assert one != Plan(method, training, PerClass(1), Precision.FLOAT16, 0).identity(diabetes)


@dataclasses.dataclass(frozen=True)
class Breaks(PerformanceMatching):
    """Loses its loss at step 3."""

    def step(self, state, problem, training):
        state, metrics = super().step(state, problem, training)
        return state, {"loss": float("nan")} if state.step > 3 else metrics


def test_divergence_stops_with_the_last_good_state(wine):
    with pytest.raises(DivergenceError, match="diverged at step 3"):
        distill(wine, Breaks(steps=9), network=MLP(width=8))
    last = runs(Breaks(steps=9), wine, defaults.training(wine, MLP(width=8)))
    assert last.step == last.state.step == 3
    assert last.status == "diverged at step 3"
    memory = distill(wine, Breaks(steps=9), network=MLP(width=8), throw=False)
    assert torch.isfinite(memory.samples.inputs).all()
    assert memory.provenance["status"] == "diverged at step 3"


def test_distillation_beats_its_start_on_wine(wine):
    memory = distill(wine, budget=PerClass(1), steps=300)
    assert memory.provenance["select_score"] >= memory.provenance["history"][0][2]
    assert memory.provenance["select_score"] > 0.9


def test_dropout_in_the_outer_loop_repeats(wine):
    from torch import nn

    def mine():
        return nn.Sequential(nn.Linear(13, 8), nn.Dropout(0.5), nn.Linear(8, 3))

    runs = []
    for stray in (0, 1):
        torch.manual_seed(stray)
        runs.append(distill(wine, network=Custom(mine, head="2"), steps=5).samples.inputs)
    assert torch.equal(*runs)


def test_a_network_of_the_users_own(wine):
    from torch import nn

    def mine():
        return nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Dropout(0.1), nn.Linear(24, 3))

    memory = distill(wine, budget=PerClass(1), network=Custom(mine, head="3"), steps=20)
    raw = wine.preprocessing.decode(wine.test.inputs)
    assert memory.replay().predict(raw).shape == (len(wine.test),)
