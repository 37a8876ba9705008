"""Keep memory that was freed: tensors of one step stand where those of the step before stood."""

import ctypes
import os
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
"""Names of glibc's settings (malloc.h)."""

_KEPT = 2**31 - 1
_AT_ONCE = 64 << 20


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, which the C library otherwise hands back after each large tensor.

    Handing pages back and getting them again, zeroed, takes as long as a step's arithmetic does where pages are dear, as they
    are on virtual machines (`benchmarks/README.md`). The command line and worker processes do so; whoever calls the library decides.

    Returns:
        Whether it was done: not without glibc, nor where the environment sets its allocator (``MALLOC_...``, ``GLIBC_TUNABLES``, ``LD_PRELOAD``).

    References:
        mallopt(3).

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    chosen = {"GLIBC_TUNABLES", "LD_PRELOAD"} & os.environ.keys() or any(
        key.startswith("MALLOC_") for key in os.environ
    )
    if chosen or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(name, value) for name, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _AT_ONCE)))
