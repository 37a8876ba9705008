"""Files are whole or not there, whoever dies while writing them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engram.errors import OutputError
from engram.memory.files import only_writer, replace_file, sweep, undisturbed
from engram.memory.run_folder import RunFolder


def run(code: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False).returncode


DIES_WRITING = """
import os, signal, sys
from pathlib import Path
from engram.memory import files
os.fsync = lambda number: os.kill(os.getpid(), signal.SIGKILL)
files.replace_file(Path(sys.argv[1]), b"new")
"""


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path):
    folder = tmp_path / "name.run"
    folder.mkdir()
    target = folder / "checkpoint.safetensors"
    assert run(DIES_WRITING, str(target)) == -signal.SIGKILL
    assert not target.exists()
    (left,) = folder.iterdir()
    alive = folder / f".engram-{os.getpid()}-abc"
    other = folder / ".hidden"
    for file in (alive, other):
        file.write_text("somebody's")
    sweep(folder)
    assert not left.exists()
    assert alive.exists()
    assert other.exists()
    sweep(tmp_path / "nowhere")


def test_a_run_that_died_in_its_first_checkpoint_is_no_dead_end(tmp_path):
    folder = tmp_path / "name.run"
    folder.mkdir()
    run(DIES_WRITING, str(folder / "checkpoint.safetensors"))
    RunFolder(folder).check(force=False)
    (folder / "checkpoint.safetensors").write_bytes(b"kept")
    with pytest.raises(OutputError, match="another run"):
        RunFolder(folder).check(force=False)


def test_a_name_as_long_as_the_system_takes_can_be_written(tmp_path):
    path = tmp_path / ("n" * 248 + ".engram")
    replace_file(path, b"whole")
    assert path.read_bytes() == b"whole"


HOLDS = """
import sys, time
from pathlib import Path
from engram.memory.files import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_adds_rows_at_a_time(tmp_path):
    path = tmp_path / "rows.jsonl"
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(path)], stdout=subprocess.PIPE, text=True) as holds:
        assert holds.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match="another process"), only_writer(path):
            pass
        holds.kill()
    with only_writer(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_signal_waits_for_the_end_of_what_is_undisturbed():
    done = []

    def saving() -> None:
        with undisturbed():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            done.append(True)
        time.sleep(0.05)

    with pytest.raises(KeyboardInterrupt):
        saving()
    assert done


PARENT = """
import multiprocessing, sys, time
from engram.engines.workers import become_worker
def work(path):
    become_worker()
    open(path, "w").write(str(__import__("os").getpid()))
    time.sleep(300)
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work, args=(sys.argv[1],))
    process.start()
    process.join()
"""


def test_a_worker_ends_with_its_parent(tmp_path):
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    script.write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(script), str(told)])
    worker = _number(told)
    parent.kill()
    parent.wait()
    begun = time.monotonic()
    while Path(f"/proc/{worker}").exists() and _state(worker) != "Z":
        assert time.monotonic() - begun < 20
        time.sleep(0.05)


def _number(path: Path) -> int:
    begun = time.monotonic()
    while not (path.exists() and path.read_text()):
        assert time.monotonic() - begun < 60
        time.sleep(0.05)
    return int(path.read_text())


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
