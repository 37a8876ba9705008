"""Tasks come out as they end, whatever becomes of them; a cluster gives what this machine gives."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engram.engines import Demand, Local, engine_of
from engram.errors import ClusterError, SettingError


def square(x):
    return x * x


def fail(x):
    if x == 2:
        raise ValueError("two is too many")
    return x


def rest(seconds):
    time.sleep(seconds)
    return seconds


def die(path):
    """The first time alone."""
    if not Path(path).exists():
        Path(path).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def hold(size):
    return len(bytearray(size))


def threads(_):
    import torch

    return torch.get_num_threads()


def by_task(ended):
    return {one.task: one for one in ended}


def test_one_after_the_other_here():
    assert [(one.task, one.result) for one in Local(1).run(square, [3, 1])] == [(3, 9), (1, 1)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_fails_is_told_and_the_rest_goes_on(jobs):
    found = by_task(Local(jobs).run(fail, [1, 2, 3]))
    assert [found[x].status for x in (1, 2, 3)] == ["done", "failed", "done"]
    assert isinstance(found[2].error, ValueError)
    assert found[2].message == "ValueError: two is too many"


def test_what_takes_too_long_is_stopped():
    found = by_task(Local(2).run(rest, [0, 600], Demand(seconds=5.0)))
    assert found[0].status == "done"
    assert found[600].status == "timed out"
    assert found[600].seconds < 60


def test_what_is_killed_is_told_or_begun_again(tmp_path):
    (once,) = Local(1).run(die, [str(tmp_path / "a")], Demand(apart=True))
    assert (once.status, once.message) == ("killed", "exit code -9")
    (again,) = Local(1).run(die, [str(tmp_path / "b")], Demand(apart=True, retries=1))
    assert (again.status, again.result) == ("done", "survived")


def test_a_process_holds_no_more_memory_than_it_may():
    found = by_task(Local(1).run(hold, [2**20, 2**31], Demand(memory=2**30)))
    assert found[2**20].result == 2**20
    assert isinstance(found[2**31].error, MemoryError)


def test_threads_are_those_asked_for_and_what_runs_is_told():
    found = by_task(Local(2).run(threads, [1, 2, 3], Demand(threads=1)))
    assert {one.result for one in found.values()} == {1}
    seen = []
    list(Local(2).run(rest, [1.0, 1.1, 1.2], watch=seen.append))
    assert {task for now in seen for task in now} == {1.0, 1.1, 1.2}
    assert max(map(len, seen)) == 2


def test_who_stops_listening_stops_what_runs():
    begun = time.monotonic()
    for one in Local(2).run(rest, [0, 600, 601], Demand(apart=True)):
        assert one.task == 0
        break
    assert time.monotonic() - begun < 60


@pytest.mark.parametrize("settings", [{"threads": 0}, {"gpus": -1}, {"seconds": 0}, {"memory": 0}, {"retries": -1}])
def test_a_demand_that_cannot_be_met_is_refused(settings):
    with pytest.raises(SettingError):
        Demand(**settings)


def test_another_engine_is_refused():
    with pytest.raises(SettingError, match="local"):
        engine_of("lokal")


ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra cluster)")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_a_cluster_without_ray_says_what_to_install():
    with pytest.raises(ClusterError, match="cluster"):
        list(engine_of("ray").run(square, [1]))


@ray
def test_a_cluster_gives_what_this_machine_gives(tmp_path):
    """In a process of its own: Ray leaves threads and warnings behind."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_engines import die, fail, rest\n"
        "from engram.engines import Demand, engine_of\n"
        "told = lambda ended: print('ended', ended.task, ended.status, ended.result, ended.message, sep='|')\n"
        "for ended in engine_of('ray', 1).run(fail, [1, 2]): told(ended)\n"
        "for ended in engine_of('ray', 1).run(rest, [0, 600], Demand(seconds=5.0)): told(ended)\n"
        "for ended in engine_of('ray', 1).run(die, [sys.argv[2]], Demand(retries=2)): told(ended)\n"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, str(script), folder, str(tmp_path / "died")],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"PYTHONPATH": folder},
    )
    # Ray prints there too.
    assert [line for line in done.stdout.splitlines() if line.startswith("ended|")] == [
        "ended|1|done|1|",
        "ended|2|failed|None|ValueError: two is too many",
        "ended|0|done|0|",
        "ended|600|timed out|None|after 5 s",
        f"ended|{tmp_path / 'died'}|done|survived|",
    ], done.stderr


@ray
def test_a_cluster_that_does_not_answer_is_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "engram", "study", "real", "--quick", "--engine", "ray:127.0.0.1:1"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
