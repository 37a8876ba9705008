"""Hugging Face datasets: a folder written by save_to_disk, or parquet files named train-*, test-* (and validation-*)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import DataError, SettingError, UnknownNameError, nearest
from ..arrow import (
    as_frame,
    class_names_of,
    features_of,
    opened,
    picture_columns,
    read_shards,
    shard_folders,
    shards_of,
    target_column,
)
from ..pictures import require_named, stack
from ..problem import Problem

__all__ = ["HuggingFace"]


@dataclass(frozen=True)
class HuggingFace:
    """A `Dataset` or `DatasetDict` saved to disk, a folder of parquet shards, or a parquet file with images.

    Splits of other names than train, test and validation are left out. With an image column it is images, and columns
    besides it and the target are left out; otherwise a table.

    Args:
        path: of the folder or file.
        target: the column to predict; ``label``, or the only one with class names, when None.
        group: as in `Problem.from_frame`, for tables.
        split: as in `Problem.from_frame`, for tables that are one split.
        task: classification or regression; read off the target when None.
        drop: columns of a table that are no inputs.
        columns: its only inputs; all when empty.
        kinds: of its columns, where they are not to be inferred.
        drop_missing: whether its rows without a target are left out.

    Raises:
        DataError: a file missing or broken, no training or test split, a label without a name.

    References:
        Lhoest et al. 2021, Datasets: a community library for natural language processing, arXiv 2109.02846.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/", ".parquet")
    path: str
    target: str | tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None
    task: Literal["classification", "regression"] | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    drop_missing: bool = False

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the folder is a saved dataset or has named shards, or the parquet file has images."""
        if path.is_dir():
            return any((path / n).is_file() for n in ("dataset_dict.json", "state.json")) or bool(shard_folders(path))
        if path.suffix.lower() != ".parquet":
            return False
        try:
            return bool(picture_columns(pq.read_schema(path), {}))
        except (pa.ArrowException, OSError, ValueError):
            # Broken: the source of tables says so.
            return False

    def load(self, seed: int) -> Problem:
        """Read all splits; draw those that a single split lacks."""
        parts = {part: read_shards(files) for part, files in shards_of(Path(self.path)).items()}
        if len(parts) > 1 and self.split is not None:
            raise SettingError(f"{self.path} is split already: leave out split={self.split}")
        features = features_of(parts["train"].schema, Path(self.path))
        name = Path(self.path).name.removesuffix(".parquet")
        if not picture_columns(parts["train"].schema, features):
            return self._table(parts, features, name, seed)
        given = ("group", "split", "drop", "columns", "kinds", "drop_missing")
        if any(getattr(self, key) for key in given):
            raise SettingError(
                f"{self.path} holds images, which take no {', '.join(key for key in given if getattr(self, key))}: leave it out"
            )
        target, *others = self._targets(parts["train"].schema, features)
        if others:
            raise DataError(f"{self.path} holds images, which have one target: name one")
        labels = {
            part: target_column(table, target, f"{self.path}: {part}").to_pylist() for part, table in parts.items()
        }
        names = class_names_of(features, target, self.path)
        if names is not None:
            for part, values in labels.items():
                require_named(values, names, f"{self.path}: {part}")
        pairs = {part: (self._images(table, features, part), labels[part]) for part, table in parts.items()}
        return Problem.from_arrays(
            *pairs["train"],
            test=pairs.get("test"),
            select=pairs.get("select"),
            name=name,
            seed=seed,
            task=self.task if names is None else "classification",
            class_names=names,
        )

    def raw(self) -> Any:
        """The images or rows of the test split, or of the only one."""
        shards = shards_of(Path(self.path))
        part = "test" if "test" in shards else "train"
        table = read_shards(shards[part])
        features = features_of(table.schema, Path(self.path))
        if picture_columns(table.schema, features):
            return self._images(table, features, part)
        return as_frame(table, features, self.path)

    def _images(self, table: pa.Table, features: dict[str, Any], part: str) -> Any:
        found = picture_columns(table.schema, features)
        if len(found) != 1:
            raise DataError(
                f"{self.path}: {part} has image columns {', '.join(found) or 'none'}: keep one, and the same"
            )
        return stack(opened(table[found[0]], f"{self.path}: {part}"), len(table))

    def _table(self, parts: dict[str, pa.Table], features: dict[str, Any], name: str, seed: int) -> Problem:
        target, column = self._targets(parts["train"].schema, features), self.split
        frames = {part: as_frame(table, features, self.path) for part, table in parts.items()}
        frame = pd.concat(frames.values(), ignore_index=True)
        if len(frames) > 1:
            column = "split"
            while column in frame:
                column += "_"
            frame[column] = [part for part, rows in frames.items() for _ in range(len(rows))]
        return Problem.from_frame(
            frame,
            target,
            group=self.group,
            split=column,
            name=name,
            seed=seed,
            task=self.task,
            drop=self.drop,
            columns=self.columns,
            kinds=self.kinds,
            drop_missing=self.drop_missing,
        )

    def _targets(self, schema: pa.Schema, features: dict[str, Any]) -> tuple[str, ...]:
        """The columns to predict."""
        if self.target:
            given = (self.target,) if isinstance(self.target, str) else self.target
            for name in given:
                if name not in schema.names:
                    raise UnknownNameError(f"{self.path}: no column {name!r}; {nearest(name, schema.names)}")
            return given
        named = [name for name in schema.names if class_names_of(features, name, self.path) is not None]
        if "label" in schema.names:
            return ("label",)
        if len(named) == 1:
            return (named[0],)
        raise DataError(
            f"{self.path}: which column is predicted? Pass --target with one of {', '.join(named or schema.names)}"
        )
