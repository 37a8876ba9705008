"""What is handed on to a related task: the body of a network, and nothing else."""

import json

import pandas as pd
import pytest
import torch

from engram import PerClass, Problem, distill, load_problem, transfer
from engram.cli import main
from engram.errors import BudgetError, DataError, SettingError, UnknownNameError
from engram.learning.fitting import fit, outputs
from engram.learning.networks.mlp import MLP
from engram.learning.training import Phase, Ridge, Training
from engram.reuse import starts
from engram.reuse.starts import Bench
from engram.reuse.transfer import source_of


@pytest.fixture(scope="module")
def low():
    return load_problem("digits", classes=["0", "1", "2", "3", "4"])


@pytest.fixture(scope="module")
def high():
    return load_problem("digits", classes=["5", "6", "7"])


@pytest.fixture(scope="module")
def memory(low):
    return distill(low, "random", budget=PerClass(4), network=MLP(width=32, activation="tanh"))


def test_every_start_is_tried_and_its_way_chosen_on_validation(memory, low, high):
    found = transfer(memory, high, shots=3, seeds=2, source=low)
    assert set(found.test) == {"scratch", "random_features", "engram", "all_data", "random", "k_means"}
    assert set(found.test["engram"]) == {"frozen", "warm", "joint"}
    for start in found.test:
        best = found.way(start)
        assert sum(found.select[start][best]) == max(map(sum, found.select[start].values()))
    plain = json.loads(json.dumps(found.as_json()))
    assert plain["scores"]["engram"]["n"] == 2
    assert plain["scores"]["scratch"]["mean"] > 0.5
    assert "scratch" in plain["verdict"]


def test_without_the_source_fewer_starts_are_left(memory, high):
    assert set(transfer(memory, high, shots=1, seeds=1).test) == {"scratch", "random_features", "engram"}


def test_the_body_is_that_of_the_replay_and_the_readout_is_not(memory, high):
    problem = high.under(memory.preprocessing, high.target, high.metric)
    bench = Bench(memory, problem, None, memory.training, (0, 1), 3)
    body = bench._body(memory.fit([0, 1]))
    assert not any(key.startswith("head") for key in body)
    frozen = bench.learnt("engram")["frozen"]
    for key, value in body.items():
        assert torch.equal(frozen.params[key], value)
    # A body that nobody taught gives what random features give.
    plain = fit(Training(memory.training.network, (Phase(Ridge(1e-2)),)), problem.task, bench._shots(), [0, 1])
    untaught = bench.learnt("random_features")["frozen"]
    assert torch.equal(outputs(plain, problem.test), outputs(untaught, problem.test))
    assert not torch.allclose(outputs(frozen, problem.test), outputs(untaught, problem.test))


def test_a_body_made_for_the_task_helps(high):
    """Planted: networks that learnt the target task itself from all rows teach its few rows best."""
    memory = distill(high, "random", budget=PerClass(30), network=MLP(width=32))
    found = transfer(memory, high, shots=1, seeds=4)
    assert found.gain("scratch")["mean"] > 0.02
    assert found.gain("random_features")["mean"] > 0.02


def test_what_cannot_be_handed_on_is_refused(memory, high, wine):
    with pytest.raises(DataError, match="same inputs"):
        transfer(memory, wine)
    with pytest.raises(SettingError, match="no features"):
        transfer(memory, high, network=MLP(depth=0))
    with pytest.raises(BudgetError, match="fewer shots"):
        transfer(memory, high, shots=10_000)
    with pytest.raises(SettingError, match="no start"):
        transfer(memory, high, starts=("luck",))
    with pytest.raises(SettingError, match="at least one"):
        transfer(memory, high, shots=0)


def test_another_target_of_the_same_table(rng, tmp_path):
    frame = pd.DataFrame(rng.normal(size=(200, 4)), columns=list("abcd"))
    frame["one"] = (frame.a * frame.b > 0).map({True: "yes", False: "no"})
    frame["two"] = frame.a * frame.b
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    memory = distill(Problem.from_frame(frame, "one", drop=["two"]), "random", budget=PerClass(5))
    target = Problem.from_frame(frame, "two", drop=["one"])
    source = source_of(memory, str(path))
    assert source.target.names == ("no", "yes")
    found = transfer(memory, target, shots=2, seeds=2, source=source)
    assert found.metric == "R2"
    assert len(found.runs("engram")) == 2


def test_classes_are_chosen_by_name(low):
    assert low.classes == 5
    assert int(low.train.targets.max()) == 4
    with pytest.raises(UnknownNameError, match="no class 'ten'"):
        load_problem("digits", classes=["1", "ten"])
    with pytest.raises(DataError, match="nothing to learn"):
        load_problem("digits", classes=["1"])
    with pytest.raises(DataError, match="predicts numbers"):
        load_problem("diabetes", classes=["1", "2"])


def test_the_command_restricts_source_and_target(memory, tmp_path, capsys):
    path = memory.save(tmp_path / "low.engram")
    arguments = ["transfer", str(path), "--to", "digits", "--classes", "5,6,7", "--from", "digits", "--shots", "2"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--seeds", "1", "--json", "-q"])
    assert left.value.code == 0
    plain = json.loads(capsys.readouterr().out)
    assert set(plain["scores"]) == set(starts.STARTS)
    with pytest.raises(SystemExit):
        main([*arguments, "--seeds", "1", "-q"])
    assert "from scratch" in capsys.readouterr().out
