"""Canvases decode to what they say, keep to their bytes, and survive files."""

import pytest
import torch

from engram.distillation import defaults
from engram.distillation.artefact import as_engram
from engram.distillation.distiller import distill
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.distillation.start import initial
from engram.errors import BudgetError, SettingError
from engram.memory.engram import load
from engram.random import stream
from engram.samples.budget import Bytes, PerClass, Precision
from engram.samples.canvas.basis import Basis
from engram.samples.canvas.formation import Formation
from engram.samples.spending import Packing


def test_tiles_are_upsampled_one_by_one():
    stored = torch.arange(16.0).reshape(1, 1, 4, 4)
    samples = Formation(stored, torch.tensor([1]), 2, classes=3).decode()
    assert samples.inputs.shape == (4, 1, 4, 4)
    assert samples.targets.argmax(1).tolist() == [1, 1, 1, 1]
    # The corners of an upsampled tile are its own corners, and nothing of a neighbour's.
    corners = samples.inputs[:, 0, [0, 0, 3, 3], [0, 3, 0, 3]]
    assert corners.tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_tiles_of_smooth_samples_come_back():
    ramp = torch.linspace(-1, 1, 8).expand(8, 1, 8, 8)
    canvas = Formation.of(ramp.clone(), torch.zeros(2, 3), 2, 0)
    assert canvas.inputs.shape == (2, 1, 8, 8)
    assert float((canvas.decode().inputs - ramp).abs().max()) < 0.2


def test_mixtures_are_the_best_of_their_rank():
    x = torch.randn(6, 5, generator=stream(0, "x"))
    exact = Basis.of(x, torch.zeros(6, 1), 5, 0)
    assert torch.allclose(exact.decode().inputs, x, atol=1e-5)
    left, size, right = torch.linalg.svd(x)
    best = (left[:, :2] * size[:2]) @ right[:2]
    assert torch.allclose(Basis.of(x, torch.zeros(6, 1), 2, 0).decode().inputs, best, atol=1e-5)


def test_shapes_that_do_not_go_together_are_refused():
    with pytest.raises(SettingError, match="3 x 3 tiles"):
        Formation(torch.zeros(1, 1, 8, 8), torch.zeros(1, 2), 3)
    with pytest.raises(SettingError, match="do not mix"):
        Basis(torch.zeros(2, 5), torch.zeros(4, 3), torch.zeros(4, 1))
    with pytest.raises(SettingError, match="two ways"):
        DistributionMatching(formation=2, mixtures=2)


def _kept(problem, budget, precision=Precision.UINT8, steps=1, **settings):
    """The engram of so many outer steps."""
    method, training = PerformanceMatching(pool=1, **settings), defaults.training(problem)
    state = method.init(problem, training, budget, precision, 0)
    for _ in range(steps):
        state, _ = method.step(state, problem, training)
    return as_engram(method.export(state), problem, training, precision)


def test_both_cost_no_more_than_plain_items(digits):
    kinds = {"plain": {}, "tiles": {"formation": 2}, "mixtures": {"mixtures": 3}}
    found = {name: _kept(digits, PerClass(2), steps=0, **settings) for name, settings in kinds.items()}
    sizes = {name: (memory.canvas_bytes, memory.items) for name, memory in found.items()}
    assert sizes["plain"][1] == 20
    assert sizes["tiles"] == (sizes["plain"][0], 80)
    assert sizes["mixtures"][0] <= sizes["plain"][0]
    assert sizes["mixtures"][1] == 60


@pytest.mark.parametrize(
    "settings",
    [
        {"formation": 2},
        {"mixtures": 2},
        {"mixtures": 3, "downsample": 2},
        {"coarse": True},
        {"formation": 2, "coarse": True},
        {"formation": 2, "own_labels": True},
    ],
)
def test_they_survive_a_file(digits, tmp_path, settings):
    """What is scored is what a file holds, and saving it again rounds nothing more."""
    memory = _kept(digits, PerClass(1), **settings)
    again = load(memory.save(tmp_path / "a.engram"))
    second = load(again.save(tmp_path / "b.engram"))
    for one in (again, second):
        assert torch.equal(one.samples.inputs, memory.samples.inputs)
        assert torch.equal(one.samples.targets, memory.samples.targets)


def test_more_samples_than_rows_are_refused(digits, wine):
    with pytest.raises(BudgetError, match="of a class"):
        initial(
            digits,
            PerClass(100),
            Precision.FLOAT32,
            "random",
            False,
            0,
            defaults.training(digits),
            Packing(formation=2),
        )
    with pytest.raises(SettingError, match="for images"):
        initial(wine, PerClass(1), Precision.FLOAT32, "random", False, 0, defaults.training(wine), Packing(formation=2))
    with pytest.raises(BudgetError, match="no basis"):
        initial(wine, PerClass(1), Precision.FLOAT16, "random", True, 0, defaults.training(wine), Packing(mixtures=16))


