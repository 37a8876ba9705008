"""Vectors of inputs that an encoder has read before, in one small database for each encoder."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from ..errors import OutputError

__all__ = ["VectorCache"]

_ASKED = 500
"""Keys of one question."""

_WAIT = 60.0
"""Seconds for another process that writes."""


class VectorCache:
    """Vectors by the digests of their inputs. A file that is damaged, or of vectors of another size, is made anew.

    Args:
        path: of the database.
        size: numbers of a vector.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     cache = VectorCache(Path(folder) / "x.sqlite", 2)
        ...     cache.put([b"a"], np.array([[1.0, 2.0]], np.float32))
        ...     cache.get([b"a", b"b"])
        {b'a': array([1., 2.], dtype=float32)}
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path, self.size = path, size

    def get(self, keys: Sequence[bytes]) -> dict[bytes, np.ndarray]:
        """The vectors that are known, by their keys."""
        found: dict[bytes, np.ndarray] = {}
        try:
            with self._opened() as database:
                for start in range(0, len(keys), _ASKED):
                    some = keys[start : start + _ASKED]
                    asked = f"SELECT key, vector FROM vectors WHERE key IN ({','.join('?' * len(some))})"
                    for key, stored in database.execute(asked, some):
                        vector = np.frombuffer(stored, np.float32)
                        if len(vector) == self.size and np.isfinite(vector).all():
                            found[key] = vector
        except sqlite3.OperationalError:
            # Another process writes, or the disk is away: nothing is known now, and nothing is damaged.
            return {}
        except (sqlite3.DatabaseError, ValueError, TypeError):
            self.path.unlink(missing_ok=True)
            return {}
        return found

    def put(self, keys: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep vectors, all or none.

        Raises:
            OutputError: the database cannot be written.
        """
        rows = [(key, vector.astype(np.float32).tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        try:
            with self._opened() as database, database:
                database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        except sqlite3.Error as error:
            raise OutputError(
                f"vectors cannot be kept in {self.path} ({error}): free some space, or set ENGRAM_CACHE to another folder"
            ) from error

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_WAIT)) as database:
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
            yield database
