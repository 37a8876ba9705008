"""Tables: CSV, parquet and JSON-lines files with named columns."""

import csv
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from ...errors import DataError, SettingError
from ..posing_series import Layout, series_of
from ..problem import Problem
from ..room import require_ram

__all__ = ["Table"]

_GAPS = ["-", "--", "?", " "]
"""What stands for a missing value beside those that pandas knows."""


@dataclass(frozen=True)
class Table:
    """A ``.csv``, ``.tsv``, ``.parquet`` or ``.jsonl`` file; numbers, categories, dates and texts, missing values allowed in inputs.

    Args:
        path: of the file.
        target: the column to predict, or several.
        test: a file with the held-out rows.
        group: a column whose equal values stay in one split.
        split: a column that says train, test, and optionally select.
        task: classification or regression; read off the target when None.
        drop: columns that are no inputs.
        columns: the only inputs; all when empty.
        kinds: of columns, where they are not to be inferred.
        drop_missing: whether rows without a target are left out.
        kind: series where the columns are the points of one, in order; text where the only column besides the target is one; rows
            when None, unless their only column is of texts.
        series_id: of a table with one point a row, the column that tells series apart; other columns are channels.
        time: the column by which points are ordered; as they stand when None.
        horizon: points that are predicted from those before; with a window, of one long series whose channels are the columns.
        window: points that are seen.

    Raises:
        DataError: not a table, or no target named.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".parquet", ".tsv", ".jsonl", ".ndjson")
    path: str
    target: str | tuple[str, ...] | None = None
    test: str | None = None
    group: str | None = None
    split: str | None = None
    task: Literal["classification", "regression"] | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop_missing: bool = False
    kind: Literal["rows", "series", "text"] | None = None
    series_id: str | None = None
    time: str | None = None
    horizon: int | None = None
    window: int | None = None

    def load(self, seed: int) -> Problem:
        """Read and split."""
        frame = self.raw()
        if self.kind not in (None, "rows", "series", "text"):
            raise SettingError(f"{self.path} is a table: its rows are rows, series or text, no {self.kind}")
        given = (self.series_id, self.time, self.horizon, self.window)
        if self.kind == "series" or any(one is not None for one in given):
            held = None if self.test is None else replace(self, path=self.test).raw()
            targets = (self.target,) if isinstance(self.target, str) else self.target or ()
            how = Layout(targets, self.series_id, self.time, self.horizon, self.window, self.columns, self.drop)
            return series_of(frame, held, how, Path(self.path).stem, seed, self.task)
        if not self.target:
            raise DataError(
                f"{self.path}: which column is predicted? Pass --target with one of {', '.join(frame.columns)}"
            )
        return Problem.from_frame(
            frame,
            self.target,
            test=None if self.test is None else replace(self, path=self.test).raw(),
            group=self.group,
            split=self.split,
            name=Path(self.path).stem,
            seed=seed,
            task=self.task,
            drop=self.drop,
            columns=self.columns,
            kinds=self.kinds if self.kind != "text" else {self._only_input(frame): "text"},
            drop_missing=self.drop_missing,
        )

    def _only_input(self, frame: pd.DataFrame) -> str:
        """The column of texts."""
        targets = (self.target,) if isinstance(self.target, str) else self.target or ()
        others = {*targets, self.group, self.split, *self.drop}
        found = self.columns or [name for name in frame.columns if name not in others]
        if len(found) != 1:
            raise DataError(
                f"{self.path}: which column holds the texts? Pass --columns with one of {', '.join(found) or 'none'}"
            )
        return str(found[0])

    def raw(self) -> Any:
        """The rows as they are."""
        try:
            if self.path.lower().endswith(".parquet"):
                frame = _read_parquet(self.path)
            elif self.path.lower().endswith(("jsonl", "ndjson")):
                frame = _read_lines(self.path)
            else:
                frame = _read_csv(self.path)
        except (DataError, MemoryError):
            raise
        except UnicodeDecodeError as error:
            with open(self.path, "rb") as file:
                wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
            where = "the table is UTF-16" if wide else f"line {_odd_line(self.path)} is not UTF-8"
            raise DataError(f"{self.path}: {where}: save it as UTF-8") from error
        except Exception as error:  # altered metadata raise whatever they reach
            why = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(f"{self.path} is not a readable table ({why})") from error
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
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        read = {"sep": separator, "encoding": "utf-8-sig", "dtype": str, "na_values": _GAPS, "skipinitialspace": True}
        try:
            frame = pd.read_csv(path, **read, index_col=False)
        except pd.errors.ParserWarning:
            # A separator at the end of every row makes one column more, without a name.
            frame = pd.read_csv(path, **read, header=None, skiprows=1, names=[*header, "\0"], index_col=False)
            if frame["\0"].notna().any():
                row = int(frame["\0"].notna().to_numpy().argmax())
                raise DataError(f"{path}: row {row} has more values than the header has names: mend it") from None
            frame = frame.drop(columns="\0")
    return frame.apply(_typed)


def _read_parquet(path: str) -> pd.DataFrame:
    import pyarrow.parquet as pq

    groups = pq.read_metadata(path)
    # Numbers take at least their eight bytes in a table, however well a file packs them.
    plain = sum(groups.row_group(k).total_byte_size for k in range(groups.num_row_groups))
    require_ram(max(plain, 8 * groups.num_rows * groups.num_columns), path)
    table = pq.read_table(path)
    table.validate(full=True)  # words that are no text fail only when somebody reads them
    return table.to_pandas()


def _read_lines(path: str) -> pd.DataFrame:
    """One JSON object a line."""
    rows = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if "\\ud" in line.lower():  # half a character, which nothing could write
                    json.dumps(row, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}: line {number} is not JSON ({error}): mend or remove it") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}: line {number} is no JSON object: write one for each row")
            rows.append(row)
    return pd.DataFrame(rows)


def _typed(words: pd.Series) -> pd.Series:
    """Words as truth values or numbers where all are; a number that begins with zero is a code, and stays a word."""
    known = words.dropna()
    if len(known) and known.str.lower().isin(("true", "false")).all():
        truth = words.str.lower().map({"true": True, "false": False})
        return truth.astype(bool) if len(known) == len(words) else truth.astype(object)
    if known.str.match(r"[-+]?0\d").any():
        return words
    numbers = pd.to_numeric(words, errors="coerce")
    return numbers if len(known) and int(numbers.notna().sum()) == len(known) else words


def _odd_line(path: str) -> int:
    """The first line that is no text in UTF-8, counted from one."""
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1