def test_labels_that_no_honest_file_holds_are_refused():
    """A class number says how much memory an indicator row takes."""
    for bad in (
        lambda: Formation(torch.zeros(2, 1, 4, 4), torch.zeros(2), 2, classes=2_000_000_000),
        lambda: Formation(torch.zeros(2, 1, 4, 4), torch.zeros(5, 3), 2),
        lambda: Basis(torch.zeros(1, 2), torch.zeros(2, 1), torch.zeros(2), classes=40_000),
    ):
        with pytest.raises(SettingError, match="do not go with"):
            bad()
    with pytest.raises(SettingError, match="divides both sides"):
        Formation(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3), 3)
    with pytest.raises(SettingError, match="too many numbers"):
        Formation(torch.zeros(1, 1, 8, 8), torch.zeros(1, 3), 2, sides=(10_000, 10_000))


def test_tiles_of_odd_sides_come_back_at_their_size():
    ramp = torch.linspace(-1, 1, 9).expand(8, 1, 7, 9)
    canvas = Formation.of(ramp.clone(), torch.zeros(2, 3), 2, 0)
    assert canvas.inputs.shape == (2, 1, 6, 8)
    assert canvas.decode().inputs.shape == ramp.shape
    assert float((canvas.decode().inputs - ramp).abs().max()) < 0.3


def test_augmentation_of_what_is_no_image_is_refused(wine):
    from engram.learning.fitting import fit
    from engram.learning.networks.mlp import MLP
    from engram.learning.training import Training

    with pytest.raises(SettingError, match="for images"):
        distill(wine, DistributionMatching(steps=1, augment="crop"), budget=PerClass(1))
    rows = initial(wine, PerClass(1), Precision.FLOAT32, "random", False, 0, defaults.training(wine))[0].decode()
    with pytest.raises(SettingError, match="for images"):
        fit(Training.default(MLP(), augment="crop"), wine.task, {"main": rows}, [0])


def test_four_bits_hold_twice_as_much_in_the_same_bytes(digits):
    for settings in ({}, {"formation": 2}):
        plain, coarse = (_kept(digits, PerClass(2), coarse=coarse, **settings) for coarse in (False, True))
        assert coarse.items == 2 * plain.items
        assert coarse.canvas_bytes <= plain.canvas_bytes + 64
        assert len(coarse.canvases["main"].inputs.unique()) <= 16 < len(plain.canvases["main"].inputs.unique())


def test_outer_steps_see_four_bits(digits):
    """The levels that training sees are those of the file; what moves between them is not lost."""
    method = PerformanceMatching(steps=2, pool=1, coarse=True)
    training = defaults.training(digits)
    state = method.init(digits, training, PerClass(1), Precision.UINT8, 0)
    seen = method.context(state, digits, training).state.canvas
    assert len(seen.inputs.unique()) <= 16 < len(state.canvas.inputs.unique())
    moved, _ = method.step(state, digits, training)
    assert len(moved.canvas.inputs.unique()) > 16


def test_smaller_bases_are_more_of_them_in_the_same_bytes(digits):
    whole, half = (_kept(digits, PerClass(2), mixtures=3, downsample=factor, steps=0) for factor in (1, 2))
    assert half.canvas_bytes <= _kept(digits, PerClass(2), steps=0).canvas_bytes
    assert len(half.canvases["main"].inputs) > len(whole.canvases["main"].inputs)
    assert half.canvases["main"].inputs.shape[2:] == (4, 4)
    assert half.samples.inputs.shape == whole.samples.inputs.shape == (60, 1, 8, 8)


def test_smaller_bases_are_of_mixtures_of_images(wine):
    with pytest.raises(SettingError, match="of the bases of mixtures"):
        PerformanceMatching(downsample=2)
    with pytest.raises(SettingError, match="downsample is for images"):
        _kept(wine, PerClass(4), mixtures=2, downsample=2)


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("own_labels", [False, True])
def test_a_budget_of_bytes_holds_four_bits_with_their_levels(digits, soft, own_labels):
    settings = {"formation": 2, "own_labels": True} if own_labels else {}
    memory = _kept(digits, Bytes(3000), coarse=True, label_rate=0.01 * soft, steps=0, **settings)
    assert 2200 < memory.canvas_bytes <= 3000


def test_a_tile_may_have_a_label_of_its_own(digits):
    memory = _kept(digits, PerClass(1), formation=2, own_labels=True, label_rate=0.05, steps=3)
    assert memory.canvases["main"].targets.shape == (40, 10)
    first = memory.samples.targets[:4]
    assert float((first - first[0]).abs().max()) > 1e-3
