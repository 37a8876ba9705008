"""Foreign learners: who judges, what they are given, and how much of it counts."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import engram
from engram.data.problem import Problem
from engram.errors import SettingError, UnknownNameError
from engram.evaluation.baselines import Baselines
from engram.evaluation.learners import LEARNERS, learner_names, score_estimator
from engram.evaluation.panel import coresets_win
from engram.evaluation.protocol import Protocol, row_names
from engram.evaluation.scores import Panel, Row, portability, sign, summarise
from engram.memory.lesson import Lesson

SHORT = {"full_steps": 5, "baselines": False}


@pytest.fixture(scope="module")
def memory(wine):
    return engram.distill(wine, budget=engram.PerClass(2), steps=20)


def row(*runs):
    return Row(tuple(runs), 1, 1, 0.0)


def panel(engram_runs, random, centres, name="forest"):
    return Panel({name: {"engram": row(*engram_runs), "random_bytes": row(*random), "k_means_bytes": row(*centres)}})


def test_gain_is_paired_and_over_the_better_baseline():
    found = panel((0.9, 0.8, 0.7), (0.5, 0.5, 0.5), (0.8, 0.7, 0.6))
    assert found.gain("forest")["runs"] == [0.1, 0.1, 0.1]
    assert found.portability == 1.0, "every pair gains, however much the seeds differ"
    assert panel((0.6, 0.8), (0.5, 0.5), (0.8, 0.6)).portability == 0.5, "a tie counts half"
    lost = panel((0.5, 0.6), (0.5, 0.5), (0.8, 0.9))
    assert lost.portability == 0.0
    assert coresets_win(lost.gains) == ["forest"]
    assert coresets_win(panel((0.5, 0.6), (0.5, 0.5), (0.8, 0.9), "linear").gains) == []


def test_a_learner_that_could_not_learn_counts_as_nothing():
    assert panel((float("nan"),) * 2, (0.5, 0.6), (0.4, 0.4)).portability == 0.0
    assert panel((0.5, 0.6), (float("nan"),) * 2, (float("nan"),) * 2).portability == 1.0
    assert sign({"mean": 1.0, "sem": None}) == 0
    assert portability([{"mean": 1.0, "sem": 0.1}, {"mean": -1.0, "sem": 0.1}, {"mean": 0.0, "sem": 0.1}]) == 0.5


def test_evaluate_has_a_panel_unless_it_is_not_wanted(memory, wine):
    scores = engram.evaluate(memory, wine, Protocol(seeds=2, **SHORT))
    for name in ("engram", "full"):
        recall, shares = scores.rows[name].recall, torch.bincount(wine.test.targets) / len(wine.test)
        # Weighed by the classes' rows, recall is accuracy.
        assert float((torch.tensor(recall) * shares).sum()) == pytest.approx(summarise(scores.rows[name].runs)["mean"])
    assert list(scores.panel.rows) == ["linear", "1-nn", "svm", "mlp", "forest"]
    assert all(len(row.runs) == 2 for own in scores.panel.rows.values() for row in own.values())
    assert scores.panel.rows["linear"]["k_means_bytes"].runs[0] > 0.8
    assert json.dumps(scores.panel.as_json())
    assert engram.evaluate(memory, wine, Protocol(seeds=1, panel="none", **SHORT)).panel is None
    more = engram.evaluate(memory, wine, Protocol(seeds=1, panel="none", judges=("bayes", "extra-trees"), **SHORT))
    assert list(more.panel.rows) == ["bayes", "extra-trees"]


def test_an_evaluation_goes_on_after_the_learners_that_are_known(memory, wine):
    protocol = Protocol(seeds=2, **SHORT)
    kept = {}
    whole = engram.evaluate(memory, wine, protocol, keep=lambda name, found: kept.update({name: found}))
    assert set(kept) == set(row_names(protocol, memory, wine))
    kept["svm by engram"] = row(0.0, 0.0)
    again = engram.evaluate(memory, wine, protocol, known=kept)
    assert again.panel.rows["svm"]["engram"].runs == (0.0, 0.0)
    assert again.panel.rows["mlp"] == whole.panel.rows["mlp"]


def test_regression_and_images_have_learners_of_their_own(diabetes):
    numbers = engram.distill(diabetes, budget=engram.Items(8), steps=5)
    found = engram.evaluate(numbers, diabetes, Protocol(seeds=1, panel="full", **SHORT)).panel
    assert list(found.rows) == ["linear", "1-nn", "svm", "mlp", "forest", "boosting"]
    assert all(np.isfinite(row.runs[0]) for own in found.rows.values() for row in own.values())
    rng = np.random.default_rng(0)
    images = Problem.from_arrays(rng.integers(0, 255, (60, 28, 28)).astype(np.uint8), np.arange(60) % 2)
    assert learner_names(images, "full") == ["field", "field-soft", "field-dsa", "convnet-adam", "convnet-group", "mlp-sgd", "resnet"]  # fmt: skip
    assert learner_names(images, "quick", ("1-nn",)) == ["convnet", "mlp-sgd", "1-nn"]


def test_wrong_names_are_refused(memory, wine):
    with pytest.raises(UnknownNameError, match="did you mean forest"):
        engram.evaluate(memory, wine, Protocol(judges=("forst",)))
    with pytest.raises(SettingError, match="choose none, quick or full"):
        Protocol(panel="all")


def test_networks_learn_by_their_recipe_from_what_they_are_given(digits):
    memory = engram.distill(digits, budget=engram.PerClass(1), steps=5)
    lesson = Lesson.of(memory)
    found = LEARNERS["convnet"].judge([lesson], digits, [0], digits.select)
    assert found[0] > 0.5
    upside_down = replace(lesson, targets=lesson.targets.flip(0), probabilities=lesson.probabilities.flip(0))
    assert LEARNERS["convnet"].judge([upside_down], digits, [0], digits.select)[0] < 0.3
    assert LEARNERS["mlp-sgd"].judge([lesson, upside_down], digits, [0, 0], digits.select)[0] > 0.5


def test_one_class_alone_is_no_lesson(wine, memory):
    lesson = replace(Lesson.of(memory), targets=torch.zeros(6, dtype=torch.int64))
    assert np.isnan(LEARNERS["linear"].judge([lesson], wine, [0], wine.select)[0])


def test_categories_are_whole_in_a_lesson(rng):
    import pandas as pd

    frame = pd.DataFrame({"size": rng.normal(size=80), "town": ["a", "b"] * 40, "t": [0, 1] * 40})
    problem = Problem.from_frame(frame, "t")
    memory = engram.distill(problem, budget=engram.PerClass(2), steps=20)
    towns = Lesson.of(memory).inputs[:, 1:]
    assert set(towns.flatten().tolist()) == {0.0, 1.0}
    assert set(memory.samples.inputs[:, 1:].flatten().tolist()) != {0.0, 1.0}


def test_equal_baselines_are_trained_once(memory, wine):
    hard = replace(memory, canvases={"main": replace(memory.canvases["main"], targets=memory.samples.targets.argmax(1), classes=3)})  # fmt: skip
    found = Baselines(hard, wine, hard.training, (0, 1))
    assert found.items("k_means") == found.items("k_means_bytes") == 6
    assert found.row("k_means") is found.row("k_means_bytes")
    assert found.canvases("herding")[0] is found.canvases("herding")[1]


def test_a_wrong_learner_is_refused_before_any_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean forest"):
        engram.run("wine", judges=("forst",))
    with pytest.raises(SettingError, match="choose none, quick or full"):
        engram.run("wine", panel="all")
    assert not list(tmp_path.iterdir()), "nothing was distilled or written"


def test_estimators_without_probabilities_are_ranked_by_their_margins():
    """An area under a curve of hard answers would be far below that of the margins behind them."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.svm import SVC

    problem = engram.load_problem("breast-cancer", metric="auroc")
    x, y = problem.train.inputs.numpy(), problem.train.targets.numpy()
    for model in (RidgeClassifier(), SVC()):
        model.fit(x[:60], y[:60])
        margins = model.decision_function(problem.test.inputs.numpy())
        assert score_estimator(model, problem, problem.test) == pytest.approx(
            roc_auc_score(problem.test.targets.numpy(), margins), abs=1e-5
        )
