"""Folders of images: one sub-folder of images for each class, or train and test with such sub-folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError, SettingError
from ..pictures import stack
from ..problem import Problem

__all__ = ["Images"]

_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")


@dataclass(frozen=True)
class Images:
    """A folder ``class/image``, or ``train/class/image`` and ``test/class/image``.

    Args:
        path: of the folder.
        size: of a side, to which the middle square of each image is scaled; all have one size already when None.

    Raises:
        DataError: no images, different sizes, a broken file.
        SettingError: a size below 2.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/",)
    path: str
    size: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 2:
            raise SettingError(f"size is {self.size}: images have sides of at least 2 pixels")

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether there is an image in the folder or below."""
        return path.is_dir() and any(map(_is_image, path.rglob("*")))

    def load(self, seed: int) -> Problem:
        """Read and split."""
        root = Path(self.path)
        if (root / "train").is_dir() and (root / "test").is_dir():
            train, test = _labelled(root / "train", self.size), _labelled(root / "test", self.size)
            val = next((root / n for n in ("select", "val", "validation") if (root / n).is_dir()), None)
            return Problem.from_arrays(
                *train,
                test=test,
                select=_labelled(val, self.size) if val else None,
                name=root.name,
                seed=seed,
                task="classification",
            )
        return Problem.from_arrays(*_labelled(root, self.size), name=root.name, seed=seed, task="classification")

    def raw(self) -> Any:
        """All images of the folder and its sub-folders, in order of their names."""
        return _read(sorted(filter(_is_image, Path(self.path).rglob("*"))), self.path, self.size)


def _labelled(root: Path, size: int | None) -> tuple[np.ndarray, np.ndarray]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root} has {len(folders)} sub-folders: it needs one sub-folder of images for each class")
    files, labels = [], []
    for folder in folders:
        found = sorted(filter(_is_image, folder.iterdir()))
        if not found:
            raise DataError(f"{folder} has no image ({', '.join(_ENDINGS)}): add some or remove the folder")
        files += found
        labels += [folder.name] * len(found)
    return _read(files, str(root), size), np.array(labels)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".") and path.is_file()


def _read(files: list[Path], root: str, size: int | None) -> np.ndarray:
    if not files:
        raise DataError(f"{root} has no image ({', '.join(_ENDINGS)})")
    return stack(((str(file), file) for file in files), len(files), size)
