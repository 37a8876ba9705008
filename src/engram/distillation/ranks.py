"""One distillation spread over processes (torch.distributed): who computes what of an outer step, and how all of them agree.

Every process holds the samples and the whole pool and draws the same numbers. Of an outer step each computes its share, some of the
networks on some of the real data; shares are summed, so that all go on from the same bits.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from ..errors import ClusterError, SettingError
from ..numerics.optimizers import Params
from ..spec import decode, encode

__all__ = [
    "Share",
    "agreed",
    "divided",
    "exchanged",
    "gathered",
    "in_turn",
    "joined",
    "rank",
    "same",
    "size",
    "summed",
    "together",
]

T = TypeVar("T")

_PATIENCE = timedelta(days=1)
"""Others wait for what one prepares; a process that dies is noticed at once, since its connection closes."""


def rank() -> int:
    """The number of this process; 0 is the one that writes and speaks."""
    return dist.get_rank() if size() > 1 else 0


def size() -> int:
    """Processes among which a distillation is spread; 1 where nothing was started by ``torchrun``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def divided(count: int, part: int, parts: int) -> slice:
    """One of so many nearly equal parts of a range.

    Example:
        >>> [divided(5, part, 2) for part in range(2)]
        [slice(0, 2, None), slice(2, 5, None)]
    """
    return slice(count * part // parts, count * (part + 1) // parts)


@dataclass(frozen=True)
class Share:
    """What of one outer step a process computes: some networks, on some of the real data (classes, or rows of a batch).

    Args:
        place: of its networks among the parts into which those due fall, counted from 0.
        across: so many such parts.
        weight: its networks over all.
        part: of the real data, counted from 0.
        parts: into which the real data fall.
    """

    place: int = 0
    across: int = 1
    weight: float = 1.0
    part: int = 0
    parts: int = 1

    @classmethod
    def of(cls, networks: int, divisible: int) -> "Share":
        """This process's share: networks are shared out first, then the real data, into at most `divisible` parts.

        Raises:
            SettingError: more processes than there are parts.
        """
        processes = size()
        across = max(n for n in range(1, min(networks, processes) + 1) if processes % n == 0)
        parts = processes // across
        if parts > divisible:
            raise SettingError(
                f"{processes} processes cannot share an outer step of {networks} networks and {divisible} parts of the real data: start "
                f"at most {networks * divisible} (--nproc-per-node), or use more networks in a step (networks=)"
            )
        own = divided(networks, rank() % across, across)
        return cls(rank() % across, across, (own.stop - own.start) / networks, rank() // across, parts)

    def networks(self, count: int) -> slice:
        """Of so many that are due."""
        return divided(count, self.place, self.across)

    def real(self, count: int) -> slice:
        """Of so many classes or rows."""
        return divided(count, self.part, self.parts)

    def of_mean(self, count: int) -> float:
        """By what a mean over the own ones of so many is multiplied, so that the shares' sum is the mean over all."""
        own = self.real(count)
        return self.weight * (own.stop - own.start) / count


def summed(grads: Params, value: Tensor) -> tuple[Params, Tensor]:
    """Gradients and values of all shares, added up."""
    if size() == 1:
        return grads, value
    *found, total = exchanged([*grads.values(), value.reshape(1).to(next(iter(grads.values())))])
    return dict(zip(grads, found, strict=True)), total[0]


def gathered(own: T, count: int) -> T:
    """A tree of stacked tensors of all networks, from those of the ones that `divided` gives each process."""
    if size() == 1:
        return own
    places = divided(count, rank(), size())

    def placed(part: Tensor) -> Tensor:
        whole = torch.zeros(count, *part.shape[1:], dtype=part.dtype, device=part.device)
        whole[places] = part.detach()
        return whole

    leaves, form = tree_flatten(own)
    found: T = tree_unflatten(exchanged([placed(part) for part in leaves]), form)
    return found


def exchanged(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Sums over all processes, in one message for each kind of number."""
    found: list[Tensor] = [*tensors]
    # Not a set, whose order differs from process to process.
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        places = [k for k, tensor in enumerate(tensors) if tensor.dtype == dtype]
        message = torch.cat([tensors[k].detach().flatten() for k in places])
        with _connected():
            dist.all_reduce(message)
        for k, part in zip(places, message.split([tensors[k].numel() for k in places]), strict=True):
            found[k] = part.reshape(tensors[k].shape)
    return found


def agreed(value: T) -> T:
    """What the first process says."""
    if size() == 1:
        return value
    said = [value]
    with _connected():
        dist.broadcast_object_list(said, src=0)
    return said[0]


def together(value: T) -> list[T]:
    """What each process says, in their order."""
    if size() == 1:
        return [value]
    said: list[Any] = [None] * size()
    with _connected():
        dist.all_gather_object(said, value)
    return said


def same(value: T, device: torch.device | str) -> T:
    """What the first process holds, its tensors included, in all of them."""
    if size() == 1:
        return value
    tensors: dict[str, Tensor] = {}
    written = encode(value, tensors) if rank() == 0 else None
    written, tensors = agreed((written, {key: tensor.cpu() for key, tensor in tensors.items()}))
    return decode(written, {key: tensor.to(device) for key, tensor in tensors.items()})


@contextmanager
def in_turn() -> Iterator[None]:
    """The first process does what stands here, then the others, who find on disk what it put there."""
    if rank() > 0:
        agreed(None)
    yield
    if rank() == 0:
        agreed(None)


@contextmanager
def joined() -> Iterator[bool]:
    """Join the processes that ``torchrun`` started, where it did; whether this is the one that writes and speaks.

    Raises:
        ClusterError: the others do not answer.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) <= 1 or "RANK" not in os.environ or size() > 1:
        yield rank() == 0
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    with _connected():
        dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=_PATIENCE)
    try:
        yield rank() == 0
    finally:
        dist.destroy_process_group()


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ClusterError(
            f"another process of this distillation ended or does not answer ({' '.join(str(error).split())[:200]}): repeat the command "
            "with --resume"
        ) from error
