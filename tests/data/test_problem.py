"""Data with named splits: nothing leaks, nothing is lost, and bad data say what is wrong with them."""

import numpy as np
import pandas as pd
import pytest
import torch

from engram.data.metrics import Metric
from engram.data.problem import Problem
from engram.errors import BudgetError, DataError, EngramError, UnknownNameError
from engram.samples.budget import Bytes, Items, PerClass, parse_size
from engram.samples.spending import capped, shares


def table(n=60):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": np.where(np.arange(n) % 7 == 0, np.nan, rng.normal(40, 9, n)),
            "city": rng.choice(["Oslo", "Rome", "Lima"], n),
            "who": np.arange(n) // 3,
            "bought": rng.choice(["no", "yes"], n),
        }
    )


def test_splits_are_disjoint_stratified_and_repeat_by_seed(digits, rng):
    x = rng.normal(size=(200, 3))
    y = np.arange(200) % 4
    one, two, other = (Problem.from_arrays(x, y, seed=s) for s in (0, 0, 1))
    assert one.fingerprint == two.fingerprint != other.fingerprint
    rows = {tuple(r) for part in (one.train, one.select, one.test) for r in part.inputs.tolist()}
    assert len(rows) == 200
    for part in (one.train, one.select, one.test):
        assert part.targets.bincount().unique().numel() == 1
    assert (len(digits.train), len(digits.select), len(digits.test)) == (1150, 288, 359)


def test_preprocessing_sees_training_rows_only():
    x = np.concatenate([np.zeros((50, 1)), np.full((10, 1), 1000.0)])
    x[::2] += 1
    y = np.arange(60) % 2
    problem = Problem.from_arrays(x[:50], y[:50], test=(x[50:], y[50:]))
    assert float(problem.preprocessing.mean) < 1
    assert float(problem.test.inputs.max()) > 100


def test_groups_stay_together():
    frame = table()
    problem = Problem.from_frame(frame, "bought", group="who")
    ages = [set(part.inputs[:, 0].tolist()) for part in (problem.train, problem.select, problem.test)]
    assert sum(map(len, ages)) == len(set().union(*ages)) + 2, "only the filled-in age may stand in several splits"
    assert "who" not in str(problem.preprocessing)


def test_a_split_column_is_obeyed():
    frame = table().assign(part=["train"] * 40 + ["val"] * 10 + ["test"] * 10)
    problem = Problem.from_frame(frame, "bought", split="part")
    assert (len(problem.train), len(problem.select), len(problem.test)) == (40, 10, 10)
    with pytest.raises(DataError, match="takes train, test and optionally select"):
        Problem.from_frame(frame.assign(part="x"), "bought", split="part")


def test_rows_in_train_and_test_are_reported(rng):
    x, y = rng.normal(size=(40, 3)), np.arange(40) % 2
    problem = Problem.from_arrays(x, y, test=(np.concatenate([x[:3], x[:2] + 9]), y[:5]), select=(x[30:], y[30:]))
    assert problem.notes == ("3 of 5 test rows also stand in the training split",)


def test_uneven_classes_get_balanced_metrics_and_weights(rng):
    y = np.array([0] * 80 + [1] * 20)
    problem = Problem.from_arrays(rng.normal(size=(100, 2)), y)
    assert problem.metric is Metric.BALANCED_ACCURACY
    _, _, w = problem.train.batch(slice(None))
    assert float(w.mean()) == pytest.approx(1)
    assert float(w[problem.train.targets == 1][0] / w[problem.train.targets == 0][0]) == pytest.approx(4, rel=0.05)


def test_regression_is_read_off_the_target(rng):
    x = rng.normal(size=(50, 2))
    assert Problem.from_arrays(x, rng.normal(size=50)).classes is None
    assert Problem.from_arrays(x, np.arange(50)).classes is None
    assert Problem.from_arrays(x, np.arange(50) % 2 * 1.0).classes == 2
    assert Problem.from_arrays(x, np.array(["b", "a"] * 25)).target.names == ("a", "b")
    y = Problem.from_arrays(x, rng.normal(5, 3, size=50)).train.targets
    assert float(y.mean()) == pytest.approx(0, abs=1e-5)


def test_tensors_arrays_and_frames_are_taken(rng):
    x, y = rng.normal(size=(40, 3)).astype("float32"), np.arange(40) % 2
    one = Problem.from_arrays(torch.from_numpy(x), torch.from_numpy(y))
    assert one.fingerprint == Problem.from_arrays(x, y).fingerprint
    assert Problem.from_arrays(pd.DataFrame(x), y).task.shape == (3,)


