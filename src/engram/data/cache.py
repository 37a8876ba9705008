"""Where what takes long to compute is kept between runs: ``ENGRAM_CACHE``, or the user's cache folder."""

import os
from pathlib import Path

from ..errors import OutputError

__all__ = ["cache_folder"]


def cache_folder(name: str) -> Path:
    """A folder of the cache, made where it is missing.

    Args:
        name: of what it holds.

    Returns:
        The folder.

    Raises:
        OutputError: it cannot be made.
    """
    home = (
        os.environ.get("ENGRAM_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "engram"
    )
    folder = Path(home) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the cache {folder} cannot be made ({error.strerror or error}): set ENGRAM_CACHE to another folder"
        ) from error
    return folder
