"""Datasets of other libraries, in memory: those of PyTorch, and of Hugging Face."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from ..errors import DataError, SettingError
from .problem import Problem
from .sources.hugging_face import HuggingFace

__all__ = ["InMemory", "is_dataset"]


def is_dataset(value: Any) -> bool:
    """Whether this is a dataset of PyTorch or of Hugging Face, or a dict of the latter by split."""
    return isinstance(value, Dataset) or _of_hugging_face(value)


class InMemory:
    """A map-style `torch.utils.data.Dataset` of (input, target) pairs, a `datasets.Dataset` or a `datasets.DatasetDict`.

    Args:
        dataset: what is learnt.
        test: held-out pairs of the same kind, beside a dataset of PyTorch; a fifth of the rows when None.
        name: for tables and files.
        settings: of `HuggingFace` (`target`, `drop`, ...), or `task`.

    Raises:
        DataError: a dataset without a length, items that are no pairs.
        SettingError: a setting that a dataset of this library does not take.

    Example:
        >>> rows = TensorDataset(torch.randn(40, 3), torch.arange(40) % 2)
        >>> InMemory(rows).load(0).task.shape
        (3,)
    """

    def __init__(self, dataset: Any, *, test: Any = None, name: str = "data", **settings: Any) -> None:
        self.dataset, self.test, self.name = dataset, test, name
        self.settings = {key: value for key, value in settings.items() if value is not None}
        if not _of_hugging_face(dataset):
            odd = sorted(set(self.settings) - {"task"})
            if odd:
                raise SettingError(f"a dataset of pairs takes no {', '.join(odd)}: leave it out")

    def load(self, seed: int) -> Problem:
        """Read all rows, and split what is not split."""
        if _of_hugging_face(self.dataset):
            return self._hugging_face(seed)
        test = None if self.test is None else _pairs(self.test)
        return Problem.from_arrays(*_pairs(self.dataset), test=test, name=self.name, seed=seed, **self.settings)

    def _hugging_face(self, seed: int) -> Problem:
        """By way of a folder: what is decoded, named and refused there is the same here."""
        dataset = self.dataset
        if self.test is not None:
            if isinstance(dataset, Mapping):
                raise SettingError("a dict of splits holds its own test split: leave out test")
            from datasets import DatasetDict

            dataset = DatasetDict({"train": dataset, "test": self.test})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            dataset.save_to_disk(str(path))
            return replace(HuggingFace(str(path)), **self.settings).load(seed)


def _of_hugging_face(value: Any) -> bool:
    return hasattr(value, "save_to_disk") and type(value).__module__.partition(".")[0] == "datasets"


def _pairs(dataset: Any) -> tuple[Any, Any]:
    """All inputs and all targets of a dataset of pairs."""
    if isinstance(dataset, TensorDataset) and len(dataset.tensors) == 2:
        return dataset.tensors
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise DataError("a dataset without a length cannot be split: give one whose items are found by number")
    inputs, targets = [], []
    for row in range(len(dataset)):
        item = dataset[row]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(
                f"item {row} of the dataset is no pair of an input and a target: it is {type(item).__name__}"
            )
        inputs.append(_plain(item[0]))
        targets.append(_plain(item[1]))
        if inputs[-1].shape != inputs[0].shape:
            raise DataError(
                f"item {row} has shape {inputs[-1].shape} and item 0 {inputs[0].shape}: bring all to one shape"
            )
    if not inputs:
        raise DataError("the dataset is empty")
    return np.stack(inputs), np.stack(targets)


def _plain(value: Any) -> np.ndarray:
    """Tensors, images of Pillow, numbers and words as arrays."""
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
