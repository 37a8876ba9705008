"""Datasets of other libraries, in memory."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

import engram
from engram.errors import DataError, SettingError
from engram.memory.lesson import Lesson


class Pairs(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, row):
        return self.items[row]


def test_a_dataset_of_pairs_is_the_same_problem_as_its_arrays(rng):
    x, y = rng.normal(size=(40, 1, 8, 8)).astype(np.float32), np.arange(40) % 2
    expected = engram.Problem.from_arrays(x, y).fingerprint
    items = [(torch.from_numpy(a), int(b)) for a, b in zip(x, y, strict=True)]
    assert engram.load_problem(Pairs(items)).fingerprint == expected
    assert engram.load_problem(TensorDataset(torch.from_numpy(x), torch.from_numpy(y))).fingerprint == expected
    held = engram.load_problem(Pairs(items), test=Pairs(items[:10]))
    assert (len(held.train) + len(held.select), len(held.test)) == (40, 10)


def test_an_engram_is_a_dataset_that_can_be_learnt_again(tmp_path):
    memory = engram.distill(engram.load_problem("wine"), budget=engram.PerClass(5), steps=2)
    again = engram.load_problem(Lesson.of(memory).dataset())
    assert (again.classes, again.task.shape) == (3, memory.task.shape)
    rows = TensorDataset(torch.randn(60, 3), torch.arange(60) % 3)
    outcome = engram.run(rows, out=tmp_path / "rows.engram", steps=2, seeds=0)
    assert outcome.engram.items == 3


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Pairs([torch.zeros(3), torch.zeros(3)]), "item 0 of the dataset is no pair"),
        (Pairs([(torch.zeros(3), 0), (torch.zeros(2), 1)]), r"item 1 has shape \(2,\) and item 0 \(3,\)"),
        (Pairs([]), "the dataset is empty"),
        ([1, 2], "list is no source"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(dataset, message):
    with pytest.raises(DataError, match=message):
        engram.load_problem(dataset)


def test_settings_of_tables_are_refused_for_pairs():
    with pytest.raises(SettingError, match="takes no target"):
        engram.load_problem(Pairs([(torch.zeros(3), 0)]), target="y")


def test_hugging_face_datasets_are_read_as_their_folders_are(rng):
    datasets = pytest.importorskip("datasets")
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": ["x", "y"] * 30, "label": [0, 1] * 30})
    whole = datasets.Dataset.from_pandas(frame)
    assert engram.load_problem(whole).classes == 2
    split = whole.train_test_split(test_size=0.5, seed=0)
    assert len(engram.load_problem(split, target="label").test) == 30
