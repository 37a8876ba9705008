"""How much memory data may take: told from their headers, before anything is allocated."""

import os
import re

from ..errors import DataError, SettingError

__all__ = ["VARIABLE", "require_room", "room"]

VARIABLE = "ENGRAM_MAX_RAM"
"""Environment variable that says it in bytes, ``8GB`` or ``2GiB``; the command line's ``--max-ram`` sets it."""

_SHARE = 0.5
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def room() -> int:
    """Bytes that the rows of one source may take: those of `VARIABLE`, or half of what the machine has.

    Raises:
        SettingError: a variable that is no size.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        try:
            return int(_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        except (ValueError, OSError, AttributeError):  # a system that does not say
            return 2**63
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*(k|m|g|ki|mi|gi|)b?\s*", said.lower())
    if found is None:
        raise SettingError(f"{said!r} is not a size of memory: write for instance 8GB or 500MiB")
    return int(float(found[1]) * _UNITS[found[2]])


def require_room(size: int, what: str) -> None:
    """Refuse data that would take more.

    Args:
        size: bytes that they take once they are read.
        what: they are called in the message.

    Raises:
        DataError: they would not fit.

    Example:
        >>> require_room(10, "ten bytes")
    """
    allowed = room()
    if size > allowed:
        raise DataError(
            f"{what} would take {size:,} bytes of memory and {allowed:,} are allowed: allow more (--max-ram, or {VARIABLE}), or give "
            "fewer rows"
        )
