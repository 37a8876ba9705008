"""How many threads a job is worth."""

import math
import os

import torch

__all__ = ["spare_cores", "spare_threads"]

_TINY = 28 * 28


def spare_threads(shape: tuple[int, ...]) -> int:
    """Use one thread for tiny inputs: handing out their work costs more than doing it (OMP_NUM_THREADS overrides).

    Args:
        shape: of an input.

    Returns:
        The number of threads before, to be restored.
    """
    before = torch.get_num_threads()
    if _tiny(shape):
        torch.set_num_threads(1)
    return before


def spare_cores(shape: tuple[int, ...]) -> int:
    """Cores that stand idle beside the one thread of `spare_threads`; none where it leaves threads as they are."""
    return len(os.sched_getaffinity(0)) - 1 if _tiny(shape) and hasattr(os, "sched_getaffinity") else 0


def _tiny(shape: tuple[int, ...]) -> bool:
    return math.prod(shape) < _TINY and "OMP_NUM_THREADS" not in os.environ
