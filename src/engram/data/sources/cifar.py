"""CIFAR-10 and CIFAR-100 as python batches: data_batch_1 to 5 and test_batch, or train and test, in one folder."""

import io
import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
from ..pictures import require_named
from ..problem import Problem

__all__ = ["Cifar"]

_GLOBALS = {
    ("_codecs", "encode"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy.core.multiarray", "_reconstruct"),
}
"""All that a pickled array of bytes names; none of it is imported (`_Passive`)."""
_SIZE = (3, 32, 32)
_MOST_BYTES = 1 << 28
"""The largest file, CIFAR-100's train, has 155 MB."""
_MOST_TUPLES = 24


@dataclass(frozen=True)
class Cifar:
    """A folder ``cifar-10-batches-py`` or ``cifar-100-python``; its pickles are read without running them.

    Args:
        path: of the folder.
        target: ``fine`` or ``coarse`` classes of CIFAR-100; fine when None.

    Raises:
        DataError: a batch missing or broken, or a pickle that names anything but an array.

    References:
        Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/",)
    path: str
    target: str | None = None

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the folder has batches of either."""
        ten, train, test, meta = ((path / n).is_file() for n in ("data_batch_1", "train", "test", "meta"))
        return ten or (train and (test or meta))

    def load(self, seed: int) -> Problem:
        """Read the batches in order; the test images are the official ones."""
        root = Path(self.path)
        ten = (root / "data_batch_1").is_file()
        if self.target not in (None, *(() if ten else ("fine", "coarse"))):
            raise DataError(f"{root} has no target {self.target!r}; it takes {'none' if ten else 'fine or coarse'}")
        key = "" if ten else f"{self.target or 'fine'}_"
        files = [f"data_batch_{k}" for k in range(1, 6)] if ten else ["train"]
        parts = [_batch(root / name, f"{key}labels") for name in files]
        x, y = np.concatenate([images for images, _ in parts]), [label for _, labels in parts for label in labels]
        test = _batch(root / _test(root), f"{key}labels")
        names = _names(root / ("batches.meta" if ten else "meta"), f"{key}label_names")
        if names is not None:
            require_named(y + test[1], names, str(root))
        return Problem.from_arrays(x, y, test=test, name=root.name, seed=seed, task="classification", class_names=names)

    def raw(self) -> Any:
        """The test images."""
        root = Path(self.path)
        return _images(_mapping(root / _test(root)), root / _test(root))


class _Passive:
    """Stands for all that a pickle may name: keeps what it is called with and does nothing.

    An array is read off afterwards, from bytes whose number is known, so that no pickle reaches NumPy.
    """

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _GLOBALS:
            return _Passive
        raise DataError(f"it names {module}.{name}, which no batch of images needs, and was not run: do not trust it")


def _test(root: Path) -> str:
    return "test_batch" if (root / "data_batch_1").is_file() else "test"


def _batch(path: Path, key: str) -> tuple[np.ndarray, list[int]]:
    found = _mapping(path)
    images, labels = _images(found, path), found.get(key)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f"{path} has no list of whole numbers {key!r}: download it again")
    if len(images) != len(labels):
        raise DataError(f"{path} holds {len(images)} images and {len(labels)} labels: download it again")
    return images, labels


def _names(path: Path, key: str) -> tuple[str, ...] | None:
    """Class names; None when the folder came without them."""
    if not path.is_file():
        return None
    names = _mapping(path).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str | bytes) for name in names):
        raise DataError(f"{path} has no list of words {key!r}: download it again")
    return tuple(map(_word, names))


def _images(found: dict[str, Any], path: Path) -> np.ndarray:
    """Build the array that the pickle describes, if it is one of bytes in rows of 3 x 32 x 32."""
    try:
        _, (rows, width), kind, fortran, content = found["data"].state
        if isinstance(content, _Passive):
            # Protocol 2 of Python 3 has no bytes and spells them as text to encode.
            text, _ = content.arguments
            content = text.encode("latin-1")
        if kind.arguments[0] not in ("u1", b"u1") or rows < 1 or (rows * width, width) != (len(content), 32 * 32 * 3):
            # Anything else may take longer to write out than to read.
            first = kind.arguments[0]
            named = repr(first) if isinstance(first, bytes | str) else "an unknown type"
            raise ValueError(f"{rows} x {width} of {named} in {len(content)} bytes")
        flat = np.frombuffer(bytearray(content), np.uint8)
        return flat.reshape((rows, width), order="F" if fortran else "C").reshape(rows, *_SIZE)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"{path} has no array of bytes 'data' in rows of 3072 ({error}): download it again") from error


def _mapping(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise DataError("it is no ordinary file")  # reading a pipe would wait for ever
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"it has {path.stat().st_size} bytes, more than any batch")
        content = path.read_bytes()
        _check(content)
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        return {_word(key): value for key, value in found.items()}
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: unpack the whole archive") from error
    # A pickle fails in as many ways as it has instructions.
    except Exception as error:
        raise DataError(f"{path} is not a batch of images: {error}") from error


def _check(content: bytes) -> None:
    """Walk through a pickle before it is read: lengths, and what would exhaust memory or the stack."""
    tuples = 0
    for code, argument, _ in pickletools.genops(content):
        tuples += code.name.startswith("TUPLE")
        if tuples > _MOST_TUPLES or ("PUT" in code.name and int(argument or 0) > len(content)):
            raise DataError("its instructions are not those of an array")


def _word(text: Any) -> str:
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
