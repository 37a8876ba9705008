"""How many threads a job is worth."""

import math
import os

import torch

__all__ = ["spare_threads"]

_TINY = 28 * 28


def spare_threads(shape: tuple[int, ...]) -> int:
    """Use one thread for tiny inputs: handing out their work costs more than doing it (OMP_NUM_THREADS overrides).

    Args:
        shape: of an input.

    Returns:
        The number of threads before, to be restored.
    """
    before = torch.get_num_threads()
    if math.prod(shape) < _TINY and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return before
