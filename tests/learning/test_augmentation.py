"""One drawn transformation is the same for every batch that sees it, differentiable, and does what its name says."""

import pytest
import torch

from engram.errors import SettingError
from engram.learning.augmentation import augmentation
from engram.random import stream

KINDS = ("color", "crop", "cutout", "flip", "scale", "rotate")


def images(count=3, channels=1, size=8):
    return torch.randn(count, channels, size, size, generator=stream(0, "images"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_draw_is_siamese_repeats_and_differentiates(kind):
    drawn = augmentation(kind).draw(stream(5, "augment"))
    x = images(channels=3)
    assert torch.equal(drawn(x), drawn(x)), "the same at every call"
    assert torch.allclose(drawn(x)[1], drawn(x[1:2])[0], atol=1e-6), "the same for every image of every batch"
    assert drawn(x).shape == x.shape
    others = [augmentation(kind).draw(stream(seed, "augment"))(x) for seed in range(10)]
    assert any(not torch.allclose(drawn(x), other) for other in others)
    free = x.clone().requires_grad_()
    drawn(free).square().sum().backward()
    assert torch.isfinite(free.grad).all()
    assert float(free.grad.abs().sum()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_image_may_have_its_own(kind):
    x = images(1, 3).expand(16, 3, 8, 8)
    found = augmentation(kind).draw(stream(1, "augment"), 16)(x)
    assert len({tuple(image.flatten().tolist()) for image in found}) > 1


def test_kinds_do_what_their_names_say():
    x = images(4)
    crop = augmentation("crop").draw(stream(2, "augment"))(x)
    shifts = [
        torch.allclose(crop[:, :, 1 + v : 7 + v, 1 + u : 7 + u], x[:, :, 1:7, 1:7], atol=1e-5)
        for u in (-1, 0, 1)
        for v in (-1, 0, 1)
    ]
    assert sum(shifts) == 1, "whole pixels, at most an eighth of a side"
    hole = augmentation("cutout").draw(stream(2, "augment"))(x)
    assert set(torch.unique((hole == x) | (hole == 0)).tolist()) == {True}
    assert 4 <= int((hole[0] == 0).sum()) <= 16
    angle = augmentation("rotate").draw(stream(2, "augment"))
    ring = torch.zeros(1, 1, 9, 9)
    ring[0, 0, 4, 4] = 1
    assert float(angle(ring)[0, 0, 4, 4]) == pytest.approx(1, abs=1e-5), "about the middle"
    flat = torch.full((2, 1, 8, 8), 0.3)
    assert torch.allclose(augmentation("flip").draw(stream(1, "a"), 2)(flat), flat)


def test_nothing_and_unknown_kinds():
    x = images()
    assert augmentation("").draw(stream(0))(x) is x
    with pytest.raises(SettingError, match="rotate"):
        augmentation("crop_rotat")


def test_global_randomness_is_not_touched():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    augmentation("_".join(KINDS)).draw(stream(0), 3)(images())
    assert torch.equal(before, torch.random.get_rng_state())
