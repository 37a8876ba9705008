"""Which engine a word names."""

import os

from ..errors import SettingError, nearest
from .cluster import Cluster
from .engine import Engine
from .local import Local

__all__ = ["engine_of"]


def engine_of(word: str, jobs: int | None = None) -> Engine:
    """The engine that a word names.

    Args:
        word: ``local``; ``ray``, a cluster on this machine alone; ``ray:ADDRESS``, one that runs (``ray:auto`` finds it).
        jobs: tasks at once; one for each core, or as many as a cluster has room for, when None.

    Returns:
        The engine.

    Raises:
        SettingError: another word, or Ray is not installed.

    Example:
        >>> engine_of("local", 2)
        Local(jobs=2)
    """
    name, _, address = word.partition(":")
    if name == "ray":
        return Cluster(address, jobs)
    if word != "local":
        raise SettingError(f"{word!r} is not an engine; {nearest(word, ('local', 'ray', 'ray:ADDRESS'))}")
    return Local(jobs or os.cpu_count() or 1)
