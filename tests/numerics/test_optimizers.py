"""Pure steps against torch.optim, alone and stacked."""

import pytest
import torch

from engram.errors import SettingError
from engram.numerics.optimizers import SGD, Adam

PAIRS = [
    (SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (SGD(0.1, momentum=0.9, decay=0.01), lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01)),
    (Adam(0.1), lambda p: torch.optim.Adam(p, 0.1)),
    (Adam(0.1, decay=0.1), lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1)),
]


@pytest.mark.parametrize(("own", "theirs"), PAIRS)
def test_steps_agree_with_torch(own, theirs):
    start = torch.randn(4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.arange(4.0, dtype=torch.float64)
    params, other = {"w": start.clone()}, start.clone().requires_grad_()
    state, optimizer = own.init(params), theirs([other])
    for _ in range(5):
        params, state = own.step(params, {"w": 2 * (params["w"] - target)}, state)
        optimizer.zero_grad()
        (other - target).square().sum().backward()
        optimizer.step()
    assert torch.allclose(params["w"], other, atol=1e-7)


@pytest.mark.parametrize("own", [SGD(0.1, momentum=0.5), Adam(0.1)])
def test_stacked_networks_step_alone(own):
    params = {"w": torch.tensor([[1.0, 2.0], [3.0, -1.0]])}
    grads = {"w": torch.tensor([[0.5, 1.0], [-2.0, 4.0]])}
    together, state = own.step(params, grads, own.init(params, 2))
    together, _ = own.step(together, grads, state)
    for k in range(2):
        alone = {"w": params["w"][k]}
        moments = own.init(alone)
        for _ in range(2):
            alone, moments = own.step(alone, {"w": grads["w"][k]}, moments)
        assert torch.allclose(alone["w"], together["w"][k])


@pytest.mark.parametrize(
    "make", [lambda: SGD(rate=0), lambda: SGD(momentum=1.0), lambda: Adam(beta1=-0.1), lambda: Adam(epsilon=0)]
)
def test_settings_out_of_range(make):
    with pytest.raises(SettingError, match="it takes"):
        make()
