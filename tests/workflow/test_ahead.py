"""The ceiling learnt in another process is the one learnt here, and that process leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from engram import PerClass, load_problem
from engram.distillation.plan import Plan
from engram.evaluation.ceiling import full_steps, train_full
from engram.evaluation.protocol import Protocol
from engram.workflow import ahead, threads

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="cores are counted on Linux")


@pytest.fixture
def free_core(monkeypatch):
    monkeypatch.setattr(ahead, "_WORTH", 0)
    monkeypatch.setattr(ahead, "spare_cores", lambda shape: 1)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plan_of(problem):
    return Plan.of(problem, "performance-matching", budget=PerClass(1), steps=200)


def refused(*_, **__):
    raise AssertionError("trained here")


def test_networks_have_the_same_bits(free_core, monkeypatch):
    problem, protocol = load_problem("wine"), Protocol(seeds=2)
    plan = plan_of(problem)
    here = train_full(problem, plan.training.network, [0, 1], full_steps(problem))
    monkeypatch.setattr(ahead, "train_full", refused)
    with ahead.trained_ahead(plan, problem, protocol) as train:
        there = train(problem, plan.training.network, [0, 1], full_steps(problem))
        # What was not begun is not what is given.
        with pytest.raises(AssertionError, match="trained here"):
            train(problem, plan.training.network, [0, 2], full_steps(problem))
    assert torch.equal(there.select, here.select)
    assert there.loss is here.loss
    assert there.seconds > 0
    assert all(torch.equal(there.fitted.params[key], value) for key, value in here.fitted.params.items())


def test_what_fails_there_is_done_here(free_core, monkeypatch):
    problem = load_problem("wine")
    plan = plan_of(problem)
    # No such program; one that fails; a problem that cannot be sent.
    for change in (
        ("sys", SimpleNamespace(executable="none")),
        ("sys", SimpleNamespace(executable="false")),
        ("pickle", None),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(ahead, *change)
            with ahead.trained_ahead(plan, problem, Protocol(seeds=1)) as train:
                found = (train or train_full)(problem, plan.training.network, [0], full_steps(problem))
                assert found.fitted.networks == 1


def test_nothing_is_begun_without_need(monkeypatch):
    problem = load_problem("wine")
    monkeypatch.setattr(ahead, "_begin", refused)
    monkeypatch.setattr(ahead, "_WORTH", 0)
    monkeypatch.setattr(ahead, "spare_cores", lambda shape: 0)
    with ahead.trained_ahead(plan_of(problem), problem, Protocol(seeds=1)):
        pass
    monkeypatch.setattr(ahead, "spare_cores", lambda shape: 1)
    with ahead.trained_ahead(plan_of(problem), problem, None):
        pass
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert threads.spare_cores((8, 8)) == 0


def test_the_process_ends_with_its_block(free_core, monkeypatch):
    begun = []
    begin = ahead._begin
    monkeypatch.setattr(ahead, "_begin", lambda task: begun.append(begin(task)) or begun[0])
    problem = load_problem("wine")
    with pytest.raises(KeyboardInterrupt), ahead.trained_ahead(plan_of(problem), problem, Protocol(seeds=1)):
        raise KeyboardInterrupt
    assert begun[0][0].returncode is not None


def test_the_process_ends_with_its_parent(tmp_path):
    script = f"""
import time
from engram import PerClass, load_problem
from engram.distillation.plan import Plan
from engram.evaluation.protocol import Protocol
from engram.workflow import ahead
ahead._WORTH, ahead.spare_cores = 0, lambda shape: 1
begin = ahead._begin
def told(task):
    found = begin(task)
    print(found[0].pid, flush=True)
    return found
ahead._begin = told
problem = load_problem("wine")
plan = Plan.of(problem, "performance-matching", budget=PerClass(1), steps=200)
with ahead.trained_ahead(plan, problem, Protocol(seeds=1, full_steps={10**9})):
    time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    with parent.stdout as said:
        child = int(said.readline())
    assert alive(child)
    time.sleep(5)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    ends = time.monotonic() + 20
    while alive(child) and time.monotonic() < ends:
        time.sleep(0.2)
    assert not alive(child)


def alive(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
