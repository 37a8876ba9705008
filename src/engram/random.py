"""The only source of randomness: every draw names its purpose, and no draw disturbs another."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from operator import index

import torch

from .errors import SettingError

__all__ = ["integer", "isolated", "minibatch", "stream"]

_MANY = 2**17
"""Rows of which no shuffle is written down: it would take milliseconds in every step, and memory."""


def integer(seed: int, *names: str | int, bits: int = 63) -> int:
    r"""Hash a seed and a purpose into an integer: :math:`\lfloor h(\text{seed}, \text{names})\,/\,2^{64-bits}\rfloor`.

    Args:
        seed: the run's seed, any integer.
        names: the purpose, for instance ``"pool", 3, step``.
        bits: size of the result; scikit-learn's ``random_state`` takes 32.

    Returns:
        An integer in ``[0, 2**bits)``, the same on every machine and in every version.

    Raises:
        SettingError: a seed that is no whole number.

    Example:
        >>> integer(0, "init", bits=32) == integer(0, "init", bits=32) != integer(0, "pool", bits=32)
        True
    """
    try:
        # Whole numbers of numpy count as such.
        seed = index(seed)
    except TypeError as error:
        raise SettingError(f"seed is {seed!r}; it takes a whole number") from error
    digest = blake2b(json.dumps([seed, *names]).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - bits)


def stream(seed: int, *names: str | int) -> torch.Generator:
    """Open the generator that belongs to one seed and one purpose.

    The key is a counter (seed, names, step), so a draw depends on nothing drawn before it: a run that
    resumes at step 20 draws what an uninterrupted one draws there.

    Args:
        seed: the run's seed.
        names: the purpose; a step number belongs here.

    Returns:
        A CPU generator, one of the 2**32 that torch tells apart.
        Draw on the CPU and move the result, and every device sees the same numbers.

    Example:
        >>> a = torch.randn(2, generator=stream(0, "noise", 7))
        >>> torch.equal(a, torch.randn(2, generator=stream(0, "noise", 7)))
        True
    """
    return torch.Generator().manual_seed(integer(seed, *names))


@contextmanager
def isolated(seed: int, *names: str | int) -> Iterator[None]:
    """Run code that draws from the global generators (module initialisers, dropout) as if it used a stream.

    Args:
        seed: the run's seed.
        names: the purpose.

    Yields:
        Nothing; on leaving, the global generators are as they were.

    Example:
        >>> with isolated(0, "dropout", 3):
        ...     first = torch.rand(1)
        >>> with isolated(0, "dropout", 3):
        ...     torch.equal(first, torch.rand(1))
        True
    """
    number = integer(seed, *names)
    if torch.cuda.is_available():
        with torch.random.fork_rng():
            torch.manual_seed(number)
            yield
        return
    # Where there is no GPU, seeding those that may come costs half a millisecond, and memory.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(number)
        yield


def minibatch(rows: int, size: int, step: int, seed: int, *names: str | int) -> torch.Tensor:
    """Rows of one minibatch: a slice of the shuffle of its epoch; rows that do not fill one wait for the next.

    Args:
        rows: how many there are.
        size: of the minibatch; all rows when larger.
        step: counts minibatches.
        seed: the run's seed.
        names: the purpose.

    Returns:
        (min(size, rows),) indices.

    Example:
        >>> torch.cat([minibatch(4, 2, step, 0) for step in (0, 1)]).sort().values
        tensor([0, 1, 2, 3])
    """
    size = min(size, rows)
    epoch, place = divmod(step, rows // size)
    if rows > _MANY:
        return _shuffled(torch.arange(place * size, (place + 1) * size), rows, seed, *names, epoch)
    return torch.randperm(rows, generator=stream(seed, *names, epoch))[place * size : (place + 1) * size]


def _shuffled(places: torch.Tensor, rows: int, seed: int, *names: str | int) -> torch.Tensor:
    r"""What stands at some places of a shuffle that is not written down.

    Four rounds of a Feistel network, :math:`(l, r) \leftarrow (r, l \oplus h_k(r))`, permute the numbers of as many bits; what falls
    beyond the rows is permuted again until it does not.

    References:
        Black & Rogaway 2002 (ciphers with arbitrary finite domains).
    """
    half = ((rows - 1).bit_length() + 1) // 2
    mask = (1 << half) - 1
    keys = [integer(seed, *names, "round", k, bits=31) for k in range(4)]

    def permuted(numbers: torch.Tensor) -> torch.Tensor:
        left, right = numbers >> half, numbers & mask
        for key in keys:
            mixed = (right ^ key) * 0x9E3779B1
            mixed = (mixed ^ (mixed >> 15)) * 0x85EBCA77
            left, right = right, left ^ ((mixed ^ (mixed >> 13)) & mask)
        return left << half | right

    found = permuted(places)
    while bool((beyond := found >= rows).any()):
        found[beyond] = permuted(found[beyond])
    return found
