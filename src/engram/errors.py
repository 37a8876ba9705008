"""Every error a user can cause: one sentence that says what is wrong, where, and how to mend it."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ArtefactError",
    "BudgetError",
    "ClusterError",
    "DataError",
    "DeviceError",
    "DivergenceError",
    "EngramError",
    "NetworkError",
    "OutputError",
    "SettingError",
    "UnknownNameError",
    "nearest",
]


_MOST = 2000
"""Characters of a message."""
_LONG, _HEAD, _TAIL = 300, 100, 40
"""Characters of a word, and of what is shown of a longer one."""


class EngramError(Exception):
    """Anything Engram refuses to do, in one line; the command line prints it and exits with code 2.

    Args:
        message: white space becomes one space, and what is longer than any name, such as a damaged value, its ends.

    Example:
        >>> len(str(EngramError("a value " + "9" * 100_000)))
        149
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(_shortened(" ".join(map(_shortened, message.split())), _MOST, _MOST // 2))


class DataError(EngramError, ValueError):
    """The data cannot be used as they are: not finite, wrong shape, missing column, too small."""


class BudgetError(EngramError, ValueError):
    """The synthetic set asked for cannot exist: more items than data, fewer items than classes."""


class SettingError(EngramError, ValueError):
    """A setting has the wrong name, type or range."""


class NetworkError(EngramError, ValueError):
    """A network cannot be trained as the method needs it."""


class ArtefactError(EngramError, ValueError):
    """A file is not an engram, or not the one that was written."""


class OutputError(EngramError, OSError):
    """A result cannot be written where it was asked for."""


class UnknownNameError(EngramError, LookupError):
    """A network, method, source, column or class that does not exist."""


class DeviceError(EngramError, RuntimeError):
    """The device asked for is not there."""


class ClusterError(EngramError, ConnectionError):
    """Other machines, or other processes of a run, do not answer."""


class DivergenceError(EngramError, ArithmeticError):
    """A loss is no longer finite."""


def _shortened(text: str, most: int = _LONG, head: int = _HEAD) -> str:
    """What is longer, as its beginning and its end."""
    return text if len(text) <= most else f"{text[:head]}…{text[-_TAIL:]}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known names come close to an unknown one.

    Args:
        name: what was asked for.
        known: what exists.

    Returns:
        A clause to end an error message with.

    Example:
        >>> nearest("convent", ["convnet", "mlp"])
        'did you mean convnet? Known: convnet, mlp'
    """
    known = sorted(known)
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"{hint}Known: {', '.join(known)}"
