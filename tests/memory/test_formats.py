"""Files that earlier versions wrote load, with the same samples bit for bit, and replay."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engram
from engram.errors import ArtefactError
from engram.memory.container import read_tensors, write_tensors

FILES = Path(__file__).parent / "files"
SAMPLES = {
    "format_1_digits": "5941a60d97eae1196a90ebf7870458e2e5a173bd4bd0b2dbd1a9f4b6e97cf2ed",
    "format_1_wine": "cfee8ed1ab543e485e5357819d90c40c4d6de093a18d6555b7b224ccf2b11b3f",
    "format_1_table": "3a6e4be40cde87f6cefc9eaebf4a21b9579dd19de915c4ca4faa4e4b79b16d33",
    "format_2_digits": "6f158559ff42bc035f1b0bf78dd4afcb6040d327cfb7676ed870c2266c4134e7",
    "format_2_wine": "cfee8ed1ab543e485e5357819d90c40c4d6de093a18d6555b7b224ccf2b11b3f",
    "format_2_table": "3a6e4be40cde87f6cefc9eaebf4a21b9579dd19de915c4ca4faa4e4b79b16d33",
    "format_2_two_phase": "2089dad458c35a1429e304c7b1800b457e926e20b30831f4b62c5eb974115ba3",
    "format_3_wine": "d066e1e841de905a4af401ed16b2528f234d76439eb105e4ca59004528319986",
    "format_3_table": "f19657a37f74ff05a4f7d5eb4abceb8bb3e7b0a720ba33ef4eccf24a6715a828",
    "format_4_table": "8283ce83a9a73771404f93664a57e851177f37f49423df226fde5d81760762fd",
    "format_5_digits": "723558c84ceec722881c3c82df2c65917365b73a9342e7e30db59f9d0384c534",
}
"""sha256 of inputs and targets of every set, computed by the version that wrote the file."""


def digest(memory):
    found = hashlib.sha256()
    for name, samples in memory.sets.items():
        found.update(name.encode())
        for tensor in (samples.inputs, samples.targets):
            found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_the_bits_that_were_written(name):
    assert digest(engram.load(FILES / f"{name}.engram")) == SAMPLES[name]


def test_every_file_is_known():
    assert {path.stem for path in FILES.glob("*.engram")} == set(SAMPLES)
    for path in FILES.glob("*.engram"):
        assert f"format_{read_tensors(path)[1]['format']}" == path.stem[:8]


@pytest.mark.parametrize("name", SAMPLES)
def test_they_replay_and_predict(name, tmp_path):
    memory = engram.load(FILES / f"{name}.engram")
    rows = {
        "digits": np.zeros((2, 8, 8)),
        "wine": np.zeros((2, 13)),
        "two_phase": np.zeros((2, 12)),
        "table": pd.DataFrame({"age": [40.0, np.nan], "city": ["a", "elsewhere"]}),
    }[name[9:]]
    assert len(memory.replay(0).predict(rows)) == 2
    again = engram.load(memory.save(tmp_path / "twice.engram"))
    assert (digest(again), again.canvas_bytes) == (SAMPLES[name], memory.canvas_bytes)


def test_a_newer_format_is_one_sentence_that_says_what_reads_it(tmp_path):
    tensors, manifest = read_tensors(FILES / "format_2_wine.engram")
    write_tensors(tmp_path / "new.engram", tensors, manifest | {"format": 9, "engram": "4.5.0"}, force=True)
    with pytest.raises(ArtefactError, match=r"of format 9, which engram 4\.5\.0 reads .* pip install --upgrade"):
        engram.load(tmp_path / "new.engram")
    write_tensors(tmp_path / "odd.engram", tensors, manifest | {"format": "x"}, force=True)
    with pytest.raises(ArtefactError, match="no format of an engram"):
        engram.load(tmp_path / "odd.engram")


def test_a_file_names_values_without_their_wing(tmp_path):
    """So that files outlive a move between wings."""
    memory = engram.load(FILES / "format_2_wine.engram")
    content = memory.save(tmp_path / "now.engram").read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    manifest = json.loads(json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["engram"])["manifest"])
    assert manifest["value"]["map"]["training"]["kind"] == "training:Training"
    assert manifest["value"]["map"]["training"]["network"]["kind"] == "networks.mlp:MLP"
