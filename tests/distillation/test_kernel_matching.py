"""Kernel matching: samples teach learners of other libraries, and stay what these can read."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier

import engram
from engram.distillation.combined import Combined
from engram.distillation.copies import copies
from engram.distillation.methods.kernel_matching import KernelMatching
from engram.distillation.methods.performance_matching import PerformanceMatching
from engram.errors import SettingError
from engram.memory.lesson import Lesson, probabilities
from engram.samples.budget import Precision


def accuracy(model, lesson, split):
    model.fit(lesson.inputs.flatten(1).numpy(), lesson.targets.numpy())
    return (model.predict(split.batch(slice(None))[0].flatten(1).numpy()) == split.targets.numpy()).mean()


def test_linear_models_and_neighbours_learn_more_than_from_centres(digits):
    start = Lesson.of(engram.distill(digits, KernelMatching(steps=0), budget=engram.PerClass(1)))
    taught = Lesson.of(engram.distill(digits, KernelMatching(steps=150), budget=engram.PerClass(1)))
    for model in (LogisticRegression(), KNeighborsClassifier(1)):
        gain = accuracy(model, taught, digits.select) - accuracy(model, start, digits.select)
        assert gain > 0.02, model


def test_numbers_move_and_agree_with_their_surroundings(diabetes):
    def distilled(agreement):
        method = KernelMatching(steps=200, rate=0.05, label_rate=0.05, agreement=agreement)
        return Lesson.of(engram.distill(diabetes, method, budget=engram.Items(8)))

    def apart(lesson):
        rows = diabetes.train.inputs
        near = torch.cdist(lesson.inputs, rows).topk(16, largest=False).indices
        return float((lesson.targets - diabetes.train.targets[near].mean(1)).square().mean())

    free, kept = distilled(0.0), distilled(3.0)
    assert apart(kept) < 0.6 * apart(free)
    model = Ridge().fit(kept.inputs, kept.targets)
    assert model.score(diabetes.select.inputs, diabetes.select.targets) > 0.2


def test_near_keeps_samples_by_rows_of_their_class(wine):
    def distance(near):
        method = KernelMatching(steps=100, rate=0.1, near=near)
        lesson = Lesson.of(engram.distill(wine, method, budget=engram.PerClass(2)))
        apart = torch.cdist(lesson.inputs, wine.train.inputs)
        return float(apart.masked_fill(lesson.targets[:, None] != wine.train.targets, torch.inf).min(1).values.mean())

    assert distance(10.0) < distance(0.0) - 0.1


def test_checkpoints_are_chosen_by_others_too(wine):
    both = Combined(terms=(PerformanceMatching(), KernelMatching()), weights=(1.0, 1.0), steps=4)
    state = both.init(wine, engram.distillation.defaults.training(wine), engram.PerClass(1), Precision.FLOAT32, 0)
    weight, found = both.others(both.export(state), wine)
    assert weight == 1.0
    assert 0.5 < found < 1
    assert replace(both, weights=(1.0, 0.2)).others(both.export(state), wine) == (0.2, pytest.approx(found))
    worse = {"main": state.canvas.with_free({"inputs": torch.zeros_like(state.canvas.inputs), "targets": state.canvas.targets})}  # fmt: skip
    assert both.others(worse, wine)[1] < found


def test_wide_images_have_one_kind_of_settings(rng):
    images = rng.integers(0, 255, (40, 16, 64)).astype(np.uint8)
    problem = engram.Problem.from_arrays(images, np.arange(40) % 2)
    own = engram.distillation.defaults.method(problem, "replay")
    assert own == PerformanceMatching(), (
        "below 28 pixels along one side they are small, as their network and training are"
    )
    assert engram.distillation.defaults.network(problem).width == 64


def test_what_is_wrong_is_said():
    with pytest.raises(SettingError, match="did you mean linear"):
        KernelMatching(learners="linaer")
    with pytest.raises(SettingError, match="temperature"):
        KernelMatching(temperature=0.0)


def test_probabilities_keep_the_class_and_their_temperature_is_chosen(digits, tmp_path):
    memory = engram.distill(digits, steps=3)
    assert memory.temperature in (0.0, 0.05, 0.1, 0.2, 0.4)
    again = engram.load(memory.save(tmp_path / "d.engram"))
    assert again.temperature == memory.temperature
    lesson = Lesson.of(again)
    assert torch.equal(lesson.probabilities.argmax(1), lesson.targets)
    soft = probabilities(torch.tensor([[0.3, 0.1, -0.4]]), 0.5)
    assert np.isclose(float(soft[0, 0] / soft[0, 1]), np.exp(0.4))


def test_rows_that_are_copied_are_told(wine):
    chosen = engram.distill(wine, "random", budget=engram.PerClass(4))
    assert copies(chosen, wine) == 12
    assert "its samples are rows of the data (12)" in chosen.provenance["notes"][-1]
    centres = engram.distill(wine, "k-means", budget=engram.PerClass(1))
    assert copies(centres, wine) == 0
    assert not any("give it away" in note for note in centres.provenance["notes"])
