"""Data larger than memory are those that were read whole, row by row; what goes wrong on disk is told and loses nothing."""

import errno
import json
from functools import partial, reduce
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from engram import PerClass, distill, load_problem, run
from engram.data import posing_streams, sampling, streaming, table_files
from engram.data.part import of_classes
from engram.data.stored import Stored, facts
from engram.errors import DataError, OutputError, SettingError, UnknownNameError
from engram.reuse.experiences import experiences

ROWS = 3000
streamed = partial(load_problem, stream=True)


@pytest.fixture(autouse=True)
def small(tmp_path, monkeypatch):
    """A cache of its own, little memory, small pieces."""
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_MAX_RAM", "10kB")
    for module in (sampling, table_files):
        monkeypatch.setattr(module, "PIECE", 400)
    monkeypatch.setattr(streaming, "_BUCKET", 5000)


@pytest.fixture
def few(monkeypatch):
    """A sample that is not all rows."""
    monkeypatch.setattr(sampling, "_SAMPLE", 1000)
    monkeypatch.setattr(posing_streams, "OF_CLASS", 20)


def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 3)).round(3)
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(number=np.arange(ROWS) / 7.0)
    frame["city"] = rng.choice(["Oslo", "Rome", "Bern"], ROWS)
    frame["y"] = np.where(x[:, 0] * x[:, 1] > 0, "yes", "no")
    frame.loc[rng.choice(ROWS, 12, replace=False), "y"] = "rarely"
    return frame


def saved(frame, path):
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return str(path)


def whole(monkeypatch, *arguments, **settings):
    monkeypatch.setenv("ENGRAM_MAX_RAM", "1GB")
    found = load_problem(*arguments, **settings)
    monkeypatch.setenv("ENGRAM_MAX_RAM", "10kB")
    return found


def numbers(split, preprocessing):
    """The rows of a split by the column that counts them."""
    place = preprocessing.names.index("number")
    (column,) = (c for c in preprocessing.columns if c.name == "number")
    x = torch.cat([x for x, _, _ in split.batches()])[:, place].double()
    return sorted(((x * column.std + column.mean) * 7).round().int().tolist())


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_what_fits_the_sample_is_the_problem_that_is_read_whole(ending, tmp_path, monkeypatch):
    path = saved(table(), tmp_path / f"rows.{ending}")
    problem, held = streamed(path, target="y"), whole(monkeypatch, path, target="y")
    assert isinstance(problem.train, Stored)
    assert not isinstance(held.train, Stored)
    assert problem.train.class_sizes == held.train.class_sizes
    assert problem.metric is held.metric
    assert torch.equal(problem.test.inputs, held.test.inputs)
    assert torch.equal(problem.select.targets, held.select.targets)
    assert numbers(problem.train, problem.preprocessing) == numbers(held.train, held.preprocessing)
    assert torch.allclose(problem.train.class_weights, held.train.class_weights)
    key = lambda split: sorted(map(str, zip(*[part.tolist() for part in split.batch(slice(None))], strict=True)))  # noqa: E731
    assert key(problem.train) == key(held.train), "every row keeps its target"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_every_row_trains_or_is_held_out_once(ending, tmp_path, few):
    problem = streamed(saved(table(), tmp_path / f"rows.{ending}"), target="y")
    sample = len(problem.select) + len(problem.test)
    assert sample < ROWS / 5
    trained, select, test = (
        numbers(getattr(problem, part), problem.preprocessing) for part in ("train", "select", "test")
    )
    assert sorted(trained + select + test) == list(range(ROWS))
    assert problem.target.names == ("no", "rarely", "yes")
    assert min(problem.train.class_sizes) >= 5


