"""What every architecture must do."""

import pytest
import torch

from engram.data.metrics import Metric
from engram.data.task import Task
from engram.errors import SettingError
from engram.learning.fitting import fit
from engram.learning.network import initialise, model_of
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.resnet import ResNet
from engram.learning.training import Training
from engram.samples.synthetic import Synthetic
from engram.spec import load, names

ALL = [load("networks", name) for name in names("networks") if name != "custom"]
TASK = Task((1, 8, 8), 3, Metric.ACCURACY)


@pytest.mark.parametrize("cls", ALL)
def test_it_builds_learns_and_repeats(cls):
    network = cls(width=8) if cls is not ConvNet else ConvNet(width=8, depth=2)
    x = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.eye(3)[torch.arange(9) % 3] - 1 / 3
    one, two = (fit(Training.default(network, steps=40), TASK, {"main": Synthetic(x, y)}, [0, 1]) for _ in range(2))
    assert all(torch.equal(one.params[k], two.params[k]) for k in one.params)
    assert one.outputs(x).shape == (2, 9, 3)
    assert (one.outputs(x).argmax(-1) == y.argmax(-1)).float().mean() > 0.8


@pytest.mark.parametrize("cls", ALL)
def test_outputs_are_the_head_on_the_features(cls):
    network = cls(width=8) if cls is not ConvNet else ConvNet(width=8, depth=2)
    model, params = model_of(network, TASK), initialise(network, TASK, 0)
    x = torch.randn(4, 1, 8, 8)
    features = model.features(params, x)
    expected = features @ params["head.weight"].T + params["head.bias"]
    assert torch.allclose(model.outputs(params, x), expected, atol=1e-5)
    assert set(model.readout()) == {"head.weight", "head.bias"}
    assert model.first_layer()[0].startswith("embed.")


@pytest.mark.parametrize("norm", ["instance", "group", "layer", "none"])
def test_norms_and_pools(norm):
    for pool in ("average", "max"):
        network = ConvNet(width=16, depth=1, norm=norm, pool=pool)
        assert model_of(network, TASK).outputs(initialise(network, TASK, 0), torch.randn(2, 1, 8, 8)).shape == (2, 3)


def test_images_that_do_not_fit():
    for network, shape in ((ConvNet(depth=4), (1, 8, 8)), (ConvNet(), (5,)), (ResNet(), (5,))):
        with pytest.raises(SettingError, match="images"):
            network.build(shape, 2)
    with pytest.raises(SettingError, match="multiple of 8"):
        ConvNet(width=9, norm="group")


def test_halving_has_the_bits_of_average_pooling():
    from engram.learning.networks.convnet import Halve

    for size in (8, 7):
        for dtype in (torch.float32, torch.bfloat16):
            x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
            found, expected = Halve()(x), torch.nn.functional.avg_pool2d(x, 2)
            assert torch.equal(found, expected)
            weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
            assert torch.equal(*(torch.autograd.grad((y * weight).sum(), x)[0] for y in (found, expected)))
