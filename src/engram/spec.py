"""Frozen values in three dresses: Python, JSON with tensors beside it, and one word on the command line.

A configuration is a frozen dataclass. `encode` and `decode` carry it (and any state made of such values,
tuples, mappings and tensors) into files; `parse` and `render` carry it to and from the command line as
``name:field=value,field=value``. Decoding only ever builds dataclasses defined in this package.
"""

import dataclasses
import enum
import json
import math
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from .errors import ArtefactError, SettingError, UnknownNameError, nearest

__all__ = ["decode", "encode", "load", "names", "parse", "render"]

_ROOT = Path(__file__).parent
_CLOSED = ("cli", "report")
"""Wings whose classes no file may name."""
_FORMER = {"preprocessing.targets": "targets"}
"""Modules that have moved within a wing since files were written: their former names, without the wing."""


def names(folder: str) -> tuple[str, ...]:
    """List the components of a folder: one file, one component, named after it.

    Args:
        folder: ``"networks"``, ``"methods"``, ``"sources"``, ``"preprocessing"``, ``"canvas"``, ``"links"`` or ``"studies"``.

    Returns:
        Names in alphabetical order, with hyphens; nothing is imported.

    Example:
        >>> "gradient-matching" in names("methods")
        True
    """
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules([str(_place(folder))])))


def load(folder: str, name: str) -> type:
    """Import one component: the class that its file exports first.

    Args:
        folder: as in `names`.
        name: with hyphens or underscores.

    Returns:
        The frozen dataclass.

    Raises:
        UnknownNameError: no such file; the message has the nearest names.

    Example:
        >>> load("networks", "mlp").__name__
        'MLP'
    """
    if name.replace("_", "-") not in (known := names(folder)):
        kind = folder.removesuffix("s").replace("studie", "study")
        raise UnknownNameError(f"unknown {kind} {name!r}: {nearest(name, known)}")
    module = import_module(f"engram.{_place(folder).parent.name}.{folder}.{name.replace('-', '_')}")
    component: type = getattr(module, module.__all__[0])
    return component


def parse(folder: str | type, text: str, base: Any = None) -> Any:
    """Read a component from one word: ``name`` or ``name:field=value,field=value``.

    Args:
        folder: as in `names`; or the component itself.
        text: values are JSON, or bare words for strings.
        base: a component of the same kind whose fields stand where the text says nothing.

    Returns:
        The component with those fields.

    Raises:
        UnknownNameError, SettingError: unknown name or field; a value of the wrong type or range.

    Example:
        >>> parse("networks", "mlp:width=64,depth=2")
        MLP(width=64, depth=2, activation='relu')
    """
    name, _, tail = text.partition(":")
    cls = folder if isinstance(folder, type) else load(folder, name)
    # All fields at once: one that was given may only go with those of the base.
    kept = {f.name: getattr(base, f.name) for f in dataclasses.fields(cls) if f.init} if type(base) is cls else {}
    return _build(cls, kept | dict(_assignments(tail, where=repr(text))), where=repr(text))


def render(value: Any) -> str:
    """Write a component as the word that `parse` reads; fields at their default are left out.

    Args:
        value: a component.

    Returns:
        The word.

    Example:
        >>> render(parse("networks", "mlp:depth=2,width=64"))
        'mlp:width=64,depth=2'
    """
    name = type(value).__module__.rsplit(".", 1)[-1].replace("_", "-")
    changed = [f"{key}={json.dumps(item, separators=(',', ':'))}" for key, item in _changed(value).items()]
    return f"{name}:{','.join(changed)}" if changed else name


