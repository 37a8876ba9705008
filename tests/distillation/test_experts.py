"""Trajectories are trained once, kept whole, found again, and never trusted when they are not what they say."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from engram.data.metrics import score
from engram.distillation import buffers as module
from engram.distillation import defaults
from engram.distillation.buffers import experts, teacher
from engram.errors import DivergenceError, OutputError, SettingError
from engram.learning.experts import Experts
from engram.learning.fitting import outputs
from engram.learning.gradients import gradient
from engram.learning.network import initialise, model_of
from engram.learning.networks.mlp import MLP
from engram.learning.training import Loss, Part
from engram.numerics.optimizers import SGD
from engram.samples.budget import PerClass, Precision
from engram.spec import load

RECIPE = Experts(count=2, steps=20, batch=16, optimizer=SGD(0.1), every=5)
NETWORK = MLP(width=8)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    return tmp_path / "experts"


def test_points_are_the_trajectory_and_do_not_share_memory(wine):
    """Stored by reference, all points would be the last one, and every distance between them zero."""
    buffer = experts(wine, NETWORK, RECIPE, 0)
    assert buffer.points == 5
    first = initialise(NETWORK, wine.task, 0, "expert", 0)
    points = [buffer.at(0, k)["embed.0.weight"] for k in range(5)]
    assert torch.equal(points[0], first["embed.0.weight"])
    assert all(float((a - b).norm()) > 1e-3 for a, b in pairwise(points))
    assert not torch.equal(buffer.at(0, 4)["embed.0.weight"], buffer.at(1, 4)["embed.0.weight"])


def test_one_step_is_one_step_of_sgd(wine):
    recipe = Experts(1, 1, len(wine.train), SGD(0.1))
    buffer = experts(wine, NETWORK, recipe, 0)
    start = {key: value[None] for key, value in buffer.at(0, 0).items()}
    slope = gradient(model_of(NETWORK, wine.task), Loss.CROSS_ENTROPY, Part.ALL, start, wine.train)
    for key, value in buffer.at(0, 1).items():
        assert torch.allclose(value, (start[key] - 0.1 * slope[key])[0], atol=1e-5)


def test_they_are_found_again_and_made_again_bit_for_bit(wine, folder):
    shares = []
    first = experts(wine, NETWORK, RECIPE, 0, shares.append)
    assert shares[-1] == 1.0
    assert shares == sorted(shares)
    files = sorted(folder.iterdir())
    times = [file.stat().st_mtime_ns for file in files]
    again = experts(wine, NETWORK, RECIPE, 0)
    assert [file.stat().st_mtime_ns for file in files] == times, "nothing was trained again"
    assert again.digest == first.digest
    for file in files:
        file.unlink()
    assert experts(wine, NETWORK, RECIPE, 0).digest == first.digest
    assert experts(wine, NETWORK, RECIPE, 1).digest != first.digest
    assert experts(wine, MLP(width=9), RECIPE, 0).digest != first.digest


def test_a_damaged_file_is_replaced(wine, folder):
    first = experts(wine, NETWORK, RECIPE, 0)
    path = Path(first.files[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert experts(wine, NETWORK, RECIPE, 0).digest == first.digest


def test_a_teacher_learns(digits):
    taught = teacher(digits, MLP(width=64), 0)
    found = float(score(digits.metric, outputs(taught, digits.validation), digits.validation.targets))
    assert found > 0.9


def test_failures_say_what_and_how(wine, monkeypatch, tmp_path):
    with pytest.raises(DivergenceError, match="lower the experts' rate"):
        experts(wine, NETWORK, Experts(1, 30, 16, SGD(1e30)), 0)
    with pytest.raises(SettingError, match="at least 1"):
        Experts(count=0)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="ENGRAM_CACHE"):
        experts(wine, NETWORK, RECIPE, 0)


def test_other_code_does_not_read_what_this_code_wrote(wine, folder, monkeypatch):
    experts(wine, NETWORK, RECIPE, 0)
    before = set(folder.iterdir())
    monkeypatch.setattr(module, "code_version", lambda: "0.1.0 other")
    module._name.cache_clear()
    experts(wine, NETWORK, RECIPE, 0)
    assert len(set(folder.iterdir()) - before) == RECIPE.count
    module._name.cache_clear()


def test_selection_in_the_features_of_a_trained_network(wine):
    training = defaults.training(wine, MLP(width=16))
    for name in ("herding", "k-center"):
        chosen = [
            load("methods", name)(space=space).init(wine, training, PerClass(3), Precision.FLOAT32, 0).canvas
            for space in ("inputs", "features")
        ]
        assert not torch.equal(chosen[0].inputs, chosen[1].inputs)
        real = {tuple(row) for row in wine.train.inputs.tolist()}
        assert all({tuple(row) for row in canvas.inputs.tolist()} <= real for canvas in chosen)


def test_logits_of_a_teacher_are_centred_and_as_large_as_hard_labels(wine):
    training = defaults.training(wine, MLP(width=16))
    found = {
        labels: load("methods", "random")(labels=labels).init(wine, training, PerClass(4), Precision.FLOAT32, 0).canvas
        for labels in ("hard", "teacher", "logits")
    }
    scores = {labels: canvas.decode().targets for labels, canvas in found.items()}
    assert torch.allclose(scores["logits"].sum(1), torch.zeros(12), atol=1e-5)
    assert torch.isclose(scores["logits"].max(1).values.mean(), scores["hard"].max())
    assert not torch.allclose(scores["logits"], scores["teacher"], atol=0.05)
    assert torch.equal(found["hard"].inputs, found["logits"].inputs)
