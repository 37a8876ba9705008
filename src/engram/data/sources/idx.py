"""Idx files, as MNIST has them: images and labels of train and of t10k (or test) in one folder."""

import gzip
import io
import math
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
from ..problem import Problem
from ..room import require_ram, room

__all__ = ["Idx"]

_NAME = re.compile(r"(?P<set>.*?)(?P<part>train|t10k|test)[-_.](?P<kind>images|labels)[-_.]idx\d-\w+(\.gz)?")
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_BYTES = 1 << 33
"""What is unpacked of a file at most."""
_MOST_AXES = 4
_CHUNK = 1 << 20

Files = dict[tuple[str, str], Path]


@dataclass(frozen=True)
class Idx:
    """A folder with ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same of ``t10k`` or ``test``.

    Any of them may be compressed (``.gz``) or spelt ``train-images.idx3-ubyte``.

    Args:
        path: of the folder, or of one image file, which stands for its set; a set without the other half is split by
            seed.

    Raises:
        DataError: a file missing, not an idx file, or of another length than its header promises.

    References:
        LeCun, Cortes, Burges, the MNIST database of handwritten digits, for the format.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/", "idx3-ubyte", "idx3-ubyte.gz")
    path: str

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the name is that of an image file, or the folder holds such names."""
        return bool(_sets(path)) if path.is_dir() else re.search(r"idx[2-9]-\w+(\.gz)?$", path.name.lower()) is not None

    def load(self, seed: int) -> Problem:
        """Read; split what is one half of a set."""
        path, files = Path(self.path), self._files()
        halves = ["train", "test"] if path.is_dir() else sorted({half for half, _ in files}, reverse=True)
        pairs = [_pair(files, half, path) for half in halves]
        name = (path if path.is_dir() else path.parent).name
        test = pairs[1] if len(pairs) > 1 else None
        return Problem.from_arrays(*pairs[0], test=test, name=name, seed=seed, task="classification")

    def raw(self) -> Any:
        """The images of the file, or the test images of the folder."""
        path = Path(self.path)
        return _read(_required(self._files(), "test", "images", path) if path.is_dir() else path)

    def _files(self) -> Files:
        path = Path(self.path)
        if path.is_dir():
            sets = _sets(path)
            if len(sets) != 1:
                raise DataError(f"{path} holds {len(sets)} sets of idx files: give the path of one's training images")
            return next(iter(sets.values()))
        named = _NAME.fullmatch(path.name.lower())
        if named is None or named["kind"] != "images":
            raise DataError(f"{path}: its labels are found by its name: call it train-images-idx3-ubyte or alike")
        return _sets(path.parent)[named["set"]]


def _sets(folder: Path) -> dict[str, Files]:
    """Idx files by what stands before "train" or "test" in their names; the first of several spellings is taken."""
    sets: dict[str, Files] = {}
    for file in sorted(folder.iterdir()):
        named = _NAME.fullmatch(file.name.lower())
        if named is not None and file.is_file():
            sets.setdefault(named["set"], {}).setdefault((_half(named["part"]), named["kind"]), file)
    return sets


def _half(part: str) -> str:
    return "train" if part == "train" else "test"


def _required(files: Files, half: str, kind: str, where: Path) -> Path:
    if (half, kind) not in files:
        name = f"{'train' if half == 'train' else 't10k'}-{kind}-idx{3 if kind == 'images' else 1}-ubyte"
        raise DataError(f"{where}: the {half} {kind} are missing: add {name}")
    return files[half, kind]


def _pair(files: Files, half: str, where: Path) -> tuple[np.ndarray, np.ndarray]:
    paths = [_required(files, half, kind, where) for kind in ("images", "labels")]
    images, labels = map(_read, paths)
    if len(images) != len(labels):
        raise DataError(
            f"{paths[0]} holds {len(images)} images and {paths[1].name} {len(labels)} labels: "
            "take both from one source again"
        )
    return images, labels


def _read(path: Path) -> np.ndarray:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rb") as file:
            magic = bytes(_at_most(file, 4))
            if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MOST_AXES:
                raise DataError(
                    f"{path} starts with {magic.hex(' ') or 'nothing'}, which is not an idx file's magic number "
                    "(00 00 08 03 for images, 00 00 08 01 for labels): download it again"
                )
            axes = _at_most(file, 4 * magic[3])
            if len(axes) < 4 * magic[3]:
                raise DataError(f"{path} ends within its header: download it again")
            shape, kind = struct.unpack(f">{magic[3]}I", axes), np.dtype(_TYPES[magic[2]])
            promised = math.prod(shape) * kind.itemsize
            content = _at_most(file, min(promised, _MOST_BYTES, room()) + 1)
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} is not a readable idx file ({error}): download it again") from error
    if len(content) > room():
        require_ram(promised, str(path))
    if len(content) != promised or not promised:
        found = f"{len(content)}" if len(content) <= promised else "more"
        raise DataError(
            f"{path} promises {' x '.join(map(str, shape))} items in {promised} bytes and holds {found}: download it again"
        )
    return np.frombuffer(content, kind).reshape(shape).astype(kind.newbyteorder("="), copy=False)


def _at_most(file: io.BufferedIOBase, most: int) -> bytearray:
    """Read up to this many bytes; memory grows with what is there, not with what a header promises."""
    content = bytearray()
    try:
        while chunk := file.read1(min(_CHUNK, most - len(content))):
            content += chunk
    except EOFError:
        # A compressed file that was cut off: what came out is counted.
        pass
    return content
