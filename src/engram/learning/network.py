"""Networks as specifications: a frozen value builds a module whose output is a linear head on features."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..data.task import Task
from ..errors import NetworkError, SettingError
from ..numerics.optimizers import Params
from ..random import isolated

__all__ = [
    "Model",
    "Net",
    "Network",
    "activation",
    "image_shape",
    "initialise",
    "large_image",
    "model_of",
    "series_shape",
]

_LARGE = 28 * 28


class Network(Protocol):
    """An architecture, a frozen value. Initialisers may draw from the global generator: `initialise` isolates it.

    One whose features are meant to stay as they were drawn says ``fixed_features = True``: of it only a readout is learnt.
    """

    def __hash__(self) -> int: ...

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """A module for inputs of this shape, whose forward takes `features=True` to stop before the head."""
        ...


class Net(nn.Module):
    r"""A module in two parts: :math:`f(x) = W\,\phi(x) + b`.

    Args:
        embed: inputs to features (N, F).
        head: the linear readout.
    """

    head_name = "head"

    def __init__(self, embed: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.embed = embed
        self.head = head

    def forward(self, inputs: Tensor, features: bool = False) -> Tensor:
        """Outputs (N, C), or features (N, F)."""
        embedded: Tensor = self.embed(inputs)
        return embedded if features else self.head(embedded)


@dataclass(frozen=True, eq=False)
class Model:
    """A module as a pure function of its parameters.

    Args:
        module: the skeleton in evaluation mode; its own parameters are never read.
        learner: the skeleton in training mode, for steps of training (dropout is on).
        head: prefix of the readout's parameters.
        tied: names that share another name's parameter.
    """

    module: nn.Module
    learner: nn.Module
    head: str
    tied: Mapping[str, str]

    def outputs(self, params: Params, inputs: Tensor, training: bool = False, half: bool = False) -> Tensor:
        """Outputs (N, C); at `half` precision if images are large and the device has it."""
        return self._call(params, inputs, training=training, half=half)

    def features(self, params: Params, inputs: Tensor, half: bool = False) -> Tensor:
        """What the readout reads (N, F); at `half` precision if images are large and the device has it."""
        return self._call(params, inputs, features=True, half=half)

    @property
    def width(self) -> int:
        """Number of features F that the readout reads."""
        return int(dict(self.module.named_parameters(remove_duplicate=False))[f"{self.head}.weight"].shape[1])

    def _call(
        self, params: Params, inputs: Tensor, training: bool = False, features: bool = False, half: bool = False
    ) -> Tensor:
        # A readout that shares its weights with another layer stands alone once it is fitted in closed form.
        full = {alias: params[name] for alias, name in self.tied.items() if alias not in params} | params
        module = self.learner if training else self.module
        half = half and large_image(inputs.shape[1:]) and _has_bfloat16(inputs.device.type)
        if half and inputs.device.type == "cpu" and not any(isinstance(m, nn.GroupNorm) for m in module.modules()):
            # Channels last is slower where norms stand between convolutions; under `vmap`, as on a GPU, it is not known.
            last = torch.channels_last
            inputs = inputs.contiguous(memory_format=last)
            full = {k: v.contiguous(memory_format=last) if v.ndim == 4 else v for k, v in full.items()}
        with torch.autocast(inputs.device.type, torch.bfloat16) if half else nullcontext():
            result: Tensor = functional_call(
                module, full, (inputs,), {"features": True} if features else {}, tie_weights=False
            )
        return result.float() if half else result

    def with_readout(self, params: Params, readout: Tensor) -> Params:
        """Put a readout (F + 1, C), its last row the bias, in place of the head's."""
        weight, bias = f"{self.head}.weight", f"{self.head}.bias"
        if bias not in params:
            raise NetworkError(f"the readout {self.head!r} has no bias, which the closed-form readout needs")
        return params | {weight: readout[..., :-1, :].mT, bias: readout[..., -1, :]}

    def first_layer(self) -> tuple[str, ...]:
        """Names of the parameters of the layer that reads the inputs."""
        layer = next(self.module.named_parameters())[0].rpartition(".")[0]
        return self._layer(layer)

    def readout(self) -> tuple[str, ...]:
        """Names of the readout's parameters."""
        return self._layer(self.head)

    def _layer(self, prefix: str) -> tuple[str, ...]:
        return tuple(key for key, _ in self.module.named_parameters() if key.rpartition(".")[0] == prefix)


