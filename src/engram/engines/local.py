"""Processes of this machine."""

import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ClusterError
from .engine import UNLIMITED, Demand, Ended
from .workers import become_worker

__all__ = ["HERE", "Local"]

_GRACE = 0.2


@dataclass(frozen=True)
class Local:
    """Processes of this machine; none but this one where one task runs at a time and nothing limits it.

    Args:
        jobs: tasks at once, at least 1.

    Example:
        >>> [ended.result for ended in Local(1).run(abs, [-1, 2])]
        [1, 2]
    """

    jobs: int = 1

    @property
    def threads(self) -> int:
        """The cores of this machine, shared out."""
        return max(1, (os.cpu_count() or 1) // self.jobs)

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        demand: Demand = UNLIMITED,
        watch: Callable[[Sequence[Any]], None] | None = None,
    ) -> Iterator[Ended]:
        """Apply a function to every task (`Engine.run`)."""
        if not demand.limited and (self.jobs == 1 or len(tasks) < 2):
            return (_ended(task, _timed(function, task)) for task in tasks)
        return self._in_processes(function, tasks, demand, watch or (lambda now: None))

    def _in_processes(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        demand: Demand,
        watch: Callable[[Sequence[Any]], None],
    ) -> Iterator[Ended]:
        # What a command that starts no process need not load.
        from concurrent.futures import FIRST_COMPLETED, wait
        from multiprocessing import get_context

        from pebble import ProcessExpired, ProcessPool

        limit = demand.seconds if math.isfinite(demand.seconds) else None
        # Fresh processes: a fork of one that has already used threads can stand still.
        pool = ProcessPool(
            min(self.jobs, max(len(tasks), 1)),
            int(demand.apart),
            become_worker,
            (demand.threads,),
            get_context("spawn"),
        )
        begin = lambda task: pool.schedule(_timed, args=(function, task, demand.memory), timeout=limit)  # noqa: E731
        waiting: dict[Any, tuple[Any, int]] = {begin(task): (task, demand.retries) for task in tasks}
        begun: dict[Any, float] = {}
        shown: list[Any] = []
        try:
            while waiting:
                ended = wait(waiting, timeout=_GRACE, return_when=FIRST_COMPLETED).done
                for future in ended:
                    task, retries = waiting.pop(future)
                    seconds = time.monotonic() - begun.pop(future, time.monotonic())
                    error = future.exception()
                    if error is None:
                        yield _ended(task, future.result())
                    elif isinstance(error, TimeoutError):
                        yield Ended(task, "timed out", message=f"after {limit:g} s", seconds=seconds)
                    elif isinstance(error, ProcessExpired) and retries:
                        waiting[begin(task)] = (task, retries - 1)
                    elif isinstance(error, ProcessExpired):
                        yield Ended(task, "killed", message=f"exit code {error.exitcode}", seconds=seconds)
                    else:
                        # What cannot be sent, or a process that cannot even start.
                        message = f"{type(error).__name__}: {error}"
                        yield Ended(task, "failed", error=ClusterError(message), message=message, seconds=seconds)
                begun |= {future: time.monotonic() for future in waiting if future.running() and future not in begun}
                now = [waiting[future][0] for future in begun]
                if now != shown:
                    watch(now)
                    shown = now
        finally:
            pool.stop()
            pool.join()


HERE = Local()
"""One task after the other."""


def _timed(function: Callable[[Any], Any], task: Any, memory: int | None = None) -> tuple[Any, Exception | None, float]:
    begun = time.perf_counter()
    if memory is not None:
        # Not before: what a function imports is read by now.
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    try:
        return function(task), None, time.perf_counter() - begun
    except Exception as error:
        return None, error, time.perf_counter() - begun


def _ended(task: Any, found: tuple[Any, Exception | None, float]) -> Ended:
    result, error, seconds = found
    if error is None:
        return Ended(task, "done", result, seconds=seconds)
    return Ended(task, "failed", error=error, message=f"{type(error).__name__}: {error}", seconds=seconds)
