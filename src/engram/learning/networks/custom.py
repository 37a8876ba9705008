"""A network of the user's own: any module factory with a linear readout."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import NetworkError

__all__ = ["Custom"]


@dataclass(frozen=True)
class Custom:
    """Wrap a factory of `nn.Module`s; the artefact keeps its name, and needs the factory again to replay.

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
        module = _Captured(self.factory(), self.head)
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
