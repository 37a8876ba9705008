"""Rankings of architectures, and how far they are those of full training."""

import json

import pytest

from engram import PerClass, distill, search
from engram.cli import main
from engram.errors import DataError, SettingError
from engram.learning.networks.mlp import MLP
from engram.reuse.search import Searched
from engram.reuse.space import candidates


def test_agreement_is_counted_rightly():
    names = tuple("abcdefg")
    full = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
    scores = {
        "engram": full,
        "random": tuple(reversed(full)),
        "early": (float("nan"), *full[1:]),
        "full": full,
        "again": full,
    }
    found = Searched(names, scores, dict.fromkeys(scores, 1.0), "accuracy")
    assert found.order[0] == 6
    assert found.agreement("engram") == {"spearman": 1.0, "top": 1.0, "regret": 0.0}
    assert found.agreement("random")["spearman"] == -1.0
    assert found.agreement("random")["top"] == 0.6
    assert found.agreement("random")["regret"] == pytest.approx(0.6)
    assert found.agreement("early")["spearman"] == 1.0  # what went astray ranks last
    plain = json.loads(json.dumps(found.as_json()["agreement"]))
    assert "full" not in plain


def test_a_network_too_small_to_learn_ranks_last(digits):
    memory = distill(digits, "random", budget=PerClass(5))
    networks = [MLP(width=1), MLP(width=64), MLP(width=128)]
    found = search(memory, networks, problem=digits, seeds=1)
    assert found.order[-1] == 0
    assert set(found.scores) == {"engram", "random", "k_means", "early", "full", "again"}
    assert min(found.scores["full"][1:]) > 0.7 > found.scores["full"][0]
    assert found.agreement("engram")["regret"] < 0.1


def test_without_data_one_half_scores_the_other(digits):
    found = search(distill(digits, "random", budget=PerClass(6)), [MLP(width=1), MLP(width=64)], seeds=2)
    assert found.order == [1, 0]
    assert "full" not in found.scores
    with pytest.raises(DataError, match="single sample"):
        search(distill(digits, "random"), [MLP(width=8)])


def test_spaces_hold_what_reads_the_inputs(digits):
    assert len(candidates("convnet", (1, 28, 28))) == len(candidates("mlp", (13,))) == 24
    assert len(candidates("convnet", digits.task.shape)) == 24
    with pytest.raises(SettingError, match="mlp"):
        candidates("convnet", (13,))
    with pytest.raises(SettingError, match="at least one network"):
        search(distill(digits, "random"), [])


def test_the_command_ranks(digits, tmp_path, capsys):
    path = distill(digits, "random", budget=PerClass(2)).save(tmp_path / "d.engram")
    with pytest.raises(SystemExit) as left:
        main(["search", str(path), "--space", "mlp", "--seeds", "1", "--json", "-q"])
    assert left.value.code == 0
    plain = json.loads(capsys.readouterr().out)
    assert len(plain["candidates"]) == 24
    scores = [one["engram"] for one in plain["candidates"]]
    assert scores == sorted(scores, reverse=True)
