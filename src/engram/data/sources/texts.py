"""Folders of texts: one sub-folder of .txt files for each class, or train and test with such sub-folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ...errors import DataError
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
        root = Path(self.path)
        if (root / "train").is_dir() and (root / "test").is_dir():
            val = next((root / n for n in ("select", "val", "validation") if (root / n).is_dir()), None)
            return Problem.from_arrays(
                *_labelled(root / "train"),
                test=_labelled(root / "test"),
                select=_labelled(val) if val else None,
                name=root.name,
                seed=seed,
                task="classification",
            )
        return Problem.from_arrays(*_labelled(root), name=root.name, seed=seed, task="classification")

    def raw(self) -> Any:
        """All texts of the folder and its sub-folders, in order of their names."""
        files = sorted(filter(_is_text, Path(self.path).rglob("*")))
        return [_read(file) for file in files]


def _labelled(root: Path) -> tuple[list[str], np.ndarray]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root} has {len(folders)} sub-folders: it needs one sub-folder of texts for each class")
    texts, labels = [], []
    for folder in folders:
        found = sorted(filter(_is_text, folder.iterdir()))
        if not found:
            raise DataError(f"{folder} has no text ({_ENDING}): add some or remove the folder")
        texts += [_read(file) for file in found]
        labels += [folder.name] * len(found)
    return texts, np.array(labels)


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
