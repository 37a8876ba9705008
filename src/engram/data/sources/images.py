"""Folders of images: one sub-folder of images for each class, or train and test with such sub-folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError, SettingError
from ..folders import pose_folder
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
        read = lambda files, folder: _read(files, str(folder), self.size)  # noqa: E731
        return pose_folder(Path(self.path), _is_image, read, "image", ", ".join(_ENDINGS), seed)

    def raw(self) -> Any:
        """All images of the folder and its sub-folders, in order of their names."""
        return _read(sorted(filter(_is_image, Path(self.path).rglob("*"))), self.path, self.size)


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in _ENDINGS and not path.name.startswith(".") and path.is_file()


def _read(files: list[Path], root: str, size: int | None) -> np.ndarray:
    if not files:
        raise DataError(f"{root} has no image ({', '.join(_ENDINGS)})")
    return stack(((str(file), file) for file in files), len(files), size)
