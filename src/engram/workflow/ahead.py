"""The ceiling, learnt on a core that would stand idle while samples of tiny inputs are distilled."""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from torch import Tensor

from ..data.problem import Problem
from ..data.split import Split
from ..distillation.plan import Plan
from ..distillation.ranks import size
from ..engines.workers import become_worker
from ..evaluation.ceiling import Full, train_full
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
    if protocol is None or not _worth(plan, problem, protocol):
        yield None
        return
    network, seeds, steps = plan.training.network, list(range(protocol.seeds)), protocol.steps_on_all(problem)
    begun = _begin((problem, network, seeds, steps))
    if begun is None:
        yield None
        return
    process, result = begun

    def train(
        of: Problem, by: Network, starts: list[int], most: int, watch: Callable[[float], None] | None = None
    ) -> Full:
        same = of is problem and (by, list(starts), most) == (network, seeds, steps)
        found = _ended(process, result) if same else None
        if found is None:
            return train_full(of, by, starts, most, watch=watch)
        params, select, seconds, loss = found
        return Full(Fitted(model_of(by, of.task), params), select, seconds, loss)

    try:
        yield train
    finally:
        process.kill()
        process.wait()
        result.close()


def _worth(plan: Plan, problem: Problem, protocol: Protocol) -> bool:
    here = isinstance(problem.train, Split) and problem.train.device.type == "cpu"
    # As much to do here as there, and nobody else to do it.
    busy = plan.method.steps >= _OUTER and size() == 1
    long = protocol.seeds * protocol.steps_on_all(problem) > _WORTH
    return here and busy and long and spare_cores(problem.task.shape) > 0


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


def _ended(process: subprocess.Popen[bytes], result: IO[bytes]) -> tuple[Any, Tensor, float, Loss] | None:
    if process.wait() != 0:
        return None
    result.seek(0)
    found: tuple[Any, Tensor, float, Loss] = pickle.load(result)
    return found


def _work() -> None:
    """What the process does."""
    parent, (problem, network, seeds, steps) = pickle.load(sys.stdin.buffer)
    become_worker(threads=1, parent=parent)
    full = train_full(problem, network, seeds, steps)
    pickle.dump((full.fitted.params, full.select, full.seconds, full.loss), sys.stdout.buffer)
