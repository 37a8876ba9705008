"""The ceiling, learnt on a core that would stand idle while samples of tiny inputs are distilled."""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import torch

from ..data.problem import Problem
from ..data.split import Split
from ..distillation.plan import Plan
from ..distillation.ranks import size
from ..engines.allocation import keep_freed_memory
from ..evaluation.ceiling import Full, full_steps, train_full
from ..evaluation.protocol import Protocol
from ..learning.fitting import Fitted
from ..learning.network import Network, model_of
from ..learning.training import Loss
from .progress import LOGGER
from .threads import spare_cores

__all__ = ["trained_ahead"]

_WORTH = 1500
"""Steps, over all networks, that take longer than a process needs to begin."""

_OUTER = 100
"""Outer steps that leave it time."""

_POLL = 0.5

Train = Callable[[Problem, Network, list[int], int, Callable[[float], None] | None], Full]


@contextmanager
def trained_ahead(plan: Plan, problem: Problem, protocol: Protocol | None) -> Iterator[Train | None]:
    """`train_full`, begun at once in a process of its own for what judging will ask, where a core is free for it.

    Both use one thread, so that the networks are those of this process, bit for bit. What cannot be sent, or fails there, is done here
    when it is asked for. The process ends with this block, and with this process, however that ends.

    Args:
        plan: what is distilled meanwhile.
        problem: real data.
        protocol: by which it will be judged; None where it will not.

    Yields:
        A function with the arguments of `train_full`; None where nothing was begun.
    """
    network, seeds, steps = plan.training.network, list(range(protocol.seeds if protocol else 0)), full_steps(problem)
    if protocol is not None and protocol.full_steps is not None:
        steps = protocol.full_steps
    begun = _begin((problem, network, seeds, steps)) if _worth(plan, problem, len(seeds) * steps) else None

    def train(
        of: Problem, by: Network, starts: list[int], most: int, watch: Callable[[float], None] | None = None
    ) -> Full:
        same = of is problem and (by, list(starts), most) == (network, seeds, steps)
        found = _ended(*begun) if begun and same else None
        if found is None:
            return train_full(of, by, starts, most, watch=watch)
        params, select, seconds, loss = found
        return Full(Fitted(model_of(by, of.task), params), select, seconds, loss)

    try:
        yield train if begun else None
    finally:
        if begun:
            process, result = begun
            process.kill()
            process.wait()
            result.close()


def _worth(plan: Plan, problem: Problem, steps: int) -> bool:
    here = isinstance(problem.train, Split) and problem.train.device.type == "cpu"
    # As much to do here as there, and nobody else to do it.
    busy = plan.method.steps >= _OUTER and size() == 1
    return here and busy and steps > _WORTH and spare_cores(problem.task.shape) > 0


def _begin(task: tuple[Any, ...]) -> tuple[subprocess.Popen[bytes], IO[bytes]] | None:
    """Start the process; both files have no name, so that nobody else writes what is read from them."""
    result = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with tempfile.TemporaryFile() as given:
            pickle.dump((os.getpid(), task), given)
            given.seek(0)
            code = f"from {__name__} import _work; _work()"
            # -P: what lies in the working directory is not ours to import.
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", code], stdin=given, stdout=result, stderr=subprocess.DEVNULL
            )
    except Exception as error:
        LOGGER.debug("the ceiling waits until samples are distilled", exc_info=error)
        result.close()
        return None
    return process, result


def _ended(process: subprocess.Popen[bytes], result: IO[bytes]) -> tuple[Any, torch.Tensor, float, Loss] | None:
    if process.wait() != 0:
        return None
    result.seek(0)
    found: tuple[Any, torch.Tensor, float, Loss] = pickle.load(result)
    return found


def _work() -> None:
    """What the process does."""
    parent, (problem, network, seeds, steps) = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    keep_freed_memory()
    torch.set_num_threads(1)
    full = train_full(problem, network, seeds, steps)
    pickle.dump((full.fitted.params, full.select, full.seconds, full.loss), sys.stdout.buffer)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    # Nobody is left to read.
    os._exit(1)