def test_groups_stay_apart_and_named_splits_are_kept(tmp_path, few):
    frame = table().assign(patient=np.arange(ROWS) // 5)
    problem = streamed(saved(frame, tmp_path / "rows.parquet"), target="y", group="patient")
    trained = {n // 5 for n in numbers(problem.train, problem.preprocessing)}
    for part in (problem.select, problem.test):
        assert not trained & {n // 5 for n in numbers(part, problem.preprocessing)}
    frame = table().assign(part=["train", "train", "test"] * (ROWS // 3))
    problem = streamed(saved(frame, tmp_path / "named.parquet"), target="y", split="part")
    assert {n % 3 for n in numbers(problem.train, problem.preprocessing)} == {0, 1}
    assert {n % 3 for n in numbers(problem.test, problem.preprocessing)} == {2}


def test_rows_without_a_target_are_left_out_or_refused(tmp_path, few):
    frame = table()
    frame.loc[[5, 2900], "y"] = None
    path = saved(frame, tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="missing"):
        streamed(path, target="y")
    problem = streamed(path, target="y", drop_missing=True)
    assert not {5, 2900} & set(numbers(problem.train, problem.preprocessing))


def test_numbers_and_several_targets(tmp_path, few):
    frame = table().drop(columns="y").assign(t=lambda f: f.a * 2 + 5, u=lambda f: f.b)
    problem = streamed(saved(frame, tmp_path / "rows.csv"), target=("t", "u"))
    x, y, _ = problem.train.batch(slice(0, 50))
    assert y.shape == (50, 2)
    assert torch.allclose(x[:, problem.names.index("a")], y[:, 0], atol=0.1)
    residual = problem.residual()
    assert float(torch.cat([y for _, y, _ in residual.train.batches()]).abs().max()) < 0.2
    assert float(residual.train.rows(torch.arange(50)).targets.abs().max()) < 0.2


def test_archives_and_images(tmp_path, monkeypatch, few):
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (ROWS, 4, 4), dtype=np.uint8), np.arange(ROWS) % 3
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:90], y_test=y[:90])
    np.savez_compressed(tmp_path / "b.npz", x=x, y=y)
    problem = streamed(str(tmp_path / "a.npz"))
    assert isinstance(problem.train, Stored)
    assert len(problem.test) == 90
    assert problem.train.inputs.dtype == torch.uint8
    held = whole(monkeypatch, str(tmp_path / "a.npz"))
    assert torch.equal(problem.test.inputs, held.test.inputs)
    problem = streamed(str(tmp_path / "b.npz"))
    assert len(problem.train) + len(problem.test) + len(problem.select) == ROWS
    row = lambda x, y: (x.flatten().tolist(), int(y))  # noqa: E731
    known = [row(*pair) for pair in zip(x, y, strict=True)]
    some = problem.train.rows(torch.arange(20))
    assert all(row(*pair) in known for pair in zip(some.inputs, some.targets, strict=True))


def test_minibatches_are_every_row_of_an_epoch_but_those_that_fill_none(tmp_path):
    train = streamed(saved(table(), tmp_path / "rows.parquet"), target="y").train
    key = lambda batch: [tuple(x) for x in batch[0].tolist()]  # noqa: E731
    size = 64
    steps = len(train) // size
    seen = [row for step in range(steps) for row in key(train.sample(size, step, 0, "x"))]
    assert len(set(seen)) == len(seen) == steps * size
    assert key(train.sample(size, 0, 0, "x")) != key(train.sample(size, steps, 0, "x"))
    assert key(train.sample(size, 3, 0, "x")) == key(train.sample(size, 3, 0, "x"))
    assert len(key(train.sample(10**6, 0, 0, "x"))) == len(train)


def test_rows_lie_in_random_order(tmp_path):
    problem = streamed(saved(table(), tmp_path / "rows.parquet"), target="y")
    place = problem.preprocessing.names.index("number")
    x = torch.cat([x for x, _, _ in problem.train.batches()])[:, place]
    order = x.argsort().argsort().double()
    assert abs(float(torch.corrcoef(torch.stack([order, torch.arange(len(x)).double()]))[0, 1])) < 0.1


def test_rows_that_are_asked_for_are_those(tmp_path):
    train = streamed(saved(table(), tmp_path / "rows.parquet"), target="y").train
    every = train.rows(slice(None))
    index = torch.tensor([7, 0, 7, -1])
    for found in (train.rows(index), every.rows(index)):
        assert torch.equal(found.inputs, every.inputs[index])
        assert torch.equal(found.targets, every.targets[index])
    with pytest.raises(IndexError):
        train.rows(torch.tensor([len(train)]))
    mask = torch.zeros(len(train), dtype=torch.bool)
    mask[[3, 9]] = True
    assert torch.equal(train.rows(mask).inputs, every.inputs[mask])
    for number, rows in enumerate(train.by_class):
        assert (every.targets[rows] == number).all()
        assert len(rows) == train.class_sizes[number]
    with pytest.raises(DataError, match="all rows of the data"):
        train.held()


def test_a_distillation_is_made_judged_and_resumed(tmp_path, monkeypatch):
    path = saved(table(), tmp_path / "rows.parquet")
    settings = {"target": "y", "budget": PerClass(1), "steps": 6, "seeds": 2, "network": "mlp:width=16", "stream": True}
    outcome = run(path, out=tmp_path / "a.engram", panel="quick", **settings)
    assert {"full", "engram", "k_means"} <= set(outcome.scores.rows)
    assert any("read from disk" in note for note in outcome.engram.provenance["notes"])
    assert str(tmp_path) not in str(outcome.engram.provenance)
    again = run(path, out=tmp_path / "a.engram", panel="quick", resume=True, **settings)
    assert again.engram.provenance["fingerprint"] == outcome.engram.provenance["fingerprint"]
    for word in ("herding", "dm:augment=", "random:labels=teacher"):
        distill(streamed(path, target="y"), word, budget=PerClass(2), steps=3, network="mlp:width=16")


def test_what_was_stored_is_found_again_and_other_settings_are_stored_apart(tmp_path, monkeypatch):
    path = saved(table(), tmp_path / "rows.parquet")
    first = streamed(path, target="y").train
    monkeypatch.setattr(streaming, "_written", lambda *_: pytest.fail("stored again"))
    seen = []
    assert streamed(path, target="y", watch=seen.append).train.digest == first.digest
    assert seen[-1] == 1
    monkeypatch.undo()
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ENGRAM_MAX_RAM", "10kB")
    assert streamed(path, target="y", seed=1).train.folder != first.folder
    saved(table().assign(a=0.5), tmp_path / "rows.parquet")
    assert streamed(path, target="y", columns=("b", "c", "number")).train.folder != first.folder


def test_what_looks_at_all_rows_together_holds_them_or_says_so(tmp_path, monkeypatch):
    path = saved(table(), tmp_path / "rows.parquet")
    problem = streamed(path, target="y")
    with pytest.raises(DataError, match="all rows of the data"):
        experiences(problem, 3, by="domain")
    with pytest.raises(DataError, match="all rows of the data"):
        of_classes(problem, ["yes", "no"])
    monkeypatch.setenv("ENGRAM_MAX_RAM", "1GB")
    assert (
        len(of_classes(problem, ["yes", "no"]).train) == sum(problem.train.class_sizes) - problem.train.class_sizes[1]
    )
    again = problem.under(problem.preprocessing, problem.target, problem.metric)
    assert again.train.class_sizes == problem.train.class_sizes


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    path = saved(table(), tmp_path / "rows.parquet")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(streaming, "_joined", full)
    with pytest.raises(OutputError, match="No space left"):
        streamed(path, target="y")
    assert not list((tmp_path / "cache" / "rows").iterdir())


def test_an_interruption_leaves_nothing_and_the_next_run_begins_anew(tmp_path, monkeypatch):
    path = saved(table(), tmp_path / "rows.parquet")
    seen = []

    def watch(done):
        seen.append(done)
        if done > 0.7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        streamed(path, target="y", watch=watch)
    assert not list((tmp_path / "cache" / "rows").iterdir())
    assert seen == sorted(seen)
    seen.clear()
    monkeypatch.setattr(sampling, "_SAMPLE", 200_000)
    problem = streamed(path, target="y", watch=lambda done: seen.append(done))
    assert seen[-1] == 1
    assert facts(problem.train.folder)["count"] == len(problem.train)


def test_rows_that_were_cut_off_are_refused(tmp_path):
    train = streamed(saved(table(), tmp_path / "rows.parquet"), target="y").train
    file = Path(train.folder) / "inputs"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(DataError, match="shorter than it was written"):
        train.batch(torch.tensor([len(train) - 1]))
    file.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        train.batch(slice(0, 2))


def test_what_cannot_be_streamed_says_so(tmp_path, few):
    rng = np.random.default_rng(0)
    texts = [
        " ".join(rng.choice(["red", "blue", "tall", "small", "old", "new", "house", "tree"], 6)) for _ in range(900)
    ]
    words = pd.DataFrame({"text": texts, "y": ["a", "b", "c"] * 300})
    with pytest.raises(DataError, match="texts"):
        streamed(saved(words, tmp_path / "texts.csv"), target="y")
    with pytest.raises(UnknownNameError, match="z"):
        streamed(saved(table(), tmp_path / "rows.csv"), target="z")
    frame = table().astype({"a": object})
    frame.loc[1234, "a"] = "much"
    sample, _ = sampling.sampled(lambda: table_files.pieces_of(saved(frame, tmp_path / "odd.csv")), 0, {"y": 20})
    if 1234 not in sample.places:
        with pytest.raises(DataError, match="much"):
            streamed(str(tmp_path / "odd.csv"), target="y")


def test_it_is_read_in_pieces_where_that_is_asked_for_alone(tmp_path):
    path = saved(table(), tmp_path / "rows.parquet")
    with pytest.raises(DataError, match="--stream"):
        load_problem(path, target="y")
    with pytest.raises(SettingError, match="series"):
        streamed(path, target="y", kind="series")
    with pytest.raises(SettingError, match="stream"):
        streamed("digits")


def test_a_sample_is_drawn_evenly():
    pieces = lambda: (pd.DataFrame({"t": np.arange(k, k + 100) / 3}) for k in range(0, 20_000, 100))  # noqa: E731
    places = np.concatenate([sampling.sampled(pieces, seed)[0].places for seed in range(3)])
    assert abs(places.mean() - 10_000) < 300


def test_samples_of_parts_merge_to_that_of_the_whole_in_any_order(few):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(4000) < 0.01, "rare", np.where(rng.random(4000) < 0.5, "a", "b"))
    frame = pd.DataFrame({"a": np.arange(4000), "y": y})
    parts = [sampling._of_piece(frame[k : k + 500], k, 7, k) for k in range(0, 4000, 500)]
    merged = lambda one, other: one.merged(other, 600, {"y": 20})  # noqa: E731
    left = reduce(merged, parts)
    right = reduce(lambda one, other: merged(other, one), reversed(parts))
    halves = merged(reduce(merged, parts[4:]), reduce(merged, parts[:4]))
    shuffled = reduce(merged, [parts[k] for k in rng.permutation(8)])
    for other in (right, halves, shuffled):
        assert sorted(other.places.tolist()) == sorted(left.places.tolist())
        assert other.count == left.count == 4000
    assert (left.rows.y == "rare").sum() >= 20
    assert 600 <= len(left.keys) <= 660
    # What is kept are rows as they are, with their own numbers.
    assert (left.rows.a.to_numpy() == left.places.numpy()).all()


def test_a_column_that_counts_rows_is_an_id_in_a_sample_too(tmp_path, few, monkeypatch):
    frame = table().assign(row=np.arange(ROWS) + 10)
    for ending in ("parquet", "csv"):
        path = saved(frame, tmp_path / f"rows.{ending}")
        problem = streamed(path, target="y")
        assert problem.names == whole(monkeypatch, path, target="y").names
        assert any("left out as ids: row" in note for note in problem.notes)


def test_named_splits_are_all_there_and_unknown_names_are_refused(tmp_path, few):
    frame = table().assign(part=np.where(np.arange(ROWS) % 300 == 7, "test", "train"))
    problem = streamed(saved(frame, tmp_path / "a.parquet"), target="y", split="part")
    assert numbers(problem.test, problem.preprocessing) == list(range(7, ROWS, 300))
    frame.loc[2900, "part"] = "trian"
    with pytest.raises(DataError, match="trian"):
        streamed(saved(frame, tmp_path / "b.parquet"), target="y", split="part")


def test_the_metric_and_the_held_out_rows_are_those_of_all_rows(tmp_path, few, monkeypatch):
    rng = np.random.default_rng(0)
    even = pd.DataFrame({"a": rng.normal(size=4000), "y": [f"c{k % 30}" for k in range(4000)]})
    path = saved(even, tmp_path / "even.parquet")
    assert streamed(path, target="y").metric is whole(monkeypatch, path, target="y").metric
    monkeypatch.setattr(posing_streams, "OF_CLASS", 200)
    skewed = even.assign(y=np.where(rng.random(4000) < 0.02, "rare", np.where(rng.random(4000) < 0.5, "a", "b")))
    problem = streamed(saved(skewed, tmp_path / "skewed.parquet"), target="y")
    share = float((problem.test.targets == problem.target.names.index("rare")).double().mean())
    assert share < 0.06, "rows that are in the sample for their class alone hold out nothing"


def test_odd_values_beyond_the_sample_are_told_with_their_rows(tmp_path, few):
    frame = table().astype({"a": object})
    for value, said in (("007", "007"), ("1e35", "far beyond")):
        odd = frame.assign(z=[str(k) for k in range(100, 100 + ROWS)], w="1.5")
        column = "z" if value == "007" else "w"
        odd["w"] = [f"{k / 7:.3f}" for k in range(ROWS)]
        sample, _ = sampling.sampled(lambda: table_files.pieces_of(saved(odd, tmp_path / "x.csv")), 0, {"y": 20})  # noqa: B023
        row = next(k for k in range(2800, ROWS) if k not in set(sample.places.tolist()))
        odd.loc[row, column] = value
        with pytest.raises(DataError, match=f"rows 2,800 to 2,999: .*{said}"):
            streamed(saved(odd, tmp_path / f"{value}.csv"), target="y")


def test_broken_and_empty_files_are_one_line(tmp_path):
    (tmp_path / "empty.csv").write_text("a,b,y\n")
    table()[:0].to_parquet(tmp_path / "empty.parquet")
    content = Path(saved(table(), tmp_path / "rows.parquet")).read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    np.savez(tmp_path / "other.npz", x_train=np.zeros((50, 2)), y_train=np.arange(50) % 2, x_test=np.zeros((9, 2)))
    for name in ("empty.csv", "empty.parquet", "cut.parquet", "other.npz"):
        settings = {} if name.endswith("npz") else {"target": "y"}
        with pytest.raises(DataError):
            streamed(str(tmp_path / name), **settings)


def test_archives_in_other_forms_are_read_as_they_are_whole(tmp_path, few, monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 5)), rng.integers(0, 3, ROWS)
    forms = {
        "column": (x, y[:, None]),
        "big": (x.astype(">f4"), y.astype(">i8")),
        "words": (x, np.array(list("abc"))[y]),
    }
    for name, (inputs, targets) in forms.items():
        np.savez(tmp_path / f"{name}.npz", x=inputs, y=targets)
        problem = streamed(str(tmp_path / f"{name}.npz"), kind="rows")
        held = whole(monkeypatch, str(tmp_path / f"{name}.npz"), kind="rows")
        assert problem.target.names == held.target.names
        assert problem.metric is held.metric


