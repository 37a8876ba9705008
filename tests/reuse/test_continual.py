"""A learner that goes on learning: experiences are cut rightly, memories cost what they say, and without one all is forgotten."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from engram import PerClass, Problem, ReplayMemory, continual, distill
from engram.cli import main
from engram.data.targets import Classes
from engram.distillation.methods.distribution_matching import DistributionMatching
from engram.errors import BudgetError, DataError, OutputError, SettingError, UnknownNameError
from engram.learning.networks.mlp import MLP
from engram.numerics.optimizers import SGD
from engram.reuse.diary import Diary
from engram.reuse.experiences import experiences
from engram.reuse.keeping import KINDS, keep, kept_bytes, memory_method
from engram.reuse.learner import Buffer, Learner
from engram.reuse.replay_memory import Replayed
from engram.reuse.thinning import least_bytes, thinned
from engram.samples.synthetic import Synthetic

QUICK = Learner(MLP(width=32), SGD(0.05, 0.9), steps=40)


def test_classes_are_dealt_out_once(digits):
    lives = experiences(digits, 3, seed=1)
    assert sorted(c for life in lives for c in life.outputs) == list(range(10))
    assert sum(len(life.problem.train) for life in lives) == len(digits.train)
    for life in lives:
        names = [digits.target.names[c] for c in life.outputs]
        assert life.problem.target.names == tuple(names)
        own = life.problem.target.decode(life.problem.train.target.scores(life.problem.train.targets))
        assert (own == digits.target.decode(digits.target.scores(life.shared.train.targets))).all()


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"count": 6}, "too few for 6 experiences"),
        ({"count": 1}, "no sequence"),
        ({"count": 2, "by": "weather"}, "it takes class"),
        ({"count": 2, "by": "time"}, "--along"),
        ({"count": 2, "by": "domain", "along": "x"}, "no table"),
    ],
)
def test_a_cut_that_cannot_be_made_is_refused(digits, kwargs, said):
    with pytest.raises((SettingError, DataError), match=said):
        experiences(digits, **kwargs)


def test_numbers_have_no_classes_to_deal_out(diabetes):
    with pytest.raises(SettingError, match="domain or time"):
        experiences(diabetes, 2)


def test_domains_are_the_same_rows_seen_otherwise(digits, wine):
    first, second = experiences(digits, 2, by="domain")
    # A quarter of a circle moves every pixel of an image to a known place.
    assert torch.equal(second.shared.train.inputs, torch.rot90(first.shared.train.inputs, 1, (2, 3)))
    reordered = experiences(wine, 2, by="domain")[1].shared.train.inputs
    assert not torch.equal(reordered, wine.train.inputs)
    assert torch.equal(reordered.sort(1).values, wine.train.inputs.sort(1).values)


@pytest.fixture
def table(rng) -> Problem:
    frame = pd.DataFrame(rng.normal(size=(240, 2)), columns=["a", "b"])
    frame["y"] = np.where(frame.a + frame.b > 0, "up", "down")
    frame["site"] = np.repeat(["north", "south", "east"], [120, 80, 40])
    frame["day"] = rng.permutation(240)
    return Problem.from_frame(frame, "y", kinds={"day": "number"})


def test_a_column_says_which_domain_or_when(table):
    north, south = experiences(table, 2, by="domain", along="site")
    assert set(north.shared.train.raw.site) == {"north"}
    assert set(south.shared.test.raw.site) == {"south"}
    early, late = experiences(table, 2, by="time", along="day")
    assert early.shared.train.raw.day.max() < late.shared.train.raw.day.min()
    assert early.shared.test.raw.day.max() < late.shared.test.raw.day.min()
    with pytest.raises(UnknownNameError, match="site"):
        experiences(table, 2, by="domain", along="sight")
    with pytest.raises(DataError, match="3 values"):
        experiences(table, 4, by="domain", along="site")


def test_a_memory_grows_in_one_label_space(digits):
    lives = experiences(digits, 5)
    memory = ReplayMemory()
    for life in lives[:2]:
        memory = memory.add(distill(life.problem, "random", budget=PerClass(2)))
    space = memory.space
    assert isinstance(space, Classes)
    assert set(space.names) == {digits.target.names[c] for life in lives[:2] for c in life.outputs}
    whole = memory.samples
    for k, life in enumerate(lives[:2]):
        own = memory.engrams[k].samples
        # Random rows are rows: each is found with its class where it stands in the data.
        inputs, _, _ = life.shared.train.batch(slice(None))
        for x, p in zip(whole.inputs[4 * k : 4 * k + len(own)], whole.targets[4 * k :], strict=False):
            row = int((inputs - x).flatten(1).norm(dim=1).argmin())
            assert space.names[int(p.argmax())] == digits.target.names[int(life.shared.train.targets[row])]


def test_the_loss_is_cross_entropy_with_probabilities(wine):
    memory = ReplayMemory().add(distill(wine, budget=PerClass(1), steps=3))
    outputs = torch.randn(3, 3)
    chances = torch.tensor([[1.0, 0, 0], [0, 0.5, 0.5], [0.2, 0.3, 0.5]])
    by_hand = -(chances * outputs.log_softmax(1)).sum(1).mean()
    assert torch.allclose(memory.loss(outputs, Replayed(torch.zeros(3, 13), chances)), by_hand)
    with pytest.raises(SettingError, match="one output for each class"):
        memory.loss(torch.zeros(3, 2), Replayed(torch.zeros(3, 13), chances))


def test_a_memory_of_numbers_is_for_squared_error(diabetes):
    memory = ReplayMemory().add(distill(diabetes, "random"))
    drawn = memory.sample(4, torch.Generator().manual_seed(0))
    assert float(memory.loss(drawn.targets, drawn)) == 0
    assert float(memory.loss(drawn.targets + 2, drawn)) == pytest.approx(4)


def test_a_limit_is_kept_by_thinning(digits):
    first, second = (distill(life.problem, "herding", budget=PerClass(6)) for life in experiences(digits, 5)[:2])
    limit = first.canvas_bytes + second.canvas_bytes // 3
    memory = ReplayMemory(limit=limit).add(first).add(second)
    assert memory.bytes <= limit
    for engram in memory.engrams:
        counts = torch.bincount(engram.samples.targets.argmax(1))
        assert counts.min() == counts.max() >= 3
    with pytest.raises(BudgetError, match="one item of every class takes"):
        ReplayMemory(limit=100).add(first).add(second)


def test_thinning_keeps_those_whose_mean_is_that_of_all(digits):
    engram = distill(experiences(digits, 5)[0].problem, "random", budget=PerClass(12))
    few = thinned(engram, engram.canvas_bytes // 3)
    own = engram.samples

    def gap(samples: Synthetic) -> float:
        gaps = []
        for c in (0, 1):
            ours, all_ = (s.inputs[s.targets.argmax(1) == c].mean(0) for s in (samples, own))
            gaps.append(float((ours - all_).norm()))
        return sum(gaps)

    first = [torch.nonzero(own.targets.argmax(1) == c).flatten()[: len(few.samples) // 2] for c in (0, 1)]
    taken = torch.cat(first)
    assert gap(few.samples) < gap(Synthetic(own.inputs[taken], own.targets[taken]))
    assert thinned(engram, engram.canvas_bytes) is engram
    assert least_bytes(engram) < few.canvas_bytes


@pytest.mark.parametrize("canvas", ["coarse=true", "formation=2", "formation=2,coarse=true"])
def test_packed_samples_are_thinned_whole(digits, canvas):
    engram = distill(
        experiences(digits, 5)[0].problem, f"kernel-matching:steps=0,start=random,{canvas}", budget=PerClass(4)
    )
    few = thinned(engram, engram.canvas_bytes // 2)
    assert few.canvas_bytes <= engram.canvas_bytes // 2
    kept, own = few.samples.inputs.flatten(1), engram.samples.inputs.flatten(1)
    # Rounded once more at most.
    assert float(torch.cdist(kept, own).min(1).values.max()) < 0.01


def test_mixtures_cannot_be_thinned(digits):
    engram = distill(experiences(digits, 5)[0].problem, "kernel-matching:steps=0,mixtures=2", budget=PerClass(4))
    with pytest.raises(BudgetError, match="mixtures"):
        thinned(engram, engram.canvas_bytes // 2)


def test_what_does_not_go_together_is_refused(digits, wine, diabetes):
    numbers = distill(diabetes, "random")
    memory = ReplayMemory().add(distill(wine, "random"))
    with pytest.raises(DataError, match="shape"):
        memory.add(distill(digits, "random"))
    with pytest.raises(SettingError, match="empty"):
        ReplayMemory().sample(1, torch.Generator())
    with pytest.raises(UnknownNameError, match="not of this memory's"):
        ReplayMemory(Classes(("x", "y"))).add(memory.engrams[0])
    with pytest.raises(DataError, match="no label space"):
        ReplayMemory(Classes(("x", "y"))).add(numbers)


@pytest.mark.parametrize("kind", ["engram", "random", "herding", "k_means", "dark", "packed"])
def test_what_is_kept_costs_no_more_than_it_may(digits, kind):
    life = experiences(digits, 5)[0]
    size = 6 * kept_bytes("random", life.problem, 10)
    found = keep(kind, life, size, MLP(width=16), 0, "kernel-matching:steps=1,coarse=true,start=random")
    assert 0.6 * size < found.bytes <= size
    # Nothing is said of classes that are not its own.
    others = [c for c in range(10) if c not in life.outputs]
    assert float((found.buffer.rows.targets[:, others] + 0.1).abs().max()) < 1e-6
    with pytest.raises(BudgetError):
        keep(kind, life, 10, MLP(width=16), 0)


def test_the_default_stores_digits_in_four_bits(digits):
    life = experiences(digits, 5)[0]
    method = memory_method(life.problem, 40 * 65)
    assert method == DistributionMatching(steps=200, rate=0.05, batch=64, start="random", coarse=True)
    # As many as a class has no room for: rows as they are.
    assert not memory_method(life.problem, 400 * 65).coarse


def test_a_step_follows_new_rows_and_memories(wine):
    """Against the optimizer of PyTorch on the same batches."""
    learner = Learner(MLP(width=8), SGD(0.1, 0.9), steps=3, batch=8)
    x, y, _ = wine.train.batch(slice(0, 20))
    memory = Buffer(Synthetic(x, y), torch.randn(20, 3))
    start = learner.begin(wine.task, 0)
    found = learner.learn(start, wine.task, wine.train, memory, 0, 0)
    module = MLP(width=8).build(wine.task.shape, 3)
    module.load_state_dict(start)
    optimizer = torch.optim.SGD(module.parameters(), 0.1, 0.9)
    from engram.random import minibatch

    for step in range(3):
        new_x, new_y, _ = wine.train.sample(8, step, 0, "new", 0)
        index = minibatch(20, 8, step, 0, "old", 0)
        loss = torch.nn.functional.cross_entropy(module(new_x), new_y + 1 / 3)
        said = module(x[index])
        loss = loss + torch.nn.functional.cross_entropy(said, y[index] + 1 / 3)
        loss = loss + learner.dark * (said - memory.logits[index]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for key, value in module.state_dict().items():
        assert torch.allclose(found[key], value, atol=1e-5)


def test_without_a_memory_all_is_forgotten(digits):
    quick = {"seeds": 2, "learner": QUICK, "method": "kernel-matching:steps=5,coarse=true,start=random"}
    lived = []
    found = continual(digits, 2, memories=("engram", "random", "nothing", "joint"), kept=lived.append, **quick)
    plain = found.as_json()
    scores = {name: row["mean"] for name, row in plain["scores"].items()}
    assert scores["nothing"] < 0.55 < 0.75 < scores["engram"]
    assert scores["joint"] > scores["nothing"] + 0.3
    assert plain["forgetting"]["nothing"]["mean"] > 0.9
    assert plain["bytes"]["engram"] <= plain["bytes"]["random"]
    assert plain["scores"]["engram"]["way"] in ("beside", "alone")
    assert "random" in plain["verdict"]
    again = continual(
        digits, 2, memories=("engram", "nothing"), known=lived, kept=lambda life: pytest.fail("lived twice"), **quick
    )
    assert [life.score for life in again.of("engram")] == [life.score for life in found.of("engram")]


def test_a_task_that_is_named_has_fewer_rivals(digits):
    by_class, by_task = (
        continual(digits, 2, by=by, seeds=1, learner=QUICK, memories=("nothing",)).of("nothing")[0]
        for by in ("class", "task")
    )
    assert by_task.score > by_class.score + 0.05
    assert by_class.forward is None
    assert by_task.forward is not None


def test_numbers_go_on_over_domains(table):
    frame = pd.concat([table.train.raw, table.select.raw, table.test.raw])
    frame["z"] = frame.a + (frame.site == "north")
    numbers = Problem.from_frame(frame, "z")
    found = continual(
        numbers, 2, by="domain", along="site", seeds=1, learner=QUICK, memories=("random", "joint"), size=400
    )
    assert found.metric == "R2"
    assert found.of("joint")[0].score > 0.5


def test_a_life_that_goes_astray_is_told_and_costs_no_other(digits):
    wild = Learner(MLP(width=8), SGD(1e30, 0.9), steps=5)
    found = continual(digits, 2, seeds=1, learner=wild, memories=("random", "nothing"))
    assert all(life.score != life.score for life in found.lives)
    assert found.as_json()["scores"]["random"]["n"] == 1


def test_memories_are_named(wine):
    with pytest.raises(SettingError, match="no memory"):
        continual(wine, 2, by="domain", memories=("diary",))


@pytest.mark.parametrize("by", ["domain", "class"])
def test_the_usual_bytes_hold_every_memory_of_every_experience(wine, digits, by):
    quick = Learner(MLP(width=8), steps=1)
    problem = wine if by == "domain" else digits
    found = continual(problem, 3, by=by, seeds=1, learner=quick, memories=KINDS[1:])
    assert found.memories == list(KINDS[1:])


def test_a_diary_goes_on_and_refuses_other_settings(tmp_path, wine):
    found = continual(wine, 2, by="domain", seeds=1, learner=QUICK, memories=("nothing",))
    path = tmp_path / "lives.jsonl"
    diary = Diary(path, {"steps": 1})
    diary.add(found.lives[0])
    path.write_text(path.read_text() + '{"memory": "eng')  # torn by an interruption
    assert Diary(path, {"steps": 1}).lives == [found.lives[0]]
    with pytest.raises(OutputError, match="something else"):
        Diary(path, {"steps": 2})
    assert Diary(path, {"steps": 2}, force=True).lives == []


def test_the_command_says_it_as_json(tmp_path, capsys):
    arguments = [
        "continual",
        "digits",
        "--experiences",
        "2",
        "--memory",
        "random",
        "--memory",
        "nothing",
        "--seeds",
        "1",
    ]
    arguments += ["--network", "mlp:width=16", "--steps", "10", "--out", str(tmp_path / "lives.jsonl"), "--json", "-q"]
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
    first, second = capsys.readouterr().out.split("}\n{")
    plain = json.loads(first + "}")
    assert json.loads("{" + second) == plain
    assert set(plain["scores"]) == {"random", "nothing"}
    assert plain["scores"]["random"]["n"] == 1
    with pytest.raises(SystemExit):
        main([*arguments[:-2], "--steps", "11"])
    assert "something else" in capsys.readouterr().err


def test_rows_weigh_by_the_classes_that_are_left(digits):
    life = experiences(digits.scored_by("balanced-accuracy"), 5)[0]
    weights, targets = life.problem.train.class_weights, life.problem.train.targets
    assert float(weights[targets].mean()) == pytest.approx(1)
