"""The copula holds marginals, dependence and shares; what it must not hold is seen missing."""

import torch

from engram.numerics.copula import drawn, fit_loadings, fit_offsets, quantiles
from engram.random import stream


def _normal(count: int, size: int, name: str) -> torch.Tensor:
    return torch.randn(count, size, generator=stream(0, name))


def test_a_normal_column_needs_two_knots():
    column = 3 + 2 * _normal(20_000, 1, "column")
    again = drawn(_normal(20_000, 1, "again"), quantiles(column, 2))
    assert abs(float(again.mean()) - 3) < 0.1
    assert abs(float(again.std()) - 2) < 0.1


def test_a_heavy_tail_is_not_made_heavier():
    column = _normal(20_000, 1, "tail").mul(1.5).exp()
    again = drawn(_normal(20_000, 1, "again"), quantiles(column, 9))
    for chance in (0.1, 0.5, 0.9, 0.99):
        assert abs(float(again.quantile(chance).log() - column.quantile(chance).log())) < 0.25
    assert float(again.max()) < float(column.max()), "the largest value is nobody's"


def test_loadings_hold_what_columns_share():
    shared = _normal(8000, 1, "shared")
    rows = torch.cat([shared + 0.5 * _normal(8000, 3, "own"), _normal(8000, 2, "alone"), torch.ones(8000, 1)], 1)
    # A monotone change of a column is no change of its rank.
    found = fit_loadings(torch.cat([rows[:, :1].exp(), rows[:, 1:]], 1), 1)
    held = found @ found.mT
    truth = 1 / 1.25
    assert (held[:3, :3].fill_diagonal_(truth) - truth).abs().max() < 0.05
    assert held[3:].abs().max() < 0.05, "what is alone shares nothing, and a constant has no variance"


def test_offsets_give_categories_their_shares():
    shares = torch.tensor([0.7, 0.25, 0.05])
    normal = _normal(4096, 3, "liked")
    offsets = fit_offsets(shares, normal)
    again = (_normal(20_000, 3, "again") + offsets).argmax(1)
    found = torch.bincount(again, minlength=3) / 20_000
    assert (found - shares).abs().max() < 0.03
    assert (torch.bincount(normal.argmax(1), minlength=3) / 4096 - shares).abs().max() > 0.2, "without offsets"
