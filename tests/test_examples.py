"""Every example runs, from a folder of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(example, tmp_path):
    done = subprocess.run(
        [sys.executable, example, tmp_path, "--quick"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = {
        "journey": ("digits.engram", "digits.html"),
        "serving": ("refund.safetensors",),
        "pipelines": (),
        "going_on": (),
    }
    assert all((tmp_path / name).is_file() for name in made[example.stem])
