"""Folders with one sub-folder for each class, or train and test with such sub-folders: whatever their files hold."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .problem import Problem

__all__ = ["pose_folder"]

Read = Callable[[list[Path], Path], Any]
"""The inputs of some files, of a folder that messages name."""


def pose_folder(root: Path, belongs: Callable[[Path], bool], read: Read, what: str, endings: str, seed: int) -> Problem:
    """Pose a problem from a folder of classes.

    Args:
        root: ``class/file``; or ``train/class/file`` and ``test/class/file``, and ``val`` where there is one.
        belongs: whether a file is one of those.
        read: the inputs of files.
        what: they are, for messages: image, text.
        endings: they have, for messages.
        seed: of splits that are not there.

    Returns:
        The problem.

    Raises:
        DataError: fewer than two classes, a class without a file, and what `read` raises.
    """

    def labelled(folder: Path) -> tuple[Any, np.ndarray]:
        files, labels = _labelled(folder, belongs, what, endings)
        return read(files, folder), labels

    how: dict[str, Any] = {"name": root.name, "seed": seed, "task": "classification"}
    if not ((root / "train").is_dir() and (root / "test").is_dir()):
        return Problem.from_arrays(*labelled(root), **how)
    val = next((root / name for name in ("select", "val", "validation") if (root / name).is_dir()), None)
    select = labelled(val) if val else None
    return Problem.from_arrays(*labelled(root / "train"), test=labelled(root / "test"), select=select, **how)


def _labelled(root: Path, belongs: Callable[[Path], bool], what: str, endings: str) -> tuple[list[Path], np.ndarray]:
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(folders) < 2:
        raise DataError(f"{root} has {len(folders)} sub-folders: it needs one sub-folder of {what}s for each class")
    files, labels = [], []
    for folder in folders:
        found = sorted(filter(belongs, folder.iterdir()))
        if not found:
            raise DataError(f"{folder} has no {what} ({endings}): add some or remove the folder")
        files += found
        labels += [folder.name] * len(found)
    return files, np.array(labels)
