"""How much memory data may take: told from their headers, before anything is allocated."""

import os
import re

from ..errors import DataError, SettingError

__all__ = ["VARIABLE", "bytes_of", "machine_bytes", "require_ram", "room"]

VARIABLE = "ENGRAM_MAX_RAM"
"""Environment variable that says it in bytes, ``8GB`` or ``2GiB``; the command line's ``--max-ram`` sets it."""

_SHARE = 0.5


def room() -> int:
    """Bytes that the rows of one source may take: those of `VARIABLE`, or half of what the machine has.

    Raises:
        SettingError: a variable that is no size.
    """
    said = os.environ.get(VARIABLE, "")
    if not said:
        return int(_SHARE * machine_bytes())
    found = bytes_of(said)
    if found is None:
        raise SettingError(f"{said!r} is not a size of memory: write for instance 8GB or 500MiB")
    return found


def machine_bytes() -> int:
    """Memory of this machine; no bound where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 2**63


def bytes_of(text: str) -> int | None:
    """Read a size: a number with an optional unit, decimal (kB, MB, GB) or binary (KiB, MiB, GiB); None for anything else.

    Example:
        >>> bytes_of("1.5kB"), bytes_of("much")
        (1500, None)
    """
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([kKmMgG]?)(i?)[bB]?\s*", text)
    if found is None:
        return None
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** ("kmg".index(unit.lower()) + 1 if unit else 0))


def require_ram(size: int, what: str, instead: str = "give fewer rows") -> None:
    """Refuse data that would take more.

    Args:
        size: bytes that they take once they are read.
        what: they are called in the message.
        instead: what else can be done.

    Raises:
        DataError: they would not fit.

    Example:
        >>> require_ram(10, "ten bytes")
    """
    allowed = room()
    if size > allowed:
        raise DataError(
            f"{what} would take {size:,} bytes of memory and {allowed:,} are allowed: allow more (--max-ram, or {VARIABLE}), or "
            f"{instead}"
        )
