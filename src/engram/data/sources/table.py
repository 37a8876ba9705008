"""Tables: CSV, parquet and JSON-lines files with named columns."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd

from ...errors import DataError, SettingError
from ..posing_series import Layout, series_of
from ..posing_streams import file_identity, pose_frame_stream
from ..problem import Problem
from ..reading import Reading
from ..sampling import Watch
from ..table_files import of_words, pieces_of, read_table, rows_of, settled

__all__ = ["Table"]


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
        stream: whether it is read in pieces and stored on disk in the cache, since it is larger than memory.

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
    stream: bool = False

    def load(self, seed: int, watch: Watch | None = None) -> Problem:
        """Read and split."""
        given = (self.series_id, self.time, self.horizon, self.window)
        if self.stream:
            if self.kind not in (None, "rows") or any(one is not None for one in given):
                raise SettingError(f"{self.path}: stream reads rows; series and texts are read whole")
            if not self.target:
                raise DataError(self._which(next(pieces_of(self.path), pd.DataFrame()).columns))
            return self._streamed(seed, watch)
        frame = self.raw()
        if self.kind not in (None, "rows", "series", "text"):
            raise SettingError(f"{self.path} is a table: its rows are rows, series or text, no {self.kind}")
        if self.kind == "series" or any(one is not None for one in given):
            held = None if self.test is None else replace(self, path=self.test).raw()
            targets = (self.target,) if isinstance(self.target, str) else self.target or ()
            how = Layout(targets, self.series_id, self.time, self.horizon, self.window, self.columns, self.drop)
            return series_of(frame, held, how, Path(self.path).stem, seed, self.task)
        if not self.target:
            raise DataError(self._which(frame.columns))
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

    def _which(self, columns: Iterable[str]) -> str:
        return f"{self.path}: which column is predicted? Pass --target with one of {', '.join(columns)}"

    def _streamed(self, seed: int, watch: Watch | None) -> Problem:
        targets = (self.target,) if isinstance(self.target, str) else self.target or ()
        kinds = dict(self.kinds)
        drop, columns = tuple(self.drop), tuple(self.columns)
        how = Reading(targets, self.group, self.split, self.task, drop, columns, kinds, self.drop_missing)
        test = None if self.test is None else replace(self, path=self.test).raw()
        files = [self.path] if self.test is None else [self.path, self.test]
        spoken = {name for name, kind in kinds.items() if kind in ("category", "text", "id")}
        return pose_frame_stream(
            lambda: pieces_of(self.path),
            how,
            Path(self.path).stem,
            seed,
            {"files": file_identity(*files)},
            rows_of(self.path),
            test,
            **({"settle": partial(settled, words=spoken)} if of_words(self.path) else {}),
            watch=watch,
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
        return read_table(self.path)
