"""Which directions samples hold, and where samples may start."""

import json
from dataclasses import replace

import pytest
import torch

import engram
from engram.data.intrinsic_dimension import dimension
from engram.data.sources.multi_index import MultiIndex
from engram.distillation import defaults
from engram.distillation.start import initial
from engram.evaluation.directions import directions
from engram.numerics.subspaces import overlap
from engram.samples.budget import Precision


def test_networks_taught_by_an_engram_respond_to_the_directions_of_the_task(wine):
    memory = engram.distill(wine, budget=engram.PerClass(1), steps=60)
    found = directions(memory, wine, [0, 1])
    assert found.dimension == 2
    assert found.engram_network > 0.9
    assert found.samples_data > 0.9 > 3 * found.chance
    noise = replace(memory, canvases={"main": memory.canvases["main"].with_free(
        {"inputs": torch.randn(3, 13), "targets": memory.samples.targets}
    )})  # fmt: skip
    assert directions(noise, wine, [0, 1]).engram_network < 0.8, "an engram of noise teaches others"


def test_two_phases_are_compared_on_their_own_training():
    problem = MultiIndex(d=15, r=2, rows=4000).load(0)
    memory = engram.distill(problem, "two-phase:steps=40,labels=60,networks=2", budget=engram.Items(8), network="two-layer:width=80,antithetic=true")  # fmt: skip
    found = directions(memory, problem, [0])
    assert found.dimension == 2
    assert min(found.samples_data, found.engram_network) > 0.7
    assert json.dumps(found.as_json())


def test_where_nothing_can_be_estimated_nothing_is_said(digits):
    noise = MultiIndex(d=10, r=2, rows=300, noise=100.0).load(0)
    memory = engram.distill(noise, budget=engram.Items(4), steps=2)
    assert directions(memory, noise, [0]) is None


@pytest.mark.parametrize("start", ["covariance", "pairs", "gradients"])
def test_samples_start_in_the_subspace(start, diabetes, wine):
    for problem, count, kinds in ((diabetes, 5, 1), (wine, 7, 3)):
        training, budget = defaults.training(problem), engram.Items(count)
        canvas, groups = initial(problem, budget, Precision.FLOAT32, start, True, 0, training)
        assert len(canvas.inputs) == len(groups) == count
        assert torch.isfinite(canvas.targets).all()
        if start == "gradients":
            continue
        basis = dimension(problem.train, 0).directions
        for group in range(kinds):
            x = problem.train.batch(problem.train.by_class[group])[0]
            moved = canvas.inputs[groups == group] - x.mean(0)
            moved = moved[moved.norm(dim=1) > 1e-5]
            assert not len(moved) or float(overlap(moved, basis).min()) > 0.999
            if start == "pairs" and len(moved) > 1:
                half = len(moved) // 2
                assert torch.allclose(moved[:half], -moved[half : 2 * half], atol=1e-5)
