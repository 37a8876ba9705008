"""Worker processes: so many threads, and no life beyond that of the process which started them."""

import os
import signal
import threading
from multiprocessing import connection, parent_process

from .allocation import keep_freed_memory

__all__ = ["become_worker"]


def become_worker(threads: int | None = None) -> None:
    """Leave Ctrl-C to the parent, and end as soon as it is no more, however it ended.

    Args:
        threads: of PyTorch; as it is when None.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    # Nobody is left to hear of an orderly end.
    os._exit(1)
