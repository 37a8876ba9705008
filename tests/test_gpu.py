"""The same code on a GPU; run where one is: `pytest -m gpu`."""

import pytest
import torch

from engram import PerClass, distill, load_problem, run
from engram.memory.engram import load

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"),
]
WORDS = (
    None,
    "dm",
    "dsa",
    "frepo",
    "ncfm",
    "dd:steps=5",
    "mtt:experts=1,expert_steps=10,every=2,last=1",
    "idc",
    "rded",
)


@pytest.mark.parametrize("word", WORDS)
def test_every_kind_of_method_runs_and_is_near_the_cpu(word, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    problem = load_problem("digits")
    settings = {"budget": PerClass(1), "steps": 5, "quick": True, "network": "convnet:width=16,depth=2"}
    here, there = (distill(problem.to(device), word, **settings).samples.inputs.cpu() for device in ("cpu", "cuda"))
    assert torch.isfinite(there).all()
    assert float((here - there).abs().median()) < 0.05


def test_a_run_is_judged_written_and_read_again(tmp_path):
    outcome = run("digits", out=tmp_path / "a.engram", budget=PerClass(1), steps=50, seeds=2, device="cuda")
    assert set(outcome.scores.rows) >= {"full", "engram"}
    memory = load(tmp_path / "a.engram")
    assert memory.samples.inputs.device.type == "cpu"


def test_a_run_continues_to_the_same_bytes(tmp_path):
    class Stop(Exception):
        pass

    def watch(now):
        if now.stage == "distilling" and now.done > 0.5:
            raise Stop

    settings = {"budget": PerClass(1), "steps": 20, "seeds": 0, "device": "cuda"}
    run("digits", out=tmp_path / "a.engram", **settings)
    with pytest.raises(Stop):
        run("digits", out=tmp_path / "b.engram", watch=watch, **settings)
    run("digits", out=tmp_path / "b.engram", resume=True, **settings)
    whole, continued = (load(tmp_path / name).samples.inputs for name in ("a.engram", "b.engram"))
    assert torch.allclose(whole, continued, atol=1e-3)
