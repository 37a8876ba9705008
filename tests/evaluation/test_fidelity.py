"""The learning process beside that of all data, and a process that is the same, found so."""

import pytest
import torch

from engram import PerClass, distill
from engram.evaluation.fidelity import fidelity
from engram.learning.networks.mlp import MLP
from engram.numerics.subspaces import feature_alignment


def test_features_are_alike_up_to_rotation_and_scale_alone():
    x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0]
    assert float(feature_alignment(x, 3 * x @ turn + 5)) == pytest.approx(1, abs=1e-5)
    other = torch.randn(60, 8, generator=torch.Generator().manual_seed(2))
    assert float(feature_alignment(x, other)) < 0.4
    # Rows fewer than features: by their products, the same number.
    wide = torch.randn(60, 100, generator=torch.Generator().manual_seed(3))
    y = x - x.mean(0)
    w = wide - wide.mean(0)
    by_hand = (y.T @ w).square().sum() / ((y.T @ y).norm() * (w.T @ w).norm())
    assert float(feature_alignment(x, wide)) == pytest.approx(float(by_hand), rel=1e-4)


def test_both_begin_as_one_network_and_rows_of_the_data_teach_as_the_data_do(digits):
    network = MLP(width=64)
    many = distill(digits, "random", budget=PerClass(60), network=network)
    few = distill(digits, "random", budget=PerClass(1), network=network)
    found, poor = (fidelity(memory, digits, [0, 1], points=4) for memory in (many, few))
    assert found.features[0] == pytest.approx(1, abs=1e-5)
    assert len(found.features) == len(found.steps)
    assert found.features[-1] > poor.features[-1] + 0.05
    assert found.agreement[-1] > poor.agreement[-1]
