"""Series as their low frequencies."""

import numpy as np
import pytest
import scipy.fft
import torch

import engram
from engram.errors import SettingError
from engram.samples.canvas.spectrum import Spectrum


def test_coefficients_are_the_cosine_transform_of_the_samples():
    x = torch.randn(4, 2, 16, generator=torch.Generator().manual_seed(0))
    canvas = Spectrum.of(x, torch.tensor([0, 1]), 2, 2)
    expected = scipy.fft.dct(x.numpy(), norm="ortho")[..., :8]
    assert np.allclose(canvas.inputs, expected, atol=1e-5)
    decoded = canvas.decode()
    assert np.allclose(scipy.fft.dct(decoded.inputs.numpy(), norm="ortho")[..., 8:], 0, atol=1e-5)
    assert decoded.targets.argmax(1).tolist() == [0, 0, 1, 1]
    assert torch.allclose(Spectrum.of(x, torch.zeros(4, 2), 1, 0).decode().inputs, x, atol=1e-5)


def test_twice_the_series_cost_the_bytes_of_one(tmp_path):
    problem = engram.load_problem("cylinder-bell-funnel:rows=90")
    plain, halved = (
        engram.distill(problem, f"performance-matching:formation={f},steps=3", network="random-convolutions:width=16")
        for f in (1, 2)
    )
    assert (plain.items, halved.items) == (3, 6)
    assert halved.canvas_bytes == plain.canvas_bytes
    halved.save(tmp_path / "h.engram")
    again = engram.load(tmp_path / "h.engram")
    assert torch.equal(again.samples.inputs, halved.samples.inputs)


@pytest.mark.parametrize(
    ("shape", "labels", "length", "factor"),
    [((4, 8), 2, 8, 2), ((4, 1, 9), 2, 8, 2), ((4, 1, 8), 3, 8, 2), ((3, 1, 8), 2, 8, 2)],
)
def test_sizes_that_do_not_go_together_are_refused(shape, labels, length, factor):
    with pytest.raises(SettingError):
        Spectrum(torch.zeros(shape), torch.zeros(labels, 2), length, factor)
