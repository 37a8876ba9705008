"""Files of Hugging Face datasets: which belong to which split, read to the last offset, columns by what they hold."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import DataError
from .pictures import require_named
from .room import require_ram
from .table_files import plain_bytes

__all__ = [
    "Shards",
    "as_frame",
    "class_names_of",
    "features_of",
    "opened",
    "picture_columns",
    "read_shards",
    "shard_folders",
    "shards_of",
    "target_column",
]

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


def shards_of(root: Path) -> Shards:
    """The files of each split; a single split is called train."""
    if root.is_file():
        return {"train": [root]}
    if (root / "state.json").is_file():
        return {"train": _saved(root)}
    if (root / "dataset_dict.json").is_file():
        folders = [root / name for name in _SPLITS if (root / name / "state.json").is_file()]
        shards = _by_split([(folder.name, file) for folder in folders for file in _saved(folder)])
    else:
        found = shard_folders(root)
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


def shard_folders(root: Path) -> dict[Path, Shards]:
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
        json.dumps(content, ensure_ascii=False).encode()  # halves of characters could be written nowhere
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error}): save the dataset again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds no JSON object: save the dataset again")
    return content


def read_shards(files: list[Path]) -> pa.Table:
    """All rows of a split, checked to the last offset: a file may claim anything."""
    tables, promised = [], 0
    for file in files:
        try:
            if file.suffix.lower() == ".parquet":
                with pq.ParquetFile(file) as parquet:
                    promised += plain_bytes(parquet.metadata)
                    require_ram(promised, str(file.parent))
                    table = parquet.read()
            else:
                promised += file.stat().st_size
                require_ram(promised, str(file.parent))
                with pa.memory_map(str(file)) as mapped:
                    table = pa.ipc.open_stream(mapped).read_all()
            table.validate(full=True)
            # Names that are not text fail when they are read.
            names, _ = table.schema.names, picture_columns(table.schema, {})
        except DataError:
            raise
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


def features_of(schema: pa.Schema, root: Path) -> dict[str, Any]:
    """What was saved of each column beside its type: in the schema, or else in ``dataset_info.json``."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{root}: the metadata of Hugging Face are not JSON ({error}): save the dataset again"
        ) from error
    info = stored.get("info") if isinstance(stored, dict) else None
    for folder in (root, root / "train"):
        info_file = folder / "dataset_info.json"
        if info is None and info_file.is_file():
            info = _json(info_file)
    features = info.get("features") if isinstance(info, dict) else None
    return {k: v for k, v in features.items() if isinstance(v, dict)} if isinstance(features, dict) else {}


def picture_columns(schema: pa.Schema, features: dict[str, Any]) -> list[str]:
    """Columns of encoded images; sounds are stored alike and called otherwise."""
    return [
        field.name
        for field in schema
        if pa.types.is_struct(field.type)
        and {inner.name for inner in field.type} == {"bytes", "path"}
        and features.get(field.name, {}).get("_type", "Image") == "Image"
    ]


def class_names_of(features: dict[str, Any], column: str, where: str) -> tuple[str, ...] | None:
    """The names of a column's classes; None when it holds none."""
    names = features.get(column, {}).get("names")
    if features.get(column, {}).get("_type") != "ClassLabel" or names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{where}: the class names of {column!r} are not a list of words: save the dataset again")
    return tuple(names)


def target_column(table: pa.Table, name: str, where: str) -> pa.ChunkedArray:
    """The column to predict, refused if it is not there or has gaps."""
    if name not in table.schema.names:
        raise DataError(f"{where} has no column {name!r}; it has {', '.join(table.schema.names)}")
    if table[name].null_count:
        raise DataError(f"{where}: target {name!r} is missing in {table[name].null_count} rows: remove those rows")
    return table[name]


def opened(column: pa.ChunkedArray, where: str) -> Iterator[tuple[str, io.BytesIO]]:
    """The encoded images of a column, each with what to call it in a message."""
    for row, content in enumerate(pc.struct_field(column, "bytes")):
        if not content.is_valid:
            raise DataError(f"{where}: row {row} holds no image, at most the path of one: save the images themselves")
        yield f"{where}: row {row}", io.BytesIO(content.as_py())


def as_frame(table: pa.Table, features: dict[str, Any], where: str) -> pd.DataFrame:
    """Rows with class names in place of class numbers, -1 marking a missing one, and without pandas' row numbers."""
    for field in table.schema:
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.ExtensionType):
            raise DataError(
                f"{where}: column {field.name!r} holds {field.type}: drop it, or spread it over plain columns"
            )
    kept = [name for name in table.schema.names if not re.fullmatch(r"__index_level_\d+__", name)]
    frame = table.select(kept).replace_schema_metadata().to_pandas()
    for column in kept:
        names = class_names_of(features, column, where)
        if names is not None:
            numbers = [-1 if number is None else number for number in table[column].to_pylist()]
            require_named([number for number in numbers if number != -1], names, f"{where}: {column}")
            frame[column] = [None if number == -1 else names[number] for number in numbers]
    return frame
