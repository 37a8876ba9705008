"""Folders of texts: one sub-folder of .txt files for each class, or train and test with such sub-folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...errors import DataError
from ..folders import pose_folder
from ..problem import Problem

__all__ = ["Texts"]

_ENDING = ".txt"


@dataclass(frozen=True)
class Texts:
    """A folder ``class/text.txt``, or ``train/class/text.txt`` and ``test/class/text.txt``.

    Args:
        path: of the folder.

    Raises:
        DataError: no texts, one class, a file that is not UTF-8 or empty.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/",)
    path: str

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether there is a text in a folder below."""
        return path.is_dir() and any(map(_is_text, (*path.glob("*/*"), *path.glob("*/*/*"))))

    def load(self, seed: int) -> Problem:
        """Read and split."""
        read = lambda files, folder: [_read(file) for file in files]  # noqa: E731
        return pose_folder(Path(self.path), _is_text, read, "text", _ENDING, seed)

    def raw(self) -> Any:
        """All texts of the folder and its sub-folders, in order of their names."""
        files = sorted(filter(_is_text, Path(self.path).rglob("*")))
        return [_read(file) for file in files]


def _is_text(path: Path) -> bool:
    return path.suffix.lower() == _ENDING and not path.name.startswith(".") and path.is_file()


def _read(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is not UTF-8: save it as UTF-8") from error
    if not text.strip():
        raise DataError(f"{file} is empty: fill or remove it")
    return text
