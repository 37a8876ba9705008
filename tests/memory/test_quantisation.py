"""What is stored is what is scored: eight bits, four bits, sixteen."""

import pytest
import torch

from engram.errors import SettingError
from engram.memory.quantisation import restore, store
from engram.samples.budget import Precision


def test_four_bits_cost_half_a_byte_and_little_else():
    labels = torch.randn(2000, 1, generator=torch.Generator().manual_seed(0))
    codes, levels = store("main.coarse_targets", labels, Precision.FLOAT16)
    assert codes.dtype == torch.uint8
    assert codes.shape == (1000, 1)
    assert levels.element_size() * len(levels) == 32
    read = restore((codes, levels))
    assert read.shape == labels.shape
    # Max 1960: sixteen levels of a normal variable leave 0.0095 of its variance; equal steps would leave twice that.
    assert float((read - labels).square().mean() / labels.var()) < 0.0115
    again = store("main.coarse_targets", read, Precision.FLOAT16, levels)
    assert torch.equal(again[0], codes)


def test_few_distinct_labels_are_kept_as_they_are():
    labels = torch.tensor([[-0.5, 0.5], [0.5, -0.5], [0.25, -0.25], [-0.5, 0.5]])
    assert torch.equal(restore(store("coarse_targets", labels, Precision.UINT8)), labels)
    assert torch.equal(restore(store("coarse_targets", labels, Precision.FLOAT32)), labels)


def test_an_odd_number_of_labels_is_one_sentence():
    with pytest.raises(SettingError, match="pairs of rows; these are 3"):
        store("coarse_targets", torch.zeros(3, 1), Precision.FLOAT16)
