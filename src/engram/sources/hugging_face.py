"""Hugging Face datasets: a folder written by save_to_disk, or parquet files named train-*, test-* (and validation-*)."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import DataError, SettingError, UnknownNameError, nearest
from ..pictures import require_named, stack
from ..problem import Problem

__all__ = ["HuggingFace"]

_SPLITS = {
    "train": "train",
    "test": "test",
    "validation": "select",
    "valid": "select",
    "val": "select",
    "dev": "select",
    "select": "select",
}
_SHARD = re.compile(r"(?P<split>\w+?)(-\d+-of-(?P<n>\d+))?(-\w+)?\.parquet")

Shards = dict[str, list[Path]]


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

    Raises:
        DataError: a file missing or broken, no training or test split, a label without a name.

    References:
        Lhoest et al. 2021, Datasets: a community library for natural language processing, arXiv 2109.02846.
    """

    suffixes: ClassVar[tuple[str, ...]] = ("/", ".parquet")
    path: str
    target: str | None = None
    group: str | None = None
    split: str | None = None
    task: Literal["classification", "regression"] | None = None

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the folder is a saved dataset or has named shards, or the parquet file has images."""
        if path.is_dir():
            return any((path / n).is_file() for n in ("dataset_dict.json", "state.json")) or bool(_folders(path))
        if path.suffix.lower() != ".parquet":
            return False
        try:
            return bool(_pictures(pq.read_schema(path), {}))
        except (pa.ArrowException, OSError, ValueError):
            # Broken: the source of tables says so.
            return False

    def load(self, seed: int) -> Problem:
        """Read all splits; draw those that a single split lacks."""
        parts = {part: _read(files) for part, files in _shards(Path(self.path)).items()}
        if len(parts) > 1 and self.split is not None:
            raise SettingError(f"{self.path} is split already: leave out split={self.split}")
        features = _features(parts["train"].schema, Path(self.path))
        name = Path(self.path).name.removesuffix(".parquet")
        if not _pictures(parts["train"].schema, features):
            return self._table(parts, features, name, seed)
        if self.group is not None or self.split is not None:
            raise SettingError(f"{self.path} holds images, which take no group and no split: leave them out")
        target = self._target(parts["train"].schema, features)
        labels = {part: _column(table, target, f"{self.path}: {part}").to_pylist() for part, table in parts.items()}
        names = _class_names(features, target, self.path)
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
        shards = _shards(Path(self.path))
        part = "test" if "test" in shards else "train"
        table = _read(shards[part])
        features = _features(table.schema, Path(self.path))
        if _pictures(table.schema, features):
            return self._images(table, features, part)
        return _frame(table, features, self.path)

    def _images(self, table: pa.Table, features: dict[str, Any], part: str) -> Any:
        found = _pictures(table.schema, features)
        if len(found) != 1:
            raise DataError(
                f"{self.path}: {part} has image columns {', '.join(found) or 'none'}: keep one, and the same"
            )
        return stack(_opened(table[found[0]], f"{self.path}: {part}"), len(table))

    def _table(self, parts: dict[str, pa.Table], features: dict[str, Any], name: str, seed: int) -> Problem:
        target, column = self._target(parts["train"].schema, features), self.split
        frames = {part: _frame(table, features, self.path) for part, table in parts.items()}
        frame = pd.concat(frames.values(), ignore_index=True)
        if len(frames) > 1:
            column = "split"
            while column in frame:
                column += "_"
            frame[column] = [part for part, rows in frames.items() for _ in range(len(rows))]
        return Problem.from_frame(frame, target, group=self.group, split=column, name=name, seed=seed, task=self.task)

    def _target(self, schema: pa.Schema, features: dict[str, Any]) -> str:
        """The column to predict."""
        if self.target is not None:
            if self.target not in schema.names:
                raise UnknownNameError(f"{self.path}: no column {self.target!r}; {nearest(self.target, schema.names)}")
            return self.target
        named = [name for name in schema.names if _class_names(features, name, self.path) is not None]
        if "label" in schema.names:
            return "label"
        if len(named) == 1:
            return named[0]
        raise DataError(
            f"{self.path}: which column is predicted? Pass --target with one of {', '.join(named or schema.names)}"
        )


def _shards(root: Path) -> Shards:
    """The files of each split; a single split is called train."""
    if root.is_file():
        return {"train": [root]}
    if (root / "state.json").is_file():
        return {"train": _saved(root)}
    if (root / "dataset_dict.json").is_file():
        folders = [root / name for name in _SPLITS if (root / name / "state.json").is_file()]
        shards = _by_split([(folder.name, file) for folder in folders for file in _saved(folder)])
    else:
        found = _folders(root)
        if len(found) != 1:
            raise DataError(
                f"{root} holds parquet shards in {', '.join(map(str, found)) or 'no folder'}: give one of them"
            )
        shards = next(iter(found.values()))
        for part, files in shards.items():
            promised = {named["n"] for file in files if (named := _SHARD.fullmatch(file.name)) and named["n"]}
            if promised not in (set(), {f"{len(files):05}"}):
                raise DataError(
                    f"{files[0].parent} has {len(files)} shards of {part}, not {max(promised)}: add the others"
                )
    missing = "train" if "train" not in shards else "test"
    if missing not in shards and list(shards) != ["train"]:
        raise DataError(
            f"{root} has no {missing} split beside {', '.join(sorted(shards)) or 'none'}: add it, or rename another"
        )
    return shards


def _folders(root: Path) -> dict[Path, Shards]:
    """Folders with shards of known splits: this one, or those in it (``data``, or one for each configuration)."""
    found = {}
    for folder in [root, *sorted(p for p in root.iterdir() if p.is_dir() and p.name not in _SPLITS)]:
        named = [(match["split"], file) for file in folder.glob("*.parquet") if (match := _SHARD.fullmatch(file.name))]
        numbered = [(name, file) for name in _SPLITS for file in (folder / name).glob("[0-9][0-9][0-9][0-9].parquet")]
        shards = _by_split(sorted((split, file) for split, file in named + numbered if split in _SPLITS))
        if shards:
            found[folder] = shards
    return found


def _by_split(files: list[tuple[str, Path]]) -> Shards:
    shards: Shards = {}
    for split, file in files:
        shards.setdefault(_SPLITS[split], []).append(file)
    return shards


def _saved(folder: Path) -> list[Path]:
    """The files that a saved dataset lists; what else lies there is left alone (caches of the library do)."""
    state = _json(folder / "state.json")
    entries = state.get("_data_files")
    listed = (
        [str(entry.get("filename")) for entry in entries if isinstance(entry, dict)]
        if isinstance(entries, list)
        else []
    )
    if not listed or any(Path(name).name != name for name in listed):
        raise DataError(f"{folder / 'state.json'} lists no data files beside it: save the dataset again")
    if state.get("_indices_data_files"):
        raise DataError(f"{folder} holds indices into other rows: save the dataset again with a newer `datasets`")
    return [folder / name for name in listed]


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error}): save the dataset again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object: save the dataset again")
    return content


def _read(files: list[Path]) -> pa.Table:
    """All rows of a split, checked to the last offset: a file may claim anything."""
    tables = []
    for file in files:
        try:
            if file.suffix.lower() == ".parquet":
                with pq.ParquetFile(file) as parquet:
                    table = parquet.read()
            else:
                with pa.memory_map(str(file)) as mapped:
                    table = pa.ipc.open_stream(mapped).read_all()
            table.validate(full=True)
            # Names that are not text fail when they are read.
            names, _ = table.schema.names, _pictures(table.schema, {})
        except (pa.ArrowException, OSError, ValueError) as error:
            what = str(error).partition("\n")[0]
            raise DataError(f"{file} is not readable Arrow or parquet data ({what}): save it again") from error
        for name in names:
            if names.count(name) > 1:
                raise DataError(f"{file}: column {name!r} stands twice: rename or drop one")
        tables.append(table)
    try:
        joined = pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise DataError(
            f"{files[0].parent}: the shards of one split differ in their columns: save them again"
        ) from error
    if not len(joined):
        raise DataError(f"{files[0]} has no rows")
    return joined


def _features(schema: pa.Schema, root: Path) -> dict[str, Any]:
    """What was saved of each column beside its type: in the schema, or else in ``dataset_info.json``."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{root}: the metadata of Hugging Face are not JSON ({error}): save the dataset again"
        ) from error
    info = stored.get("info") if isinstance(stored, dict) else None
    for folder in (root, root / "train"):
        beside = folder / "dataset_info.json"
        if info is None and beside.is_file():
            info = _json(beside)
    features = info.get("features") if isinstance(info, dict) else None
    return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}


