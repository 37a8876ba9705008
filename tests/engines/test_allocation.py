"""Freed memory is kept where the C library can be asked, and nobody else has chosen."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from engram.engines.allocation import keep_freed_memory
done = keep_freed_memory() if sys.argv[1] == "keep" else None
block = lambda: np.ones(4_000_000)
block()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    block()
print(done, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode, **environment):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode], env=environment, capture_output=True, text=True, check=True
    )
    done, count = ran.stdout.split()
    return done, int(count)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a setting of glibc")
def test_pages_are_asked_for_once():
    done, kept = faults("keep")
    if done == "False":
        pytest.skip("this C library has no mallopt")
    _, handed_back = faults("hand back")
    assert kept < handed_back / 10


def test_a_choice_of_the_user_stands():
    assert faults("keep", MALLOC_ARENA_MAX="2")[0] == "False"
