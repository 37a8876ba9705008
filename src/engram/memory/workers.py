"""Worker processes that do not outlive the process which started them."""

import os
import signal
import threading
from multiprocessing import connection, parent_process

__all__ = ["become_worker"]


def become_worker() -> None:
    """Leave Ctrl-C to the parent, and end as soon as it is no more, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    connection.wait([sentinel])
    # Nobody is left to hear of an orderly end.
    os._exit(1)