def _pictures(schema: pa.Schema, features: dict[str, Any]) -> list[str]:
    """Columns of encoded images; sounds are stored alike and called otherwise."""
    return [
        field.name
        for field in schema
        if pa.types.is_struct(field.type)
        and {inner.name for inner in field.type} == {"bytes", "path"}
        and features.get(field.name, {}).get("_type", "Image") == "Image"
    ]


def _class_names(features: dict[str, Any], column: str, where: str) -> tuple[str, ...] | None:
    names = features.get(column, {}).get("names")
    if features.get(column, {}).get("_type") != "ClassLabel" or names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: the class names of {column!r} are not a list of words: save the dataset again")
    return tuple(names)


def _column(table: pa.Table, name: str, where: str) -> pa.ChunkedArray:
    if name not in table.schema.names:
        raise DataError(f"{where} has no column {name!r}; it has {', '.join(table.schema.names)}")
    if table[name].null_count:
        raise DataError(f"{where}: target {name!r} is missing in {table[name].null_count} rows: remove those rows")
    return table[name]


def _opened(column: pa.ChunkedArray, where: str) -> Iterator[tuple[str, io.BytesIO]]:
    for row, content in enumerate(pc.struct_field(column, "bytes")):
        if not content.is_valid:
            raise DataError(f"{where}: row {row} holds no image, at most the path of one: save the images themselves")
        yield f"{where}: row {row}", io.BytesIO(content.as_py())


def _frame(table: pa.Table, features: dict[str, Any], where: str) -> pd.DataFrame:
    """Rows with class names in place of class numbers, -1 marking a missing one, and without pandas' row numbers."""
    for field in table.schema:
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.ExtensionType):
            raise DataError(
                f"{where}: column {field.name!r} holds {field.type}: drop it, or spread it over plain columns"
            )
    kept = [name for name in table.schema.names if not re.fullmatch(r"__index_level_\d+__", name)]
    frame = table.select(kept).replace_schema_metadata().to_pandas()
    for column in kept:
        names = _class_names(features, column, where)
        if names is not None:
            numbers = [-1 if number is None else number for number in table[column].to_pylist()]
            require_named([number for number in numbers if number != -1], names, f"{where}: {column}")
            frame[column] = [None if number == -1 else names[number] for number in numbers]
    return frame
