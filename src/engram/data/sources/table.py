"""Tables: CSV and parquet files with named columns."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from ...errors import DataError
from ..problem import Problem

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """A ``.csv`` or ``.parquet`` file; numeric and categorical columns, missing values allowed in inputs.

    Args:
        path: of the file.
        target: the column to predict.
        group: a column whose equal values stay in one split.
        split: a column that says train, test, and optionally select.
        task: classification or regression; read off the target when None.

    Raises:
        DataError: not a table, or no target named.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".tsv")
    path: str
    target: str | None = None
    group: str | None = None
    split: str | None = None
    task: Literal["classification", "regression"] | None = None

    def load(self, seed: int) -> Problem:
        """Read and split."""
        frame = self.raw()
        if self.target is None:
            raise DataError(
                f"{self.path}: which column is predicted? Pass --target with one of {', '.join(frame.columns)}"
            )
        return Problem.from_frame(
            frame, self.target, group=self.group, split=self.split, name=Path(self.path).stem, seed=seed, task=self.task
        )

    def raw(self) -> Any:
        """The rows as they are."""
        try:
            if self.path.lower().endswith(".parquet"):
                frame = pd.read_parquet(self.path)
            else:
                frame = _read_csv(self.path)
        except DataError:
            raise
        except (ValueError, OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
            raise DataError(f"{self.path} is not a readable table ({str(error).splitlines()[0]})") from error
        if len(frame) == 0:
            raise DataError(f"{self.path} has no rows")
        return frame.rename(columns=str)


def _read_csv(path: str) -> pd.DataFrame:
    """Read values separated by commas, semicolons or tabs, whichever the first line has most of."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    separator = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=separator), [])
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path}: column {name!r} stands twice: rename or drop one")
    return pd.read_csv(path, sep=separator, encoding="utf-8-sig")
