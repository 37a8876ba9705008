"""Damage to files: bytes anywhere, and values within, below whatever checksum or compression guards them."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from random import Random

from safetensors import safe_open
from safetensors.torch import load, save

from engram.memory.container import _digest

__all__ = ["Damage", "bytewise", "cells", "gzipped", "json_lines", "json_values", "manifest", "zipped"]

Damage = Callable[[bytes, Random], bytes]

_TOKENS = (
    b"\0",
    b"\xff\xfe",
    b"[" * 100_000,
    b"9" * 400,
    b"-1",
    b"0",
    b"NaN",
    b"Infinity",
    b"1e999",
    b"null",
    b"true",
    b'"',
    b"{}",
    b"\n",
    b"\r",
    b",,,,",
    b"(" * 500,
    b"x" * 200_000,
    b"../../../../etc/passwd",
    b"<script>alert(1)</script>",
    b"\xf0\x9f\x92\xa9",
    b"cos\nsystem\n(S'touch executed'\ntR.",
    b"__import__('os').system('touch executed')",
    b"@data",
    b"@relation",
    b"%s%n%d",
)
_NUMBERS = (0, 1, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\0",
    "\ud800",
    "<b>bold</b>",
    "x" * 100_000,
    [],
    {},
    [[]],
    {"kind": "builtins:eval", "value": "1"},
    {"kind": "networks.mlp:MLP", "width": 10**9},
    {"tensor": "nowhere"},
    {"map": 3},
    {"float": "x"},
)


def bytewise(content: bytes, dice: Random) -> bytes:
    """Flip, cut, repeat, insert or overwrite in one to three places."""
    found = bytearray(content)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(found) + 1)
        if dice.random() < 0.3:  # Headers stand at both ends.
            place = (
                min(len(found), dice.randrange(256))
                if dice.random() < 0.7
                else max(0, len(found) - dice.randrange(256))
            )
        other = dice.randrange(len(found) + 1)
        kind = dice.randrange(8)
        if kind == 0 and found:
            found[place % len(found)] ^= 1 << dice.randrange(8)
        elif kind == 1 and found:
            found[place % len(found)] = dice.randrange(256)
        elif kind == 2:
            del found[place:]
        elif kind == 3:
            del found[min(place, other) : max(place, other)]
        elif kind == 4:
            found[place:place] = found[min(place, other) : max(place, other)][: 1 << 16]
        elif kind == 5:
            found[place:place] = dice.choice(_TOKENS)
        elif kind == 6:
            size = dice.choice((2, 4, 8))
            value = dice.choice(_NUMBERS) % 2 ** (8 * size)
            found[place : place + size] = value.to_bytes(size, dice.choice(("little", "big")))
        else:
            found[place:place] = dice.randbytes(dice.randint(1, 64))
    return bytes(found)


def cells(content: bytes, dice: Random) -> bytes:
    """Put something else in place of a few values of a text of lines, or damage it bytewise."""
    if dice.random() < 0.4:
        return bytewise(content, dice)
    separator = dice.choice((b",", b":", b" "))
    lines = content.split(b"\n")
    for _ in range(dice.randint(1, 4)):
        row = dice.randrange(len(lines))
        values = lines[row].split(separator)
        values[dice.randrange(len(values))] = dice.choice(_TOKENS)
        if dice.random() < 0.2:
            values.pop(dice.randrange(len(values)))
        lines[row] = separator.join(values)
    if dice.random() < 0.1:
        lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return b"\n".join(lines)


def _elsewhere(value: object, dice: Random, depth: int = 0) -> object:
    """The same JSON with one node replaced, removed, doubled or renamed."""
    inner = isinstance(value, dict | list) and len(value) > 0
    if not inner or dice.random() < 0.15:
        return dice.choice(_VALUES)
    if isinstance(value, dict):
        key = dice.choice(list(value))
        changed = dict(value)
        kind = dice.random()
        if kind < 0.1:
            del changed[key]
        elif kind < 0.15:
            changed[dice.choice(("", "kind", "value", "tensor", "x" * 1000))] = changed.pop(key)
        else:
            changed[key] = _elsewhere(value[key], dice, depth + 1)
        return changed
    assert isinstance(value, list)
    place = dice.randrange(len(value))
    kind = dice.random()
    if kind < 0.1:
        return value[:place] + value[place + 1 :]
    if kind < 0.2:
        return [*value, value[place]]
    return [*value[:place], _elsewhere(value[place], dice, depth + 1), *value[place + 1 :]]


def json_values(content: bytes, dice: Random) -> bytes:
    """Values of other types in JSON, or bytes anywhere."""
    if dice.random() < 0.3:
        return bytewise(content, dice)
    value = json.loads(content)
    for _ in range(dice.randint(1, 3)):
        value = _elsewhere(value, dice)
    return json.dumps(value).encode()


def json_lines(content: bytes, dice: Random) -> bytes:
    """The same in one line of several."""
    if dice.random() < 0.3:
        return bytewise(content, dice)
    lines = content.splitlines()
    row = dice.randrange(len(lines))
    lines[row] = json_values(lines[row], dice)
    return b"\n".join(lines) + b"\n"


def zipped(content: bytes, dice: Random) -> bytes:
    """Damage inside a zip archive whose checksums are right."""
    if dice.random() < 0.4:
        return bytewise(content, dice)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = dice.choice(list(members))
    members[name] = bytewise(members[name], dice)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for key, value in members.items():
            archive.writestr(key if dice.random() < 0.95 else dice.choice(("../x.npy", "y", "x.txt", "x")), value)
    return file.getvalue()


def gzipped(content: bytes, dice: Random) -> bytes:
    """Damage inside gzip."""
    if dice.random() < 0.4:
        return bytewise(content, dice)
    return gzip.compress(bytewise(gzip.decompress(content), dice), 1)


def manifest(content: bytes, dice: Random) -> bytes:
    """Another manifest or other tensors under a digest that is right, as somebody with intent would write them."""
    if dice.random() < 0.2:
        return bytewise(content, dice)
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        with safe_open(file.name, framework="pt") as opened:
            plain = json.loads(json.loads(opened.metadata()["engram"])["manifest"])
    tensors = load(content)
    for _ in range(dice.randint(1, 2)):
        if dice.random() < 0.7 or not tensors:
            plain = _elsewhere(plain, dice)
            continue
        key = dice.choice(list(tensors))
        value = tensors.pop(key)
        kind = dice.randrange(6)
        if kind == 0:
            tensors[key] = value.flatten()
        elif kind == 1:
            tensors[key] = value[:0] if value.ndim else value
        elif kind == 2:
            tensors[key] = value.double() * float("nan")
        elif kind == 3:
            tensors[key] = value.to(dice.choice(_KINDS))
        elif kind == 4:
            tensors[key] = value.unsqueeze(0)
    text = json.dumps(plain, sort_keys=True)
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}
    return save(tensors, {"engram": json.dumps({"digest": _digest(text, tensors), "manifest": text})})


def _kinds():
    import torch

    return (torch.int64, torch.uint8, torch.float64, torch.bool, torch.float16, torch.complex64)


_KINDS = _kinds()
