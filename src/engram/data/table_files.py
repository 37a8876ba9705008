"""Files of tables, read whole or in pieces."""

import csv
import json
import os
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import pandas as pd

from ..errors import DataError
from .room import require_ram
from .sampling import PIECE

__all__ = ["of_words", "pieces_of", "plain_bytes", "read_table", "rows_of", "settled"]

_GAPS = ["-", "--", "?", " "]
"""What stands for a missing value beside those that pandas knows."""

_INSTEAD = "read it in pieces (--stream)"


def read_table(path: str) -> pd.DataFrame:
    """A ``.csv``, ``.tsv``, ``.parquet`` or ``.jsonl`` file, whole.

    Raises:
        DataError: it is none, has no rows, or takes more memory than it may.
    """
    with _readable(path):
        if _is_parquet(path):
            frame = _read_parquet(path)
        else:
            # At least: words take more in memory than in a file.
            require_ram(os.path.getsize(path), path, _INSTEAD)
            frame = pd.DataFrame(list(_json_rows(path))) if _is_lines(path) else _read_csv(path)
    if len(frame) == 0:
        raise DataError(f"{path} has no rows")
    return frame.rename(columns=str)


def pieces_of(path: str) -> Iterator[pd.DataFrame]:
    """The same, some rows at a time; types of a file of words are not settled (`of_words`, `settled`).

    Raises:
        DataError: as `read_table`.
    """
    with _readable(path):
        yield from (piece.rename(columns=str) for piece in _pieces(path) if len(piece))


def of_words(path: str) -> bool:
    """Whether all values of its pieces are words, whose types must be settled."""
    return not (_is_parquet(path) or _is_lines(path))


def rows_of(path: str) -> int:
    """Rows of a file; of words, about as many."""
    with _readable(path):
        if _is_parquet(path):
            import pyarrow.parquet as pq

            return int(pq.read_metadata(path).num_rows)
        with open(path, "rb") as file:
            head = file.read(2**20)
    return max(1, os.path.getsize(path) * max(1, head.count(b"\n")) // max(1, len(head)))


def settled(
    sample: pd.DataFrame, words: Collection[str] = ()
) -> tuple[pd.DataFrame, Callable[[pd.DataFrame], pd.DataFrame]]:
    """A sample of words with the types that all its values have, and what gives them to other rows of the same file.

    Columns that are named in `words` stay as they are.
    """
    typed = sample.apply(lambda column: column if column.name in words else _typed(column))

    def imposed(piece: pd.DataFrame) -> pd.DataFrame:
        return piece.apply(lambda column: column if column.name in words else _as(typed[column.name], column))

    return typed, imposed


def _as(like: pd.Series, words: pd.Series) -> pd.Series:
    """Words in the type of another column."""
    if pd.api.types.is_bool_dtype(like) or (like.dtype == object and like.dropna().isin((True, False)).all()):
        found = words.str.lower().map({"true": True, "false": False})
        odd = found.isna() & words.notna()
    elif pd.api.types.is_numeric_dtype(like):
        found = pd.to_numeric(words, errors="coerce")
        odd = (found.isna() & words.notna()) | words.str.match(r"[-+]?0\d").fillna(False).astype(bool)
    else:
        return words
    if odd.any():
        raise DataError(
            f"column {words.name!r} holds {words[odd].iloc[0]!r} where a sample of its rows holds {like.dtype} alone: mend it, or read "
            f"the column as words (--column {words.name}=category)"
        )
    return found.astype(like.dtype) if found.notna().all() and like.dtype.kind in "bif" else found


def _is_parquet(path: str) -> bool:
    return path.lower().endswith(".parquet")


def _is_lines(path: str) -> bool:
    return path.lower().endswith(("jsonl", "ndjson"))


@contextmanager
def _readable(path: str) -> Iterator[None]:
    try:
        yield
    except (DataError, MemoryError, GeneratorExit):
        raise
    except UnicodeDecodeError as error:
        with open(path, "rb") as file:
            wide = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
        where = "the table is UTF-16" if wide else f"line {_odd_line(path)} is not UTF-8"
        raise DataError(f"{path}: {where}: save it as UTF-8") from error
    except Exception as error:  # altered metadata raise whatever they reach
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{path} is not a readable table ({why})") from error


def _pieces(path: str) -> Iterator[pd.DataFrame]:
    if _is_parquet(path):
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Read ahead, the whole file would be held.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(PIECE):
                table = pa.Table.from_batches([batch])
                table.validate(full=True)
                yield table.to_pandas()
    elif _is_lines(path):
        rows = _json_rows(path)
        while some := list(islice(rows, PIECE)):
            yield pd.DataFrame(some)
    else:
        separator, _ = _header(path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield from pd.read_csv(path, **_words(separator), index_col=False, chunksize=PIECE)


def _header(path: str) -> tuple[str, list[str]]:
    """Values are separated by commas, semicolons or tabs, whichever the first line has most of; and the names."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        first = file.readline()
    separator = max(",;\t", key=first.count)
    header = next(csv.reader([first], delimiter=separator), [])
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"{path}: column {name!r} stands twice: rename or drop one")
    return separator, header


def _words(separator: str) -> dict[str, Any]:
    return {"sep": separator, "encoding": "utf-8-sig", "dtype": str, "na_values": _GAPS, "skipinitialspace": True}


def _read_csv(path: str) -> pd.DataFrame:
    """All rows, columns in the types that their words have."""
    separator, header = _header(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        read = _words(separator)
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
    require_ram(plain_bytes(groups), path, _INSTEAD)
    table = pq.read_table(path)
    table.validate(full=True)  # words that are no text fail only when somebody reads them
    return table.to_pandas()


def plain_bytes(groups: Any) -> int:
    """Numbers take at least their eight bytes in a table, however well a file packs them."""
    plain = sum(groups.row_group(k).total_byte_size for k in range(groups.num_row_groups))
    return int(max(plain, 8 * groups.num_rows * groups.num_columns))


def _json_rows(path: str) -> Iterator[dict[str, Any]]:
    """One JSON object a line."""
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
            yield row


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
