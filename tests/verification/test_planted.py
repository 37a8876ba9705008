"""A link planted in real inputs: known directions of white components, and nothing of the held-out rows in either."""

import pytest
import torch

from engram.errors import SettingError
from engram.verification.laboratory import Bench
from engram.verification.planted import Planted


@pytest.mark.parametrize(("inputs", "d"), [("digits", 16), ("breast-cancer", 8)])
def test_components_are_white_and_the_label_is_theirs(inputs, d):
    problem = Planted(inputs, d).load(0)
    x, y, _ = problem.train.batch(slice(None))
    # A fifth of the training rows chooses: covariances of the rest are white up to their draw.
    assert float((x.T @ x / len(x) - torch.eye(d)).abs().max()) < 0.6
    assert float((x.mT @ y).abs().max()) < 1e-2 * len(x), "the linear part is gone"
    assert problem.rank == 2
    basis = Planted(inputs, d).directions(0)
    assert torch.allclose(basis.T @ basis, torch.eye(2), atol=1e-6)
    assert float(basis[4:].abs().max()) == 0, "among the 2r strongest components"
    assert not torch.equal(basis, Planted(inputs, d).directions(1))
    again = Planted(inputs, d).load(0).train.batch(slice(None))[0]
    assert torch.equal(x, again)


def test_who_knows_the_subspace_learns_the_label():
    bench = Bench(Planted("photographs", 16), 0, 200)
    assert bench.true_subspace() < 0.3 < bench.random_features()


def test_normal_scores_take_the_shape_of_each_component_away():
    kurtosis = lambda task: task.load(0).train.batch(slice(None))[0].pow(4).mean(0)  # noqa: E731
    plain, normal = kurtosis(Planted("breast-cancer", 8)), kurtosis(Planted("breast-cancer", 8, normal=True))
    assert float(plain.max()) > 5
    assert float(normal.max()) < 3.8
    assert float(normal.min()) > 2.2


def test_more_directions_than_components_are_refused():
    with pytest.raises(SettingError, match="1 <= r <= d/2"):
        Planted("digits", 4, 3)
    with pytest.raises(SettingError, match="30 columns and d=40"):
        Planted("breast-cancer", 40).load(0)
