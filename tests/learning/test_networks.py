"""What every architecture must do."""

import pytest
import torch

from engram.data.metrics import Metric
from engram.data.task import Task
from engram.errors import SettingError
from engram.learning.fitting import fit
from engram.learning.network import initialise, model_of
from engram.learning.networks.convnet import ConvNet
from engram.learning.networks.decomposed_linear import DecomposedLinear
from engram.learning.networks.fcn import FCN
from engram.learning.networks.inception_time import InceptionTime
from engram.learning.networks.random_convolutions import RandomConvolutions
from engram.learning.networks.resnet import ResNet
from engram.learning.training import Training
from engram.samples.synthetic import Synthetic
from engram.spec import load, names

ALL = [load("networks", name) for name in names("networks") if name != "custom"]
TASK = Task((1, 8, 8), 3, Metric.ACCURACY)
SERIES = Task((2, 40), 3, Metric.ACCURACY)


def small(cls):
    """A small network of an architecture, and a task of a shape that it reads."""
    if cls is ConvNet:
        return ConvNet(width=8, depth=2), TASK
    network = cls() if cls is DecomposedLinear else cls(width=8)
    try:
        network.build(TASK.shape, 3)
    except SettingError:
        return network, SERIES
    return network, TASK


@pytest.mark.parametrize("cls", ALL)
def test_it_builds_learns_and_repeats(cls):
    network, task = small(cls)
    x = torch.randn(9, *task.shape, generator=torch.Generator().manual_seed(0))
    y = torch.eye(3)[torch.arange(9) % 3] - 1 / 3
    one, two = (fit(Training.default(network, steps=40), task, {"main": Synthetic(x, y)}, [0, 1]) for _ in range(2))
    assert all(torch.equal(one.params[k], two.params[k]) for k in one.params)
    assert one.outputs(x).shape == (2, 9, 3)
    assert (one.outputs(x).argmax(-1) == y.argmax(-1)).float().mean() > 0.8


@pytest.mark.parametrize("cls", ALL)
def test_outputs_are_the_head_on_the_features(cls):
    network, task = small(cls)
    model, params = model_of(network, task), initialise(network, task, 0)
    x = torch.randn(4, *task.shape)
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


def test_halving_is_average_pooling():
    from engram.learning.networks.convnet import Halve

    for size in (8, 7):
        for dtype, near in ((torch.float64, 1e-15), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)):
            x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0)).to(dtype).requires_grad_()
            found, expected = Halve()(x), torch.nn.functional.avg_pool2d(x, 2)
            assert found.dtype == dtype
            torch.testing.assert_close(found, expected, atol=near, rtol=near)
            weight = torch.randn(found.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
            slopes = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (found, expected)]
            torch.testing.assert_close(*slopes, atol=near, rtol=near)


def test_kernels_have_no_sum_unit_norm_and_few_channels():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = RandomConvolutions(width=64, length=5).build((4, 33), 2)
    assert [layer.dilation for layer in net.embed.kernels] == [(1,), (2,), (4,), (8,)]
    for layer in net.embed.kernels:
        assert layer.weight.sum(-1).abs().max() < 1e-5
        assert torch.allclose(layer.weight.flatten(1).norm(dim=1), torch.ones(16))
        seen = (layer.weight != 0).any(-1).sum(1)
        assert seen.min() == 1
        assert seen.max() > 2
    # A shift of the whole series changes nothing but what stands at its ends.
    x = torch.randn(3, 4, 200)
    inner = lambda x: net.embed.kernels[3](x)[..., 40:-40]  # noqa: E731
    assert torch.allclose(inner(x), inner(x + 5), atol=1e-4)


def test_of_fixed_features_only_a_readout_is_learnt_from_all_rows_too():
    from engram import load_problem
    from engram.distillation import defaults
    from engram.evaluation.ceiling import train_full

    problem = load_problem("cylinder-bell-funnel:rows=90")
    network = RandomConvolutions(width=16)
    full = train_full(problem, network, [0], 100)
    drawn = initialise(network, problem.task, 0)
    assert all(torch.equal(full.fitted.params[k][0], drawn[k]) for k in drawn if not k.startswith("head."))
    assert float(full.select.mean()) > 0.7
    assert defaults.training(problem, network).phases[0].solver.steps == 0
    assert defaults.training(problem, FCN()).phases[0].solver.steps > 0


def test_networks_of_series_refuse_what_is_none():
    for network in (RandomConvolutions(), FCN(), InceptionTime(), DecomposedLinear()):
        with pytest.raises(SettingError, match="reads time series"):
            network.build((5,), 2)
    for made in (lambda: RandomConvolutions(length=4), lambda: FCN(width=9), lambda: InceptionTime(depth=0)):
        with pytest.raises(SettingError, match="takes"):
            made()