def test_rows_of_json_may_lack_what_is_missing_in_a_whole_piece(tmp_path, few):
    rows = table().to_dict("records")
    for row in rows[1200:]:
        del row["c"]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    problem = streamed(str(tmp_path / "rows.jsonl"), target="y")
    assert len(problem.train) + len(problem.select) + len(problem.test) == ROWS


def test_a_decimal_comma_is_told_by_the_whole_table(tmp_path, few):
    """A piece whose numbers could be groups of three digits is read as the others are."""
    rng = np.random.default_rng(0)
    value = rng.integers(1000, 9999, ROWS) / 1000
    words = [f"{v:.3f}".replace(".", ",") for v in value]
    for k in range(0, ROWS, 400):
        if k // 400 % 2:
            # These pieces alone know that no thousands are meant.
            words[k] = "0,25"
            value[k] = 0.25
    path = saved(pd.DataFrame({"a": value.round(1), "b": rng.normal(size=ROWS), "y": words}), tmp_path / "t.csv")
    problem = streamed(path, target="y")
    assert problem.classes is None
    x, y, _ = problem.train.batch(slice(None))
    found = problem.target.decode(y)
    assert float(np.asarray(found).max()) < 10
    assert np.corrcoef(np.asarray(found).ravel(), x[:, 0].numpy())[0, 1] > 0.99
