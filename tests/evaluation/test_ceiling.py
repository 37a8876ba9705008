"""What all data teach: large images by networks of the cache."""

import numpy as np
import pytest
import torch

from engram.data.problem import Problem
from engram.distillation import buffers
from engram.distillation.buffers import missing
from engram.evaluation.ceiling import full_networks, full_recipe, full_steps, train_full, train_tuned
from engram.learning.fitting import fit
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.mlp import MLP
from engram.learning.training import Part, Phase, Ridge, Training
from engram.numerics.leave_one_out import left_out_error
from engram.numerics.linalg import ridge, with_bias


def test_networks_of_large_images_are_trained_once(rng, monkeypatch, tmp_path):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    labels = np.arange(120) % 2
    images = rng.integers(0, 100, (120, 28, 28)) + 100 * labels[:, None, None]
    problem = Problem.from_arrays(images.astype(np.uint8), labels)
    network, steps = ConvNet(width=4, depth=1), 12
    assert full_networks(problem, 5) == 2, "a CPU trains two, whatever the engram's own number"
    assert missing(problem, network, full_recipe(2, steps), 0) == 2
    told: list[float] = []
    full = train_full(problem, network, [0, 1, 2, 3, 4], steps, told.append)
    assert full.select.shape == (2,)
    assert float(full.select.min()) > 0.9, "bright images are told from dark ones"
    assert told[-1] == 1
    assert missing(problem, network, full_recipe(2, steps), 0) == 0

    def never(*_, **__):
        raise AssertionError("trained a second time")

    monkeypatch.setattr(buffers, "learn", never)
    again = train_full(problem, network, [0, 1, 2], steps)
    assert all(torch.equal(again.fitted.params[key], full.fitted.params[key]) for key in full.fitted.params)


def test_large_images_are_seen_ten_times(rng):
    problem = Problem.from_arrays(rng.integers(0, 255, (8000, 28, 28)).astype(np.uint8), np.arange(8000) % 2)
    assert full_steps(problem) * 128 >= 10 * len(problem.train)


def test_rows_are_left_out_as_if_each_were(wine):
    """The closed form against readouts fitted without the row, at the penalty of all rows."""
    train, network, penalty = wine.train.rows(torch.arange(12)), MLP(width=20), 0.1
    fitted = fit(Training(network, (Phase(Ridge(penalty), Part.READOUT),)), wine.task, {"main": train}, [0])
    x, y, _ = train.batch(slice(None))
    phi = fitted.features(x)[0].double()
    whole = with_bias(phi)
    trace = float((whole @ whole.mT).diagonal().sum()) / len(x)
    gaps = []
    for k in range(len(x)):
        kept = torch.arange(len(x)) != k
        own = with_bias(phi[kept])
        relative = penalty * trace / (float((own @ own.mT).diagonal().sum()) / len(own))
        readout = ridge(phi[kept], y[kept].double(), relative)
        gaps.append(whole[k] @ readout - y[k])
    assert left_out_error(fitted.features(x), y, penalty) == pytest.approx(
        float(torch.stack(gaps).square().mean()), rel=1e-4
    )


def test_ranks_alone_say_nothing_of_recall():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    problem = Problem.from_arrays(x, (x[:, 0] + 0.5 * rng.normal(size=300) > 0).astype(int))
    assert len(train_tuned(problem).recall) == 2
    assert train_tuned(problem.scored_by("AUROC")).recall == ()
