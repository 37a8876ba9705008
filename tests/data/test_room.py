"""What would not fit is refused by its header, and a header that lies or is broken ends in one sentence."""

import contextlib
import gzip
import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from engram import load_problem
from engram.cli import main
from engram.data.room import VARIABLE, require_ram, room
from engram.errors import DataError, EngramError, SettingError


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setenv(VARIABLE, "1MB")


def test_a_size_is_read(monkeypatch):
    for said, size in (("8GB", 8 * 10**9), ("2GiB", 2**31), ("500", 500), ("1.5 kb", 1500)):
        monkeypatch.setenv(VARIABLE, said)
        assert room() == size
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(SettingError, match="not a size"):
        room()
    monkeypatch.delenv(VARIABLE)
    assert room() > 10**8
    with pytest.raises(DataError, match="--max-ram"):
        require_ram(10**18, "a lot")


def peak_of(path, **settings) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="bytes of memory"):
            load_problem(path, **settings)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_an_archive_that_unpacks_to_much_is_refused_before_it_is_unpacked(tmp_path, small):
    np.savez_compressed(tmp_path / "bomb.npz", x=np.zeros((40_000, 50)), y=np.zeros(40_000))
    assert (tmp_path / "bomb.npz").stat().st_size < 100_000
    assert peak_of(tmp_path / "bomb.npz") < 6_000_000
    np.save(tmp_path / "bomb.npy", np.zeros((40_000, 50), dtype=np.uint8))
    assert peak_of(tmp_path / "bomb.npy") < 500_000


def test_a_table_that_unpacks_to_much_is_refused(tmp_path, small):
    pd.DataFrame({"a": np.zeros(200_000), "y": np.arange(200_000) % 2}).to_parquet(tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 300_000
    assert peak_of(tmp_path / "bomb.parquet", target="y") < 1_500_000


def test_words_larger_than_allowed_are_refused_unread(tmp_path, small):
    frame = pd.DataFrame({"a": [f"some words {k}" for k in range(80_000)], "y": np.arange(80_000) % 2})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    for name in ("rows.csv", "rows.jsonl"):
        assert peak_of(tmp_path / name, target="y") < 500_000


def test_shards_larger_than_allowed_are_refused_unread(tmp_path, small):
    frame = pd.DataFrame({"a": np.zeros(50_000), "label": np.arange(50_000) % 2})
    for k in range(3):
        frame.to_parquet(tmp_path / f"train-{k:05}-of-00003.parquet")
    assert peak_of(tmp_path) < 3_000_000


def test_many_large_images_are_refused(tmp_path, small):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for k in range(4):
            Image.new("L", (500, 500), k).save(tmp_path / name / f"{k}.png")
    assert peak_of(tmp_path) < 3_000_000


def test_an_idx_file_that_unpacks_to_much_is_refused(tmp_path, small):
    head = b"\0\0\x08\x03" + np.array([20_000, 28, 28], ">u4").tobytes()
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + bytes(20_000 * 784)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + np.array([2], ">u4").tobytes() + b"\0\1")
    assert peak_of(tmp_path) < 5_000_000


def test_the_command_takes_a_limit(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, "")
    np.savez(tmp_path / "d.npz", x=np.zeros((100, 50)), y=np.arange(100) % 2)
    with pytest.raises(SystemExit) as left:
        main(["distill", str(tmp_path / "d.npz"), "--max-ram", "1kB"])
    assert left.value.code == 2
    assert "--max-ram" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["distill", str(tmp_path / "d.npz"), "--max-ram", "plenty"])
    assert "not a size" in capsys.readouterr().err


def whole(kind: str) -> bytes:
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, np.arange(60.0).reshape(20, 3))
    elif kind == "npz":
        np.savez(file, x=np.arange(60.0).reshape(20, 3), y=np.arange(20) % 2)
    else:
        pd.DataFrame({"a": np.arange(20.0), "b": list("uv") * 10, "y": np.arange(20) % 2}).to_parquet(file)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet"])
def test_mutated_headers_end_in_one_sentence_or_are_read(tmp_path, kind, monkeypatch):
    monkeypatch.setenv(VARIABLE, "100MB")
    rng, content = np.random.default_rng(0), whole(kind)
    header = range(len(content)) if kind != "npy" else range(128)
    for _ in range(250):
        mutated = bytearray(content)
        for place in rng.choice(header, rng.integers(1, 4)):
            mutated[place] = rng.integers(256)
        path = Path(tmp_path / f"d.{kind}")
        path.write_bytes(bytes(mutated[: len(mutated) - int(rng.integers(40)) * int(rng.integers(2))]))
        # Whatever else is raised fails the test.
        with contextlib.suppress(EngramError):
            load_problem(path, **({"target": "y"} if kind == "parquet" else {}))


def test_an_encrypted_archive_is_said_to_be_unreadable(tmp_path):
    path = tmp_path / "d.npz"
    path.write_bytes(whole("npz"))
    with zipfile.ZipFile(path) as archive:
        place = archive.infolist()[0].header_offset
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\x01\x02")
    content[place + 6] |= 1
    content[central + 8] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="not a readable NumPy archive"):
        load_problem(path)
