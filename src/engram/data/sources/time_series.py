"""Files of time-series archives: .ts (aeon, sktime) and .arff (Weka); NAME_TEST beside NAME_TRAIN is the test split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from ...errors import DataError
from ..problem import Problem

__all__ = ["TimeSeries"]


@dataclass(frozen=True)
class TimeSeries:
    """A ``.ts`` file of one or many channels, or an ``.arff`` file of one; series may end early in a ``.ts`` file.

    Args:
        path: of the file; of the training file where a test file lies beside it under the archive's own names.
        test: a file with the held-out series.
        task: classification or regression; as the file says when None.

    Raises:
        DataError: a line that is no series, other lengths of channels, no class, stamps of time.

    References:
        Bagnall et al. 2018, The UEA multivariate time series classification archive, arXiv 1811.00075.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".ts", ".arff")
    path: str
    test: str | None = None
    task: Literal["classification", "regression"] | None = None

    def load(self, seed: int) -> Problem:
        """Read and split."""
        x, y = _read(self.path, labelled=True)
        held = self.test or _beside(self.path)
        test = None if held is None else _read(held, labelled=True)
        name = Path(self.path).stem.removesuffix("_TRAIN")
        task = self.task or ("classification" if y.dtype == object else "regression")
        if task == "regression":
            y, test = y.astype(float), test and (test[0], test[1].astype(float))
        return Problem.from_arrays(x, y, test=test, name=name, seed=seed, task=task, kind="series")

    def raw(self) -> Any:
        """The series alone."""
        return _read(self.path, labelled=False)[0]


def _beside(path: str) -> str | None:
    """The archive's test file beside its training file."""
    found = Path(path)
    if not found.stem.endswith("_TRAIN"):
        return None
    other = found.with_name(found.stem.removesuffix("_TRAIN") + "_TEST" + found.suffix)
    return str(other) if other.is_file() else None


def _read(path: str, labelled: bool) -> tuple[np.ndarray, np.ndarray]:
    """Series (N, channels, T), NaN behind the end of shorter ones, and their labels (objects are classes)."""
    try:
        if path.lower().endswith(".arff"):
            return _read_arff(path)
        with open(path, encoding="utf-8") as file:
            return _read_ts(path, file, labelled)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: save it as UTF-8") from error


def _read_ts(path: str, lines: Iterator[str], labelled: bool) -> tuple[np.ndarray, np.ndarray]:
    head: dict[str, str] = {}
    series: list[list[np.ndarray]] = []
    labels: list[str] = []
    begun = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if not begun:
            if not text.startswith("@"):
                raise DataError(f"{path}: line {number} stands before @data: the head of a .ts file begins with @")
            word, _, value = text[1:].partition(" ")
            head[word.lower()] = value.strip()
            begun = word.lower() == "data"
            continue
        if head.get("timestamps", "false").lower() == "true":
            raise DataError(f"{path} holds stamps of time: save evenly spaced values without them")
        parts = text.split(":")
        if _says(head, "classlabel") or _says(head, "targetlabel"):
            labels.append(parts.pop().strip())
        series.append([_values(part, f"{path}: line {number}") for part in parts])
        if len(series[-1]) != len(series[0]):
            raise DataError(f"{path}: line {number} has {len(series[-1])} channels and the first {len(series[0])}")
        if len({len(channel) for channel in series[-1]}) > 1:
            raise DataError(f"{path}: line {number} has channels of different lengths: pad them to one")
    if not series:
        raise DataError(f"{path} holds no series: a .ts file has one a line behind @data")
    if labelled and not labels:
        raise DataError(
            f"{path} names no class: its head needs @classLabel true with the classes, or @targetLabel true"
        )
    if not series[0]:
        raise DataError(f"{path} has labels and no values: a line holds values, a colon and a label")
    longest = max(len(one[0]) for one in series)
    x = np.full((len(series), len(series[0]), longest), np.nan)
    for row, one in enumerate(series):
        x[row, :, : len(one[0])] = one
    numbers = _says(head, "targetlabel")
    return x, np.array(labels, dtype=float if numbers else object)


def _says(head: dict[str, str], word: str) -> bool:
    return head.get(word, "false").split(" ")[0].lower() == "true"


def _values(text: str, where: str) -> np.ndarray:
    found = []
    for place, word in enumerate(text.split(",")):
        try:
            found.append(float("nan") if word.strip() == "?" else float(word))
        except ValueError as error:
            raise DataError(f"{where}: {word.strip()!r} at point {place} is no number") from error
    return np.array(found)


def _read_arff(path: str) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import arff

    try:
        rows, head = arff.loadarff(path)
    except (arff.ArffError, NotImplementedError, ValueError, StopIteration, IndexError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is no .arff file of series of one channel ({why}): give it as .ts or .npz") from error
    names, kinds = head.names(), head.types()
    points = [name for name, kind in zip(names, kinds, strict=True) if kind == "numeric"]
    others = [name for name, kind in zip(names, kinds, strict=True) if kind == "nominal"]
    if len(points) < 2 or len(others) > 1 or len(rows) == 0:
        raise DataError(
            f"{path} has {len(points)} numeric and {len(others)} nominal attributes: a series and one class are read"
        )
    if not others:
        points, others = points[:-1], points[-1:]
        labels = rows[others[0]].astype(float)
    else:
        labels = np.array([value.decode() for value in rows[others[0]]], dtype=object)
    return np.stack([rows[name] for name in points], 1)[:, None].astype(float), labels