@pytest.mark.parametrize("shape", [(30, 6, 6), (30, 6, 6, 3), (30, 3, 6, 6), (30, 1, 6, 6)])
def test_images_in_every_layout(shape, rng):
    raw = rng.integers(0, 256, shape).astype(np.uint8)
    problem = Problem.from_arrays(raw, np.arange(30) % 3)
    assert problem.train.inputs.dtype == torch.uint8
    x, _, _ = problem.train.batch(slice(None))
    assert x.shape[1:] == problem.task.shape == ((3 if 3 in shape[1:] else 1), 6, 6)
    assert float(x.mean()) == pytest.approx(0, abs=0.01)
    assert float(x.std()) == pytest.approx(1, abs=0.01)
    back = problem.preprocessing.decode(x)
    expected = problem.train.inputs.movedim(1, -1).squeeze(-1).numpy()
    assert np.array_equal(back, expected)


X, Y = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40) % 2
BAD = {
    "nan": (
        lambda: Problem.from_arrays(np.where(np.arange(40)[:, None] == 7, np.nan, X), Y),
        "NaN or infinite values, first in row",
    ),
    "infinite": (lambda: Problem.from_arrays(np.where(X > 2, np.inf, X), Y), "NaN or infinite"),
    "nan image": (lambda: Problem.from_arrays(np.full((40, 5, 5), np.nan), Y), "NaN or infinite"),
    "nan target": (lambda: Problem.from_arrays(X, np.where(Y == 1, np.nan, 0.5)), "targets have NaN"),
    "one sample": (lambda: Problem.from_arrays(X, np.array([2] + [0, 1] * 19 + [1])), "class '2' has 1 row"),
    "constant": (lambda: Problem.from_arrays(X, np.zeros(40, int)), "constant"),
    "constant number": (lambda: Problem.from_arrays(X, np.full(40, 0.5), task="regression"), "constant"),
    "strings": (lambda: Problem.from_arrays(X.astype(str), Y), "where numbers are expected"),
    "objects": (lambda: Problem.from_arrays(X.astype(object), Y), "mix types"),
    "lengths": (lambda: Problem.from_arrays(X, Y[:-1]), "40 inputs and 39 targets"),
    "flat": (lambda: Problem.from_arrays(X[:, 0], Y), "one row per sample"),
    "tiny": (lambda: Problem.from_arrays(X[:1], Y[:1]), "too few"),
    "column": (lambda: Problem.from_frame(table(), "baught"), "did you mean bought"),
    "missing target": (
        lambda: Problem.from_frame(table().assign(bought=[None] + ["a", "b"] * 29 + ["a"]), "bought"),
        "missing in row 0",
    ),
    "infinite column": (lambda: Problem.from_frame(table().assign(age=np.inf), "bought"), "'age' is infinite in row 0"),
    "empty column": (
        lambda: Problem.from_frame(table()[["bought"]].assign(age=np.nan), "bought"),
        "no column is left to learn from: age is constant",
    ),
    "lists": (lambda: Problem.from_frame(table().assign(age=[[1, 2]] * 60), "bought"), "'age' holds a list"),
    "two of one name": (
        lambda: Problem.from_frame(
            table().assign(when=pd.date_range("2020", periods=60), **{"when: days": np.arange(60.0) ** 2}), "bought"
        ),
        "both be called 'when: days'",
    ),
    "a class of the test table": (
        lambda: Problem.from_frame(table(), "bought", test=table(8).assign(bought=["yes"] * 7 + ["maybe"])),
        "'maybe' in row 7",
    ),
    "huge": (lambda: Problem.from_arrays(X * 1e300, Y), "too large for single precision"),
    "huge column": (lambda: Problem.from_frame(table().assign(age=np.linspace(1e299, 1e300, 60)), "bought"), "rescale"),
    "complex": (lambda: Problem.from_arrays(X, Y * 1j), "convert them"),
    "no inputs": (lambda: Problem.from_arrays(X[:, :0], Y), "one row per sample"),
    "scalar": (lambda: Problem.from_arrays(np.float64(1), Y), "one row per sample|has 1 rows|inputs"),
    "ragged": (lambda: Problem.from_arrays([[1, 2], [3]] * 20, Y), "ragged"),
    "one-hot": (lambda: Problem.from_arrays(X, np.eye(2)[Y], task="classification"), "one label per row"),
    "task": (lambda: Problem.from_arrays(X, Y, task="ranking"), "it takes 'classification'"),
    "target widths": (lambda: Problem.from_arrays(X, X[:, :2], test=(X, X[:, 0])), "1 columns; this problem has 2"),
    "constant test": (
        lambda: Problem.from_arrays(X, X[:, 0], test=(X, np.full(40, 0.3))),
        "constant on the test split",
    ),
    "double column": (
        lambda: Problem.from_frame(pd.concat([table(), table()[["age"]]], axis=1), "bought"),
        "stands twice",
    ),
    "missing group": (
        lambda: Problem.from_frame(table().assign(who=np.nan), "bought", group="who"),
        "has missing values",
    ),
    "torn group": (
        lambda: Problem.from_frame(
            table().assign(who=1, s=["train"] * 40 + ["test"] * 20), "bought", group="who", split="s"
        ),
        "stand in several splits",
    ),
    "no columns": (lambda: Problem.from_frame(table()[["bought"]], "bought"), "no column besides"),
    "one group": (lambda: Problem.from_frame(table().assign(who=1), "bought", group="who"), "has one group"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_say_what_is_wrong(case):
    make, message = BAD[case]
    with pytest.raises(EngramError, match=message):
        make()


def test_negative_pixels_columns_of_labels_and_foreign_bytes_are_taken(rng):
    images = rng.normal(size=(40, 5, 5))
    problem = Problem.from_arrays(images, Y[:, None])
    back = problem.preprocessing.decode(problem.train.batch(slice(None))[0])
    assert back.min() < -1
    assert np.allclose(back, problem.train.inputs[:, 0], atol=1e-5)
    assert Problem.from_arrays(images.astype(">f4"), Y).train.inputs.dtype == torch.float32


def test_items_are_shared_as_far_as_classes_go(rng):
    y = np.array([0] * 60 + [1] * 30 + [2] * 10)
    problem = Problem.from_arrays(rng.normal(size=(100, 2)), y)
    sizes = [len(rows) for rows in problem.train.by_class]
    counts = shares(problem, Items(45), 0)
    assert sum(counts) == 45
    assert counts[2] == sizes[2]
    assert abs(counts[0] - counts[1]) <= 1 or counts[1] == sizes[1]
    # A class gives what it has, and that is said.
    assert shares(problem, PerClass(12), 0) == (12, 12, sizes[2])
    assert capped(problem, PerClass(12)) == (
        f"12 per class were asked for; as many as there are training rows stand for class '2' ({sizes[2]})",
    )
    assert capped(problem, PerClass(sizes[2])) == ()
    with pytest.raises(BudgetError, match="no class has as many"):
        shares(problem, PerClass(60), 0)


def test_classes_smaller_than_their_share_are_judged_too(rng):
    from engram import Protocol, distill, evaluate

    problem = Problem.from_arrays(rng.normal(size=(100, 2)), np.array([0] * 60 + [1] * 30 + [2] * 10))
    memory = distill(problem, budget=Items(45), steps=2)
    scores = evaluate(memory, problem, Protocol(seeds=2, full_steps=5))
    assert {row.items for name, row in scores.rows.items() if not name.endswith("_bytes") and name != "full"} == {45}


def test_other_data_seen_through_an_older_preprocessing(rng):
    frame = table(90)
    one = Problem.from_frame(frame, "bought")
    other = Problem.from_frame(frame[frame.city != "Lima"].assign(age=frame.age + 5, more=1.0), "bought")
    seen = other.under(one.preprocessing, one.target, one.metric)
    assert seen.task == one.task
    assert float(seen.train.inputs[:, 0].mean()) > 0.3, "five years older than the data that fitted the scale"
    images = Problem.from_arrays(rng.normal(size=(40, 5, 5)), Y)
    assert torch.equal(
        images.under(images.preprocessing, images.target, images.metric).train.inputs, images.train.inputs
    )


def test_new_data_are_checked_too(wine, digits):
    with pytest.raises(DataError, match="too large"):
        wine.preprocessing.encode(np.full((2, 13), 1e300))
    with pytest.raises(DataError, match="13"):
        wine.preprocessing.encode(np.zeros((2, 5)))
    with pytest.raises(DataError, match="channels, height, width"):
        digits.preprocessing.encode(np.zeros((2, 9, 9)))
    problem = Problem.from_frame(table(), "bought")
    with pytest.raises(UnknownNameError, match="'city' is missing"):
        problem.preprocessing.encode(table().drop(columns="city"))
    with pytest.raises(DataError, match="holds 'old' in row 0 where a number"):
        problem.preprocessing.encode(table().assign(age="old"))
    with pytest.raises(UnknownNameError, match="'maybe' is not a class"):
        problem.target.encode(np.array(["maybe"]))


def test_budgets_are_checked_against_the_data(wine, diabetes):
    assert shares(wine, PerClass(2), 0) == (2, 2, 2)
    assert shares(wine, Items(4), 0) == (2, 1, 1)
    assert shares(wine, Bytes(100), 30) == (1, 1, 1)
    assert shares(diabetes, Items(7), 0) == (7,)
    for budget, problem, message in [
        (Items(2), wine, "at least 3"),
        (Items(1000), wine, "there are 114 training rows"),
        (PerClass(100), wine, "ask for fewer"),
        (PerClass(1), diabetes, "read as a number and has no classes"),
        (Bytes(10), wine, "hold 0 items"),
    ]:
        with pytest.raises(BudgetError, match=message):
            shares(problem, budget, 30)
    for make in (lambda: Items(0), lambda: PerClass(-1), lambda: parse_size("many")):
        with pytest.raises(BudgetError):
            make()
    assert [parse_size(t) for t in ("10", "2kB", "2KiB", "1.5 MB")] == [10, 2000, 2048, 1500000]


def test_a_rare_class_is_distilled_and_told(rng):
    from engram import distill

    problem = Problem.from_arrays(rng.normal(size=(100, 2)), np.array([0] * 60 + [1] * 34 + [2] * 6))
    memory = distill(problem, budget=PerClass(5), steps=2)
    assert memory.items == 5 + 5 + len(problem.train.by_class[2])
    assert any("class '2'" in note for note in memory.provenance["notes"])


def test_several_targets_are_several_outputs(rng):
    from engram import Items, distill

    frame = table(90).drop(columns="bought").assign(a=rng.normal(size=90), b=rng.normal(size=90))
    problem = Problem.from_frame(frame, ["a", "b"])
    assert problem.task.outputs == 2
    assert not {"a", "b"} & set(problem.preprocessing.inputs)
    memory = distill(problem, budget=Items(4), steps=2)
    assert memory.replay(0).predict(frame[:3]).shape == (3, 2)
    labels = frame.assign(a=frame.a > 0, b=(frame.b > 0).astype(int))
    memory = distill(Problem.from_frame(labels, ["a", "b"]), budget=Items(4), steps=2)
    assert set(memory.replay(0).predict(labels).ravel()) <= {0, 1}
    with pytest.raises(DataError, match="several targets are numbers"):
        Problem.from_frame(frame, ["a", "city"])


def test_rows_without_a_target_and_a_test_table(rng):
    frame = table(90)
    holes = frame.assign(bought=frame.bought.astype(object).where(frame.index > 4, None))
    with pytest.raises(DataError, match=r"missing in row 0.*--drop-missing"):
        Problem.from_frame(holes, "bought")
    problem = Problem.from_frame(holes, "bought", drop_missing=True)
    assert sum(len(part) for part in (problem.train, problem.select, problem.test)) == 85
    assert "5 rows without a target" in problem.notes[0]
    held = Problem.from_frame(frame, "bought", test=table(30).assign(more=1))
    assert (len(held.test), len(held.train) + len(held.select)) == (30, 90)
    with pytest.raises(UnknownNameError, match="'age' is not in the test table"):
        Problem.from_frame(frame, "bought", test=frame.drop(columns="age"))


def test_columns_are_chosen_and_classes_may_be_shared(rng):
    frame = table(90)
    assert Problem.from_frame(frame, "bought", drop=["who"]).preprocessing.inputs == ("age", "city")
    assert Problem.from_frame(frame, "bought", columns=["age"]).preprocessing.inputs == ("age",)
    x = rng.normal(size=(40, 3))
    shared = Problem.from_arrays(x, np.arange(40) % 2 + 1, class_names=("none", "cat", "dog", "bird"))
    assert shared.target.names == ("none", "cat", "dog", "bird")
    assert sorted(shared.train.targets.unique().tolist()) == [1, 2]
    with pytest.raises(DataError, match="label 2 has no name"):
        Problem.from_arrays(x, np.arange(40) % 2 + 1, class_names=("none", "cat"))


def test_whole_numbers_that_may_be_either_are_asked_about(rng):
    frame = table(300).assign(bought=rng.poisson(30, 300))
    with pytest.raises(DataError, match="pass --task regression"):
        Problem.from_frame(frame, "bought")
    assert Problem.from_frame(frame, "bought", task="regression").classes is None
    with pytest.raises(DataError, match="it is an id, or text"):
        Problem.from_frame(frame.assign(bought=[f"c{k}" for k in range(300)]), "bought")


def test_labels_keep_their_type_beside_gaps(rng):
    frame = table(90).drop(columns="bought")
    for values, kind in (([True, False, None], "b"), ([0.0, 1.0, np.nan], "i"), (["a", "b", None], "O")):
        held = frame.assign(t=pd.Series((values * 30)[:90], dtype=object if None in values else float))
        problem = Problem.from_frame(held, "t", drop_missing=True)
        assert problem.target.labels.dtype.kind == kind


def test_mistakes_of_a_test_table_are_told_by_its_own_row():
    held = table(30).assign(age=lambda f: f.age.astype(object))
    held.loc[7, "age"] = "oops"
    with pytest.raises(DataError, match="'oops' in row 7"):
        Problem.from_frame(table(90), "bought", test=held)