@lru_cache(maxsize=32)
def model_of(network: Network, task: Task) -> Model:
    """Build a network's skeleton for a task and check that it can be trained functionally.

    Args:
        network: the architecture.
        task: shape of inputs and number of outputs.

    Returns:
        The pure function.

    Raises:
        NetworkError: running statistics, no linear readout, wrong output shape.

    Example:
        >>> from engram.data.metrics import Metric
        >>> from engram.learning.networks.mlp import MLP
        >>> model_of(MLP(width=8), Task((3,), 2, Metric.ACCURACY)).readout()
        ('head.weight', 'head.bias')
    """
    with isolated(0, "skeleton"):
        module = network.build(task.shape, task.outputs)
    with isolated(1, "skeleton"):
        other = dict(network.build(task.shape, task.outputs).named_buffers())
    for name, buffer in module.named_buffers():
        if "running_" not in name and "num_batches" not in name and not torch.equal(buffer, other[name]):
            raise NetworkError(
                f"buffer {name!r} is drawn at random, and would be the same in every network: use a parameter"
            )
    for name, part in module.named_modules():
        if getattr(part, "track_running_stats", False):
            raise NetworkError(
                f"layer {name!r} ({type(part).__name__}) keeps running statistics, which change outside of training "
                "steps and cannot be differentiated through: use track_running_stats=False, or group or layer norm"
            )
    first = {id(value): name for name, value in reversed([*module.named_parameters(remove_duplicate=False)])}
    every = dict(module.named_parameters(remove_duplicate=False))
    tied = {name: first[id(value)] for name, value in every.items() if first[id(value)] != name}
    return Model(deepcopy(module).eval(), module.train(), str(module.head_name), tied)


def initialise(network: Network, task: Task, seed: int, *names: str | int) -> Params:
    """Draw fresh parameters from one stream.

    Args:
        network: the architecture.
        task: shape of inputs and number of outputs.
        seed: the run's seed.
        names: the purpose.

    Returns:
        Parameters by name; shared ones once.

    Example:
        >>> from engram.data.metrics import Metric
        >>> from engram.learning.networks.mlp import MLP
        >>> sorted(initialise(MLP(width=8), Task((3,), 2, Metric.ACCURACY), 0, "demo"))[:2]
        ['embed.0.bias', 'embed.0.weight']
    """
    with isolated(seed, "initialise", *names):
        module = network.build(task.shape, task.outputs)
    return {key: value.detach().clone() for key, value in module.named_parameters()}


def large_image(shape: Sequence[int]) -> bool:
    """Whether inputs of this shape are images of 28 by 28 pixels or more.

    Their convolutions fill a core by themselves, and gain by half precision.
    """
    return len(shape) == 3 and shape[1] * shape[2] >= _LARGE


def activation(name: str) -> Any:
    """The activation module of this name."""
    return {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "silu": nn.SiLU}[name]()


@lru_cache(maxsize=4)
def _has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 numbers itself."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    asked = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device == "cpu" and asked is not None and bool(asked())


def image_shape(shape: tuple[int, ...], network: str) -> tuple[int, int, int]:
    """Check that inputs are images (channels, height, width)."""
    if len(shape) != 3:
        raise SettingError(f"{network} reads images; these inputs have shape {shape}: use mlp or two-layer")
    return shape[0], shape[1], shape[2]


def series_shape(shape: tuple[int, ...], network: str) -> tuple[int, int]:
    """Check that inputs are series (channels, length)."""
    if len(shape) != 2:
        raise SettingError(
            f"{network} reads time series; these inputs have shape {shape}: pass --kind series, or use mlp"
        )
    return shape[0], shape[1]
