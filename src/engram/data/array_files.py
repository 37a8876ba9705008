"""Files of NumPy arrays: their shapes by their headers, and their rows in pieces."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from ..errors import DataError
from .sampling import PIECE

__all__ = ["Shape", "pairs_of", "shapes_of", "whole"]

Shape = tuple[tuple[int, ...], np.dtype]
"""Of an array, and the type of its numbers."""

_BYTES = 2**26
"""Of a piece, at most."""


def shapes_of(path: str) -> dict[str, Shape]:
    """Every array of an ``.npz`` by its name, or the one of an ``.npy`` as x; nothing is read but headers.

    Raises:
        OSError, ValueError, zipfile.BadZipFile: it is none.
    """
    with open(path, "rb") as file:
        if file.read(4) != b"PK\x03\x04":
            file.seek(0)
            return {"x": _header(file)[0]}
        found = {}
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as member:
                        found[name.removesuffix(".npy")] = _header(member)[0]
        return found


def pairs_of(path: str, inputs: str, targets: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows of two arrays of an archive, some at a time.

    Raises:
        DataError: arrays of different lengths, or not in the order of rows; an archive that ends too soon.
    """
    with zipfile.ZipFile(path) as archive, _rows(archive, inputs) as x, _rows(archive, targets) as y:
        if x.count != y.count:
            raise DataError(f"{path}: {inputs} has {x.count:,} rows and {targets} has {y.count:,}: give as many")
        size = max(1, min(PIECE, _BYTES // max(1, x.size)))
        for start in range(0, x.count, size):
            count = min(size, x.count - start)
            rows, labels = x.read(count), y.read(count)
            # A column of targets is a list of them.
            yield rows, labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


def whole(path: str, name: str) -> np.ndarray:
    """One array of an archive.

    Raises:
        DataError: it cannot be read.
    """
    with zipfile.ZipFile(path) as archive, _rows(archive, name) as rows:
        return rows.read(rows.count)


class _Rows:
    """The rows of one array, one after the other."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        (shape, self.kind), columns_first = _header(file)
        if self.kind.hasobject:
            raise DataError(f"{name} is an object array, which only a pickle can read: save plain numbers instead")
        if columns_first and len(shape) > 1:
            raise DataError(
                f"{name} is stored column by column: save np.ascontiguousarray({name}) to read it in pieces"
            )
        if not shape:
            raise DataError(f"{name} is one number: give an array of rows")
        self.file, self.name, self.count, self.shape = file, name, shape[0], shape[1:]
        self.size = math.prod(self.shape) * self.kind.itemsize

    def read(self, count: int) -> np.ndarray:
        content = self.file.read(count * self.size)
        if len(content) != count * self.size:
            raise DataError(f"{self.name} ends before its {self.count:,} rows do: save the archive again")
        rows = np.frombuffer(bytearray(content), self.kind).reshape(count, *self.shape)
        return rows.astype(self.kind.newbyteorder("="), copy=False)


@contextmanager
def _rows(archive: zipfile.ZipFile, name: str) -> Iterator[_Rows]:
    try:
        with archive.open(f"{name}.npy") as file:
            yield _Rows(file, name)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{archive.filename}: {name} cannot be read ({error}): save the archive again") from error


def _header(file: Any) -> tuple[Shape, bool]:
    """Shape and type, and whether columns come first."""
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
    shape, columns_first, kind = read(file)
    return (shape, kind), columns_first
