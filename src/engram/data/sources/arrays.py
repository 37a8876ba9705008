"""NumPy archives: rows, series or images with targets."""

import math
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from ...errors import DataError
from ..posing_series import forecast
from ..problem import Problem
from ..room import require_ram

__all__ = ["Arrays"]


@dataclass(frozen=True)
class Arrays:
    """An ``.npz`` with `x_train, y_train, x_test, y_test` (and `x_val, y_val`), or `x, y` split by seed.

    Args:
        path: of the archive; object arrays are refused, since reading them would run a pickle.
        test: an archive with the held-out `x, y`.
        task: classification or regression; read off the targets when None.
        kind: rows, series or images; read off the values when None.
        horizon: so many last points of each series are predicted from those before, in place of `y`; or, where the archive
            holds one long series (T,) or (channels, T), those behind every window.
        window: points that are seen, of one long series.

    Raises:
        DataError: missing arrays, object arrays, a broken archive.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".npz", ".npy")
    path: str
    test: str | None = None
    task: Literal["classification", "regression"] | None = None
    kind: Literal["rows", "series", "images"] | None = None
    horizon: int | None = None
    window: int | None = None

    def load(self, seed: int) -> Problem:
        """Read and split."""
        arrays = self._read()
        if self.horizon is not None or self.window is not None:
            return forecast(arrays, self.path, self.horizon, self.window, seed)
        name = Path(self.path).stem
        how: Any = {"name": name, "seed": seed, "task": self.task, "kind": self.kind}
        if self.test is not None:
            held = replace(self, path=self.test, test=None)._read()
            for path, found in ((self.path, arrays), (self.test, held)):
                if not {"x", "y"} <= set(found):
                    raise DataError(
                        f"{path} holds {', '.join(sorted(found)) or 'nothing'}; beside a test file it needs x, y"
                    )
            test = held["x"], held["y"]
            return Problem.from_arrays(arrays["x"], arrays["y"], test=test, **how)
        if {"x_train", "y_train", "x_test", "y_test"} <= set(arrays):
            val = (arrays["x_val"], arrays["y_val"]) if {"x_val", "y_val"} <= set(arrays) else None
            return Problem.from_arrays(
                arrays["x_train"],
                arrays["y_train"],
                test=(arrays["x_test"], arrays["y_test"]),
                select=val,
                **how,
            )
        if {"x", "y"} <= set(arrays):
            return Problem.from_arrays(arrays["x"], arrays["y"], **how)
        raise DataError(
            f"{self.path} holds {', '.join(sorted(arrays)) or 'nothing'}; it needs x_train, y_train, x_test, y_test, or x, y"
        )

    def raw(self) -> Any:
        """New inputs: `x`, `x_test`, or the only array."""
        arrays = self._read()
        for key in ("x", "x_test"):
            if key in arrays:
                return arrays[key]
        if len(arrays) == 1:
            return next(iter(arrays.values()))
        raise DataError(f"{self.path} holds {', '.join(sorted(arrays))}: name the new inputs x")

    def _read(self) -> dict[str, np.ndarray]:
        try:
            with open(self.path, "rb") as file:
                require_ram(_promised(file), self.path)
                file.seek(0)
                content = np.load(file, allow_pickle=False)
                if isinstance(content, np.ndarray):
                    return {"x": content}
                return {key: content[key] for key in content.files}
        except (DataError, MemoryError):
            raise
        except Exception as error:  # a mutated header raises whatever the parser that it reaches raises
            if "Object arrays" in str(error):
                raise DataError(
                    f"{self.path} holds an object array, which only a pickle can read: save plain numbers instead"
                ) from error
            # NumPy's own words advise to run what it takes for a pickle.
            why = "neither .npy nor .npz" if "allow_pickle" in str(error) else " ".join(str(error).split())[:200]
            raise DataError(f"{self.path} is not a readable NumPy archive ({why or type(error).__name__})") from error


def _promised(file: BinaryIO) -> int:
    """Bytes that all arrays take by their headers; nothing of them is read."""
    if file.read(4) != b"PK\x03\x04":
        file.seek(0)
        return _size(file)
    total = 0
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as member:
                    total += _size(member)
    return total


def _size(file: Any) -> int:
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
    shape, _, kind = read(file)
    return math.prod(shape) * kind.itemsize
