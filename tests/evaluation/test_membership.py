"""The attack finds what is there, and nothing where nothing is."""

import math

import pytest
import torch

from engram.errors import SettingError
from engram.evaluation.membership import Attack, attack, confidence, likelihood_ratios


def halves(shadows, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(rows, generator=generator) < rows // 2 for _ in range(shadows)])


def test_members_that_shine_are_all_found():
    inside = halves(8, 400)
    noise = torch.randn(8, 400, generator=torch.Generator().manual_seed(1))
    found = attack(noise + 20 * inside, inside)
    assert min(found.area) > 0.999
    assert min(found.found[0.01]) > 0.99
    assert found.leaks


def test_noise_gives_chance():
    inside = halves(16, 2000)
    found = attack(torch.randn(16, 2000, generator=torch.Generator().manual_seed(2)), inside)
    assert abs(sum(found.area) / 16 - 0.5) < 0.01
    assert abs(sum(found.found[0.1]) / 16 - 0.1) < 0.01
    assert not found.leaks


def test_each_rows_own_level_is_what_tells():
    """Rows differ far more than membership does: one threshold for all is chance, that of each row is not."""
    generator = torch.Generator().manual_seed(3)
    inside = halves(16, 1000)
    level = 10 * torch.randn(1000, generator=generator)
    scores = level + 2 * inside + 0.5 * torch.randn(16, 1000, generator=generator)
    assert sum(attack(scores, inside).area) / 16 > 0.95
    member, other = scores[0][inside[0]], scores[0][~inside[0]]
    assert float((member[:, None] > other).double().mean()) < 0.62


def test_the_ratio_is_that_of_normal_densities():
    scores = torch.tensor([[2.0], [1.0], [3.0], [0.0], [-1.0], [1.0]])
    inside = torch.tensor([[True], [True], [True], [False], [False], [False]])
    ratio = float(likelihood_ratios(scores, inside)[0, 0])
    # Of the others: members 1 and 3, strangers 0, -1 and 1.
    wanted = -0.5 * ((2 - 2) / math.sqrt(2)) ** 2 - math.log(math.sqrt(2)) + 0.5 * (2 - 0) ** 2
    assert ratio == pytest.approx(wanted)


def test_fine_rates_need_many_rows():
    inside = halves(4, 20_100)
    assert 0.001 in attack(torch.randn(4, 20_100), inside).found
    assert 0.001 not in attack(torch.randn(4, 900), halves(4, 900)).found
    with pytest.raises(SettingError, match="at least 4"):
        attack(torch.randn(3, 10), halves(3, 10))


def test_ties_are_one_threshold():
    inside = halves(4, 100)
    found = attack(torch.zeros(4, 100), inside)
    assert found.area == pytest.approx((0.5,) * 4)
    assert found.found[0.1] == (0.0,) * 4


def test_confidence_of_numbers_falls_with_the_error():
    said = confidence(torch.tensor([[1.0], [1.5], [3.0]]), torch.ones(3, 1))
    assert said[0] > said[1] > said[2]


def test_one_shadow_that_is_lucky_is_no_leak():
    assert not Attack((0.5, 0.5, 0.5, 0.9), {0.01: (0.01, 0.01, 0.01, 0.2)}).leaks
    assert Attack((0.6, 0.61, 0.6, 0.62), {0.01: (0.01,) * 4}).leaks
