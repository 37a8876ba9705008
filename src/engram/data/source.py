"""Where problems come from: a built-in name, a file whose kind its ending tells, or a folder by what it holds."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, Protocol

from ..errors import DataError, SettingError, UnknownNameError, nearest
from ..spec import load, names, parse
from .encoder import Watch, open_encoder
from .part import of_classes
from .problem import Problem

__all__ = ["Source", "find", "load_problem", "raw_inputs"]


class Source(Protocol):
    """A frozen description of data; `suffixes` are the endings of its files ("/": a folder), empty when built in.

    Where the ending does not tell, a class method `claims(path)` looks inside and says whether the data are its own.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def load(self, seed: int) -> Problem:
        """Read the data and split what is not split."""
        ...


def find(text: str | os.PathLike[str], **settings: Any) -> Source:
    """Turn a built-in name or a path into a source.

    Args:
        text: ``digits``, ``multi-index:d=50,r=2``, ``data.npz``, ``table.parquet``, a folder, ...
        settings: fields of the source (`target`, `group`, `split`, `task`); None means not given.

    Returns:
        The source; nothing is read yet.

    Raises:
        UnknownNameError: neither a name nor a file.
        DataError: a file or folder of an unknown kind.
        SettingError: a setting that this source does not take.

    Example:
        >>> find("wine")
        Wine()
    """
    text = os.fspath(text)
    known = {name: load("sources", name) for name in names("sources")}
    given = {key: value for key, value in settings.items() if value is not None}
    name, settled, _ = text.partition(":")
    cls = known.get(name.replace("_", "-"))
    if cls is not None and not cls.suffixes and not Path(text).exists():  # type: ignore[attr-defined]
        if settled and given:
            raise SettingError(f"{name} takes no {', '.join(sorted(given))}: leave it out")
        source: Source = parse("sources", text) if settled else _make(cls, text, given)
        return source
    path = Path(text)
    if not path.exists():
        built_in = [name for name, cls in known.items() if not cls.suffixes]  # type: ignore[attr-defined]
        raise UnknownNameError(f"{text!r} is neither a file nor a built-in dataset; {nearest(text, built_in)}")
    # Those that look inside come before those that go by the ending alone.
    for cls in sorted(known.values(), key=lambda cls: not hasattr(cls, "claims")):
        if _reads(cls, path):
            return _make(cls, text, {"path": text} | given)
    if path.is_dir():
        kinds = [cls for cls in known.values() if "/" in cls.suffixes]  # type: ignore[attr-defined]
        known_folders = [(sys.modules[cls.__module__].__doc__ or cls.__name__).splitlines()[0] for cls in kinds]
        raise DataError(f"{text} is a folder of no known kind; give one of these. {' '.join(known_folders)}")
    endings = sorted({ending for cls in known.values() for ending in cls.suffixes if ending != "/"})  # type: ignore[attr-defined]
    raise DataError(
        f"{text}: files ending in {path.suffix.lower() or 'nothing'!r} are not data; use {', '.join(endings)} or a folder"
    )


def load_problem(
    text: Any,
    *,
    seed: int = 0,
    metric: str | None = None,
    encoder: Any = None,
    classes: Sequence[str] | None = None,
    watch: Watch | None = None,
    **settings: Any,
) -> Problem:
    """Load a built-in dataset, a file, a folder, or a dataset of PyTorch or Hugging Face.

    Args:
        text: a built-in name, a path, a map-style `torch.utils.data.Dataset` of pairs, a `datasets.Dataset` or `DatasetDict`.
        seed: of the split, where the data are not split.
        metric: by which it is chosen and judged (`Problem.scored_by`); by the task when None.
        encoder: through which texts or images are seen (`Problem.through`): a path, or anything that can be called.
        classes: the only ones; rows of others are left out. All when None.
        watch: called with the share of the vectors that is computed.
        settings: `target`, `group`, `split`, `task`.

    Returns:
        The problem.

    Raises:
        EngramError: see `find` and `Problem`.

    Example:
        >>> load_problem("digits").task.shape
        (1, 8, 8)
    """
    # What cannot be opened is told before data are read.
    encoder = None if encoder is None else open_encoder(encoder)
    source: Any = find(text, **settings) if isinstance(text, str | os.PathLike) else _held(text, settings)
    read = partial(source.load, watch=watch) if "watch" in signature(source.load).parameters else source.load
    problem = _within_memory(read, seed)
    if encoder is not None:
        problem = problem.through(encoder, watch)
    if classes is not None:
        problem = of_classes(problem, classes)
    return problem if metric is None else problem.scored_by(metric)


def raw_inputs(text: str, side: int | None = None) -> Any:
    """Read new inputs from a file or folder, without targets.

    Args:
        text: a path; its source must offer `raw`.
        side: to which images are scaled, where their source scales.

    Returns:
        An array or a DataFrame.

    Raises:
        DataError: a source that has no raw inputs.
    """
    source = find(text)
    if not hasattr(source, "raw"):
        raise DataError(f"{text}: give a file or a folder with new inputs")
    if side is not None and "size" in getattr(source, "__dataclass_fields__", {}):
        source = replace(source, size=side)  # type: ignore[type-var]
    return _within_memory(source.raw)


def _within_memory(read: Callable[..., Any], *given: Any) -> Any:
    """What is read, where the machine has the memory that it takes."""
    try:
        return read(*given)
    except MemoryError as error:
        raise DataError("reading takes more memory than there is: give fewer rows, or a larger machine") from error


def _held(dataset: Any, settings: dict[str, Any]) -> Any:
    """What is in memory already."""
    from .in_memory import InMemory, is_dataset

    if not is_dataset(dataset):
        raise DataError(
            f"{type(dataset).__name__} is no source: give a name, a path, or a dataset of PyTorch or Hugging Face"
        )
    return InMemory(dataset, **settings)


def _reads(cls: Any, path: Path) -> bool:
    if not hasattr(cls, "claims"):
        return path.is_file() and path.name.lower().endswith(cls.suffixes)
    try:
        return cls.claims(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error})") from error


def _make(cls: Any, text: str, given: dict[str, Any]) -> Source:
    try:
        source: Source = cls(**given)
    except TypeError as error:
        fields = set(cls.__dataclass_fields__)
        odd = sorted(set(given) - fields)
        if odd:
            raise SettingError(f"{text} takes no {', '.join(odd)}: leave it out") from error
        raise SettingError(
            f"{text} needs {', '.join(sorted(fields - set(given)))}: pass it (--target COLUMN)"
        ) from error
    return source