def encode(value: Any, tensors: dict[str, Any] | None = None, path: str = "") -> Any:
    """Turn a value into JSON, setting its tensors aside by path.

    Args:
        value: dataclasses of this package, enums, tuples, string-keyed mappings, scalars, tensors.
        tensors: receives the tensors; None forbids them.
        path: where the value stands, for names of tensors and for messages.

    Returns:
        What `json.dumps` takes without NaN.

    Raises:
        SettingError: something that cannot be stored.

    Example:
        >>> encode(parse("networks", "mlp"))["kind"]
        'networks.mlp:MLP'
    """
    if isinstance(value, enum.Enum):
        return {"kind": _kind(type(value)), "value": value.value}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, tuple):
        return [encode(item, tensors, f"{path}.{i}".lstrip(".")) for i, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {"map": {key: encode(item, tensors, f"{path}.{key}".lstrip(".")) for key, item in value.items()}}
    if dataclasses.is_dataclass(value) and type(value).__module__.startswith("engram."):
        fields = _stored(value)
        return {"kind": _kind(type(value))} | {
            key: encode(item, tensors, f"{path}.{key}".lstrip(".")) for key, item in fields.items()
        }
    if hasattr(value, "untyped_storage") and tensors is not None:
        tensors[path] = value.detach()
        return {"tensor": path}
    raise SettingError(f"{path or 'value'}: {type(value).__name__} cannot be stored; use frozen values and tensors")


def decode(plain: Any, tensors: Mapping[str, Any] | None = None) -> Any:
    """Rebuild what `encode` took apart.

    Args:
        plain: JSON.
        tensors: by path.

    Returns:
        The value.

    Raises:
        ArtefactError: a kind that is not a value of this package, or a missing tensor.

    Example:
        >>> decode(encode(parse("networks", "mlp:width=8")))
        MLP(width=8, depth=1, activation='relu')
    """
    if isinstance(plain, list):
        return tuple(decode(item, tensors) for item in plain)
    if not isinstance(plain, dict):
        return plain
    if "tensor" in plain:
        if tensors is None or not isinstance(plain["tensor"], str) or plain["tensor"] not in tensors:
            raise ArtefactError(f"tensor {plain['tensor']!r} is missing from the file")
        return tensors[plain["tensor"]]
    if "float" in plain:
        return float(plain["float"])
    if "map" in plain:
        return {str(key): decode(item, tensors) for key, item in plain["map"].items()}
    cls = _class(plain.get("kind"))
    fields = {str(key): decode(item, tensors) for key, item in plain.items() if key != "kind"}
    return cls(fields["value"]) if issubclass(cls, enum.Enum) else _build(cls, fields, where=str(plain["kind"]))


def _stored(value: Any) -> dict[str, Any]:
    """The fields that a file keeps: all, unless the value says otherwise."""
    own = getattr(value, "stored_fields", None)
    return dict(own()) if own else {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def _place(folder: str) -> Path:
    """Where a folder of components lies: in one of the wings."""
    if (found := next(_ROOT.glob(f"*/{folder}/__init__.py"), None)) is None:
        raise UnknownNameError(f"there is no folder of components called {folder!r}")
    return found.parent


def _kind(cls: type) -> str:
    """By what a file names a class: its module without the wing, so that files outlive a move between wings."""
    return f"{cls.__module__.removeprefix('engram.').partition('.')[2]}:{cls.__name__}"


def _class(kind: object) -> type:
    module, _, name = str(kind).partition(":")
    module = _FORMER.get(module, module[:100])  # no module has a longer name, and no system takes a very long one
    for path in _ROOT.glob(f"*/{module.replace('.', '/')}.py") if all(map(str.isidentifier, module.split("."))) else ():
        full = ".".join(("engram", *path.relative_to(_ROOT).with_suffix("").parts))
        cls = None if full.split(".")[1] in _CLOSED else getattr(import_module(full), name, None)
        if isinstance(cls, type) and cls.__module__ == full:
            params = getattr(cls, "__dataclass_params__", None)
            if issubclass(cls, enum.Enum) or (params is not None and params.frozen):
                return cls
    raise ArtefactError(f"{kind!r} is not a value of this version of engram; was the file written by a newer one?")


def _build(cls: type, given: Mapping[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in given:
        if key not in fields:
            raise UnknownNameError(f"{where}: {cls.__name__} has no field {key!r}; {nearest(key, fields)}")
    values = {key: _coerce(hints[key], value, f"{where}: {key}") for key, value in given.items()}
    needed = (k for k, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING)
    if missing := [k for k in needed if k not in values]:
        raise SettingError(f"{where}: {cls.__name__} needs {', '.join(missing)}")
    return cls(**values)


def _coerce(hint: Any, value: Any, where: str) -> Any:
    """Check a decoded value against a field's annotation; widen int to float, list to tuple, word to enum."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for option in args:
            try:
                return _coerce(option, value, where)
            except SettingError:
                continue
    elif origin is typing.Literal:
        if value in args:
            return value
        raise SettingError(f"{where} is {value!r}; choose from {', '.join(map(repr, args))}")
    elif origin is tuple and isinstance(value, tuple):
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else args
        if len(kinds) == len(value):
            return tuple(_coerce(kind, item, where) for kind, item in zip(kinds, value, strict=True))
    elif hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and issubclass(hint, enum.Enum) and isinstance(value, str):
        if value in [member.value for member in hint]:
            return hint(value)
    elif origin is not None and isinstance(origin, type):
        if isinstance(value, origin):
            return value
    elif getattr(hint, "_is_protocol", False):
        if dataclasses.is_dataclass(value):
            return value
    elif hint is Any or (
        isinstance(hint, type) and isinstance(value, hint) and (hint is bool or not isinstance(value, bool))
    ):
        return value
    shown = getattr(hint, "__name__", str(hint).replace("typing.", ""))
    raise SettingError(f"{where} is {value!r}; it takes {shown}")


def _assignments(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """Read ``field=value,field=value``; a value is JSON, or a bare word that ends at the next comma."""
    position = 0
    while position < len(text):
        key, equals, _ = text[position:].partition("=")
        if not equals or "," in key:
            raise SettingError(f"{where}: {text[position:]!r} is not field=value")
        position += len(key) + 1
        try:
            value, end = json.JSONDecoder().raw_decode(text, position)
            if text[end : end + 1] not in ("", ","):
                raise ValueError
        except ValueError:
            end = text.find(",", position) % (len(text) + 1)
            value = text[position:end]
        yield key.strip(), decode(value) if isinstance(value, list | dict) else value
        position = end + 1


def _changed(value: Any) -> dict[str, Any]:
    """The fields that are not at their default, as short JSON."""
    made = {
        f.name: f.default_factory() if callable(f.default_factory) else f.default for f in dataclasses.fields(value)
    }
    return {key: _short(item) for key, item in _stored(value).items() if item != made[key]}


def _short(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_short(item) for item in value]
    if dataclasses.is_dataclass(value):
        return {"kind": _kind(type(value))} | _changed(value)
    return value.value if isinstance(value, enum.Enum) else encode(value)
