"""Metrics against scikit-learn's own, and where they are chosen."""

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    d2_absolute_error_score,
    f1_score,
    r2_score,
    roc_auc_score,
)

from engram.data.metrics import Metric, metric_of, row_losses, score
from engram.errors import SettingError


@pytest.mark.parametrize(("classes", "ties"), [(2, False), (2, True), (4, False)])
def test_scores_of_classes_are_scikit_learns(rng, classes, ties):
    outputs = torch.from_numpy(rng.normal(size=(3, 90, classes)).astype(np.float32))
    if ties:
        outputs = outputs.round()
    y = torch.from_numpy(rng.choice(classes, 90, p=np.arange(1, classes + 1) / sum(range(1, classes + 1))))
    for one, found in zip(outputs.double(), score(Metric.AUROC, outputs, y), strict=True):
        p = one.softmax(-1).numpy()
        expected = roc_auc_score(y, p[:, 1] if classes == 2 else p, multi_class="ovr")
        assert float(found) == pytest.approx(expected, abs=1e-6)
    for metric, other in (
        (Metric.ACCURACY, accuracy_score),
        (Metric.BALANCED_ACCURACY, balanced_accuracy_score),
        (Metric.F1, lambda a, b: f1_score(a, b, average="macro")),
    ):
        for one, found in zip(outputs, score(metric, outputs, y), strict=True):
            assert float(found) == pytest.approx(other(y, one.argmax(1)), abs=1e-6)


def test_scores_of_numbers_are_scikit_learns_and_the_means_of_their_rows(rng):
    y, found = (torch.from_numpy(rng.normal(size=(51, 2)).astype(np.float32)) for _ in range(2))
    for metric, other in ((Metric.R2, r2_score), (Metric.MAE, d2_absolute_error_score)):
        assert float(score(metric, found, y)) == pytest.approx(other(y, found), abs=1e-5)
        assert float(row_losses(metric, found, y).mean()) == pytest.approx(1 - other(y, found), abs=1e-5)


def test_a_problem_is_weighed_by_the_metric_that_chooses(digits, diabetes):
    assert digits.scored_by("balanced-accuracy").train.class_weights is not None
    assert digits.scored_by("balanced accuracy").scored_by("accuracy").train.class_weights is None
    assert diabetes.scored_by("mae").task.metric is Metric.MAE


@pytest.mark.parametrize(("word", "classes"), [("auroc", False), ("r2", True), ("precision", True)])
def test_metrics_of_the_other_task_are_refused_with_those_that_fit(word, classes):
    with pytest.raises(SettingError, match="choose accuracy" if classes else "choose r2, mae"):
        metric_of(word, classes)
