"""What an engine is: tasks go in, and each comes out as it ends, whatever becomes of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..errors import SettingError

__all__ = ["UNLIMITED", "Demand", "Ended", "Engine"]

Status = Literal["done", "failed", "killed", "timed out"]


@dataclass(frozen=True)
class Demand:
    """What each task takes, and what it may.

    Args:
        threads: of the processor, at least 1.
        gpus: at least 0; a share of one lets several tasks use it.
        seconds: after which it is stopped.
        memory: bytes of data (`RLIMIT_DATA`) that its process may hold; None for no limit.
        retries: how often a task that was killed (its process or its machine died) is begun again.
        apart: whether each has a process of its own; else processes are used again.

    Raises:
        SettingError: a value out of range.

    Example:
        >>> Demand(threads=2, seconds=60.0).retries
        0
    """

    threads: int = 1
    gpus: float = 0
    seconds: float = math.inf
    memory: int | None = None
    retries: int = 0
    apart: bool = False

    def __post_init__(self) -> None:
        if self.threads < 1 or min(self.gpus, self.retries) < 0 or not self.seconds > 0:
            raise SettingError(f"{self}: threads are at least 1, gpus and retries at least 0, seconds positive")
        if self.memory is not None and self.memory < 1:
            raise SettingError(f"{self}: memory is positive")

    @property
    def limited(self) -> bool:
        """Whether a task must run where it can be stopped."""
        return self.apart or self.memory is not None or math.isfinite(self.seconds)


UNLIMITED = Demand()
"""One thread, and no bound."""


@dataclass(frozen=True, eq=False)
class Ended:
    """A task that is over.

    Args:
        task: as it was given.
        status: done; failed, with its error; killed, with its process; timed out.
        result: of the function, where it is done.
        error: that it raised, where it failed.
        message: what became of it, where it has no result.
        seconds: that it took.
    """

    task: Any
    status: Status
    result: Any = None
    error: Exception | None = None
    message: str = ""
    seconds: float = 0.0


class Engine(Protocol):
    """Carries out tasks that know nothing of one another."""

    @property
    def jobs(self) -> int | None:
        """Tasks at once; None for as many as there is room for."""
        ...

    @property
    def threads(self) -> int:
        """Threads that a task has where nobody says it."""
        ...

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        demand: Demand = UNLIMITED,
        watch: Callable[[Sequence[Any]], None] | None = None,
    ) -> Iterator[Ended]:
        """Apply a function to every task.

        Args:
            function: of a module, with arguments that can be pickled.
            tasks: its argument in each call; can be pickled too.
            demand: of each.
            watch: called with what runs now, where that is known.

        Yields:
            Tasks in the order in which they end. Who stops listening stops what still runs.
        """
        ...
