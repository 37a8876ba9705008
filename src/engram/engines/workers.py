"""Worker processes: so many threads, and no life beyond that of the process which started them."""

import os
import signal
import threading
import time

from .allocation import keep_freed_memory

__all__ = ["become_worker"]


_POLL = 0.5


def become_worker(threads: int | None = None, parent: int | None = None) -> None:
    """Leave Ctrl-C to the parent, and end as soon as it is no more, however it ended.

    Args:
        threads: of PyTorch; as it is when None.
        parent: its process; that of `multiprocessing`, if there is one, when None.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    if parent is None:
        # Loaded wherever it started this process, and slow to load.
        from multiprocessing import parent_process

        started = parent_process()
        parent = None if started is None else started.pid
    if parent is not None:
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    # Nobody is left to hear of an orderly end.
    os._exit(1)
