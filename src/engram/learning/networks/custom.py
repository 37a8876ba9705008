"""A network of the user's own: any module factory with a linear readout."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import NetworkError

__all__ = ["Custom"]


@dataclass(frozen=True)
class Custom:
    """Wrap a factory of `nn.Module`s; the artefact keeps its name, and needs the factory again to replay.

    Running statistics change outside of training steps, where nothing can be differentiated through them. Batch norms that saw data
    (pretrained networks) therefore keep their statistics for good, and fresh ones become group norms; a note says so.

    Args:
        factory: called without arguments, returns a fresh module for the problem's inputs and outputs.
        head: name of the linear readout inside the module, for instance ``"fc"`` or ``"classifier.3"``.
        name: what the artefact calls it; the factory's own name when empty.

    Raises:
        NetworkError: no factory, no such layer, or outputs that are not the readout's.

    Example:
        >>> custom = Custom(lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), head="2")
        >>> custom.build((3,), 2)(torch.zeros(1, 3), features=True).shape
        torch.Size([1, 8])
    """

    factory: Callable[[], nn.Module] | None = field(default=None, repr=False)
    head: str = "head"
    name: str = ""

    def stored_fields(self) -> dict[str, Any]:
        """What a file keeps: never the code."""
        return {"head": self.head, "name": self.name or getattr(self.factory, "__name__", "factory")}

    def build(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        """A fresh module whose features are what its readout reads."""
        if self.factory is None:
            raise NetworkError(
                f"this engram was distilled with the custom network {self.name!r}, whose code no file carries: "
                f"pass network=Custom(your_factory, head={self.head!r}), or any built-in network"
            )
        module = _Captured(_without_running_statistics(self.factory()), self.head)
        module.check(shape, outputs)
        return module


class _Captured(nn.Module):
    """Runs a module and returns what its readout received."""

    def __init__(self, module: nn.Module, head: str) -> None:
        super().__init__()
        self.module = module
        self.head_name = f"module.{head}"
        readout = dict(module.named_modules()).get(head)
        if not isinstance(readout, nn.Linear):
            linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
            raise NetworkError(f"{head!r} is not a linear layer of the network; its linear layers: {', '.join(linear)}")
        self._path = head

    def forward(self, inputs: Tensor, features: bool = False) -> Tensor:
        if not features:
            outputs: Tensor = self.module(inputs)
            return outputs
        caught: list[Tensor] = []
        readout = self.module.get_submodule(self._path)
        handle = readout.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
        try:
            self.module(inputs)
        finally:
            handle.remove()
        return caught[-1]

    def check(self, shape: tuple[int, ...], outputs: int) -> None:
        training = self.training
        self.eval()
        probe = torch.randn(2, *shape)
        try:
            with torch.no_grad():
                found = self(probe)
                expected = self.module.get_submodule(self._path)(self(probe, features=True))
        except (RuntimeError, IndexError) as error:
            raise NetworkError(f"the network does not take inputs of shape {shape}: {error}") from error
        if found.shape != (2, outputs):
            raise NetworkError(
                f"the network gives outputs of shape {tuple(found.shape[1:])}; this problem has {outputs}"
            )
        if not torch.allclose(found, expected, atol=1e-5):
            raise NetworkError(
                f"the network changes its outputs after {self._path!r}: return the readout's own outputs"
            )
        self.train(training)


class _Frozen(nn.Module):
    """A batch norm whose statistics stay what they were; scale and shift are trained."""

    mean: Tensor
    var: Tensor

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("mean", norm.running_mean.clone())
        self.register_buffer("var", norm.running_var.clone())

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.batch_norm(inputs, self.mean, self.var, self.weight, self.bias, eps=self.eps)


def _without_running_statistics(module: nn.Module) -> nn.Module:
    for name, part in [*module.named_modules()]:
        if not isinstance(part, nn.modules.batchnorm._BatchNorm) or not part.track_running_stats:
            continue
        assert part.running_mean is not None
        assert part.running_var is not None
        fresh = bool((part.running_mean == 0).all() and (part.running_var == 1).all())
        norm = _group_norm(part) if fresh else _Frozen(part)
        _tell("became group norms" if fresh else "keep the statistics that they came with")
        if not name:
            return norm
        owner, _, own = name.rpartition(".")
        setattr(module.get_submodule(owner), own, norm)
    return module


def _group_norm(norm: Any) -> nn.GroupNorm:
    channels = norm.num_features
    return nn.GroupNorm(channels // 8 if channels % 8 == 0 else 1, channels, norm.eps, norm.affine)


@lru_cache
def _tell(what: str) -> None:
    """Once in a process, however often a network is built."""
    logging.getLogger("engram").info("batch norms of the custom network %s", what)
