"""A Ray cluster: every machine of it does what `Local` does on this one."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..errors import ClusterError
from .engine import UNLIMITED, Demand, Ended
from .local import Local
from .workers import become_worker

__all__ = ["Cluster"]

_GRACE = 1.0
_PATIENCE = 10.0
"""Seconds in which a cluster is reached."""


@dataclass(frozen=True)
class Cluster:
    """Ray places tasks, and begins those anew whose machine is lost; a process there carries out each.

    This package must be installed on every machine, and files that tasks read lie where all of them see them.

    Args:
        address: of a cluster that runs, HOST:PORT or ``auto``; empty for one on this machine's loopback that ends with the run.
        jobs: tasks at once; None for as many as there is room for.

    Raises:
        ClusterError: Ray is not installed (``engram-distillation[cluster]``), no cluster answers, or it is lost.

    Example:
        >>> Cluster("10.0.0.1:6379").threads
        1
    """

    address: str = ""
    jobs: int | None = None

    @property
    def threads(self) -> int:
        """One: a cluster runs many tasks beside one another."""
        return 1

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Sequence[Any],
        demand: Demand = UNLIMITED,
        watch: Callable[[Sequence[Any]], None] | None = None,
    ) -> Iterator[Ended]:
        """Apply a function to every task (`Engine.run`); what runs where is Ray's to say."""
        if not tasks:
            return
        with self._connected() as ray:
            options: dict[str, Any] = {"num_cpus": demand.threads, "num_gpus": demand.gpus}
            if demand.memory is not None:
                options["memory"] = demand.memory
            remote = ray.remote(_carry_out).options(max_retries=demand.retries, **options)
            ahead = iter(tasks)
            begin = lambda count: {remote.remote(function, task, demand): task for task in islice(ahead, count)}  # noqa: E731
            waiting = begin(self.jobs)
            try:
                while waiting:
                    # A time-out lets Ctrl-C through.
                    ended, _ = ray.wait(list(waiting), num_returns=1, timeout=_GRACE)
                    for reference in ended:
                        task = waiting.pop(reference)
                        yield _ended(ray, reference, task)
                        waiting |= begin(1)
            finally:
                for reference in waiting:
                    ray.cancel(reference, force=True)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        # Read when Ray is imported; nothing is sent anywhere.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if not self.address:
            # What makes Ray keep to the loopback on other systems does so on this one too.
            os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        try:
            import ray
        except ImportError as error:
            raise ClusterError(
                'this engine needs Ray, which is not installed: pip install "engram-distillation[cluster]"'
            ) from error
        self._reach()
        quiet: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
        own: dict[str, Any] = {"num_cpus": self.jobs, "include_dashboard": False}
        try:
            ray.init(address=self.address, **quiet) if self.address else ray.init(address="local", **own, **quiet)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise self._silent(error) from error
        try:
            yield ray
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"the Ray cluster was lost ({' '.join(str(error).split())[:200]}): what is finished is kept; repeat the command to "
                "continue"
            ) from error
        finally:
            ray.shutdown()

    def _reach(self) -> None:
        """Ray itself would ask a machine that does not answer for ever."""
        host, _, port = self.address.rpartition(":")
        if host and port.isdigit():
            try:
                socket.create_connection((host, int(port)), _PATIENCE).close()
            except OSError as error:
                raise self._silent(error) from error

    def _silent(self, error: Exception) -> ClusterError:
        where = f"at {self.address}" if self.address else "on this machine"
        return ClusterError(
            f"no Ray cluster {where} answers ({' '.join(str(error).split())[:200]}): start one (docs/scale.md; with RAY_AUTH_MODE=token "
            "where it asks for a token), or use --engine local"
        )


def _carry_out(function: Callable[[Any], Any], task: Any, demand: Demand) -> Ended:
    """What a worker of Ray does: the task in a process of its own, or here."""
    if not demand.limited:
        become_worker(demand.threads)
    (ended,) = Local(1).run(function, [task], demand)
    return ended


def _ended(ray: Any, reference: Any, task: Any) -> Ended:
    """What a task came to; one whose machine or worker died too often was killed."""
    lost = (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    )
    try:
        found: Ended = ray.get(reference)
    except lost as error:
        return Ended(task, "killed", message=" ".join(str(error).split())[:500])
    except ray.exceptions.RayTaskError as error:
        return Ended(task, "failed", error=error, message=" ".join(str(error.cause).split())[:500])
    return found
