"""One distillation over processes is that of one process, up to rounding; a process that dies ends it with a checkpoint."""

import os
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch

from engram import PerClass, load_problem, run
from engram.distillation import ranks
from engram.distillation.ranks import Share, divided

WORDS = (
    "dm",
    "gradient-matching:networks=3,pool=4",
    "performance-matching:networks=1,batch=33",
    "performance-matching:networks=3,pool=5",
    "characteristic-matching:networks=2",
    "default",
)


def started(tmp_path, processes, *words, **environment):
    """This file as a script, by one process or by several."""
    torchrun = (str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", str(processes))
    # A port that is free, whatever else runs.
    command = (
        (*torchrun, "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0") if processes > 1 else (sys.executable,)
    )
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    run = lambda: subprocess.run(  # noqa: E731
        [*command, __file__, *words], capture_output=True, text=True, cwd=tmp_path, env=variables, timeout=500
    )
    done = run()
    # Seldom, on a busy machine, a thread of gloo outlives its group, and C++ ends that process.
    return run() if "terminate called without an active exception" in done.stderr else done


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    done = started(folder, 1, "steps", "found.pt")
    assert done.returncode == 0, done.stderr
    return torch.load(folder / "found.pt")


@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_distil_what_one_does_up_to_rounding(processes, alone, tmp_path):
    done = started(tmp_path, processes, "steps", "found.pt")
    assert done.returncode == 0, done.stderr
    found = torch.load(tmp_path / "found.pt")
    assert alone.keys() == set(WORDS)
    # Two networks on whole data are no work for three.
    assert found.keys() == (set(WORDS) if processes == 2 else {word for word in WORDS if "networks=2" not in word})
    for word, (others, again) in found.items():
        tensors, losses = alone[word]
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            assert tensor.dtype in (torch.float64, torch.int64)
            assert torch.allclose(tensor, others[name], rtol=1e-8, atol=1e-10), (word, name)
        assert losses == pytest.approx(again, rel=1e-9), word


def test_a_share_that_is_left_out_is_seen(alone, tmp_path):
    done = started(tmp_path, 2, "steps", "found.pt", PLANTED="1")
    assert done.returncode == 0, done.stderr
    found = torch.load(tmp_path / "found.pt")
    tensors, others = alone["dm"][0], found["dm"][0]
    assert not torch.allclose(tensors["canvas/inputs"], others["canvas/inputs"], rtol=1e-3)


def test_a_process_that_dies_ends_the_others_with_a_checkpoint_and_the_run_goes_on(tmp_path):
    whole = started(tmp_path, 2, "run", "a.engram")
    assert whole.returncode == 0, whole.stderr
    cut = started(tmp_path, 2, "run", "b.engram", DIE="1")
    assert cut.returncode != 0
    assert "the run is saved: to continue, repeat the command with --resume" in cut.stderr
    assert (tmp_path / "b.run" / "checkpoint.safetensors").is_file()
    again = started(tmp_path, 2, "run", "b.engram")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "b.engram").read_bytes() == (tmp_path / "a.engram").read_bytes()
    assert not (tmp_path / "b.run" / "checkpoint.safetensors").exists()


def test_a_method_that_cannot_be_shared_names_those_that_can(tmp_path):
    done = started(tmp_path, 2, "run", "a.engram", METHOD="herding")
    assert done.returncode != 0
    assert "distribution-matching" in done.stderr
    assert not list(tmp_path.iterdir())


def test_more_processes_than_parts_are_refused(monkeypatch):
    monkeypatch.setattr(ranks, "size", lambda: 8)
    with pytest.raises(ValueError, match="at most 6"):
        Share.of(2, 3)


@pytest.mark.parametrize("processes", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("networks", [1, 2, 3, 5])
def test_shares_cover_every_network_on_all_data_once(processes, networks, monkeypatch):
    seen = torch.zeros(networks, 10)
    weights = 0.0
    for own in range(processes):
        monkeypatch.setattr(ranks, "size", lambda: processes)
        monkeypatch.setattr(ranks, "rank", lambda own=own: own)
        share = Share.of(networks, 10)
        seen[share.networks(networks), share.real(10)] += 1
        weights += share.of_mean(10)
    assert (seen == 1).all()
    assert weights == pytest.approx(1)


def test_parts_differ_by_one_at_most():
    sizes = [part.stop - part.start for part in (divided(11, k, 4) for k in range(4))]
    assert sum(sizes) == 11
    assert max(sizes) - min(sizes) <= 1


# What the processes do.


def steps(out):
    """Four outer steps of several methods in float64."""
    from engram.data.split import Split
    from engram.distillation import defaults, iterate
    from engram.distillation.published import method_of
    from engram.samples.budget import Precision
    from engram.spec import decode, encode, parse

    torch.set_default_dtype(torch.float64)
    batch = Split.batch
    Split.batch = lambda self, index: tuple(None if t is None else t.double() for t in batch(self, index))
    found = {}
    with ranks.joined() as first:
        if "PLANTED" in os.environ:
            ranks.Share.of = classmethod(lambda cls, networks, parts: cls(0, 1, 1.0, ranks.rank(), 3))
        problem = load_problem("digits")
        words = WORDS[:1] if "PLANTED" in os.environ else WORDS
        for word in (word for word in words if not (ranks.size() == 3 and "networks=2" in word)):
            method = method_of(word, defaults.method(problem), True)
            training = defaults.training(problem, parse("networks", "convnet:width=8,depth=2"), method)
            tensors = {}
            written = encode(method.init(problem, training, PerClass(2), Precision.FLOAT32, 0), tensors)
            tensors = {key: value.double() if value.is_floating_point() else value for key, value in tensors.items()}
            loop = iterate(method, problem, training, PerClass(2), state=decode(written, tensors))
            taken = list(islice(loop, 4))
            state, losses = taken[-1][0], [metrics["loss"] for _, metrics in taken]
            tensors = {"canvas/" + key: value for key, value in state.canvas.free.items()}
            if state.pool is not None:
                tensors |= {"pool/" + key: value for key, value in state.pool.params.items()} | {
                    "ages": state.pool.ages
                }
            found[word] = tensors, losses
        if first:
            torch.save(found, out)


def whole(out):
    """A run with a file at its end; the second process may die on the way."""

    def watch(now):
        if now.stage == "distilling" and now.done > 0.5 and "DIE" in os.environ and ranks.rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    word = os.environ.get("METHOD", "performance-matching:networks=2,pool=3,steps=20")
    with ranks.joined():
        run("wine", word, out=out, network="mlp:width=16", seeds=0, resume=True, watch=watch)


if __name__ == "__main__":
    {"steps": steps, "run": whole}[sys.argv[1]](*sys.argv[2:])
