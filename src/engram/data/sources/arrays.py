"""NumPy archives: rows, series or images with targets."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...errors import DataError, SettingError
from ..array_files import pairs_of, shapes_of, whole
from ..posing_series import forecast
from ..posing_streams import file_identity, pose_array_stream
from ..problem import Problem
from ..room import require_ram
from ..sampling import Watch

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
        stream: whether it is read in pieces and stored on disk in the cache, since it is larger than memory.

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
    stream: bool = False

    def load(self, seed: int, watch: Watch | None = None) -> Problem:
        """Read and split."""
        forecasts = self.horizon is not None or self.window is not None
        if self.stream and forecasts:
            raise SettingError(f"{self.path}: stream reads rows with targets; series to forecast are read whole")
        if self.stream:
            return self._streamed(seed, watch)
        arrays = self._read()
        if forecasts:
            return forecast(arrays, self.path, self.horizon, self.window, seed)
        name = Path(self.path).stem
        how: Any = {"name": name, "seed": seed, "task": self.task, "kind": self.kind}
        if self.test is not None:
            _require_pair(self.path, arrays)
            return Problem.from_arrays(arrays["x"], arrays["y"], test=self._held_out(self.test), **how)
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
        raise DataError(_needs(self.path, arrays))

    def _streamed(self, seed: int, watch: Watch | None) -> Problem:
        with self._readable():
            shapes = shapes_of(self.path)
        if self.test is not None:
            _require_pair(self.path, shapes)
        parted = self.test is None and {"x_train", "y_train", "x_test", "y_test"} <= set(shapes)
        pair = ("x_train", "y_train") if parted else ("x", "y")
        if not set(pair) <= set(shapes):
            raise DataError(_needs(self.path, shapes))
        held = {"test": ("x_test", "y_test")} if parted else {}
        if parted and {"x_val", "y_val"} <= set(shapes):
            held["select"] = ("x_val", "y_val")
        given = {part: tuple(whole(self.path, name) for name in names) for part, names in held.items()}
        if self.test is not None:
            given["test"] = self._held_out(self.test)
        return pose_array_stream(
            lambda: pairs_of(self.path, *pair),
            Path(self.path).stem,
            seed,
            {"files": file_identity(self.path), "arrays": pair},
            shapes[pair[1]][0][0] if shapes[pair[1]][0] else 0,
            {"task": self.task, "kind": self.kind},
            given,
            watch,
        )

    def _held_out(self, path: str) -> tuple[np.ndarray, np.ndarray]:
        arrays = replace(self, path=path, test=None)._read()
        _require_pair(path, arrays)
        return arrays["x"], arrays["y"]

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
        with self._readable():
            size = sum(math.prod(shape) * kind.itemsize for shape, kind in shapes_of(self.path).values())
            require_ram(size, self.path, "read it in pieces (--stream)")
            content = np.load(self.path, allow_pickle=False)
            if isinstance(content, np.ndarray):
                return {"x": content}
            with content:
                return {key: content[key] for key in content.files}

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
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


def _require_pair(path: str, arrays: Iterable[str]) -> None:
    if not {"x", "y"} <= set(arrays):
        raise DataError(f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; beside a test file it needs x, y")


def _needs(path: str, arrays: Iterable[str]) -> str:
    return f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; it needs x_train, y_train, x_test, y_test, or x, y"
