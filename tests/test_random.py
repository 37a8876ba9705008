"""Draws depend on their names alone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engram import random
from engram.random import integer, isolated, minibatch, stream


def test_known_draws_do_not_change_between_versions():
    assert integer(0, "init") == 4299779367542116311
    assert integer(0, "init", 3, bits=32) == 2816722320


@given(st.integers(), st.text(), st.integers(0, 99))
def test_streams_are_independent_of_stray_draws(seed, name, step):
    first = torch.rand(2, generator=stream(seed, name, step))
    torch.rand(3)
    assert torch.equal(first, torch.rand(2, generator=stream(seed, name, step)))
    assert not torch.equal(first, torch.rand(2, generator=stream(seed, name, step + 1)))


def test_names_do_not_run_together():
    assert integer(0, "a", "b") != integer(0, "ab") != integer(0, "a", 1)


def test_isolation_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    with isolated(0, "x"):
        torch.rand(100)
    assert torch.equal(torch.rand(1), expected)


@given(st.integers(1, 50), st.integers(1, 60))
def test_minibatches_cover_an_epoch_without_repeats(rows, size):
    per_epoch = rows // min(size, rows)
    seen = torch.cat([minibatch(rows, size, step, 0, "x") for step in range(per_epoch)])
    assert len(seen.unique()) == len(seen) == per_epoch * min(size, rows)


@pytest.mark.parametrize("rows", [101, 128, 4097])
def test_minibatches_of_many_rows_are_a_shuffle_too(rows, monkeypatch):
    monkeypatch.setattr(random, "_MANY", 10)
    size = 10
    batches = [random.minibatch(rows, size, step, 3, "x") for step in range(rows // size)]
    seen = torch.cat(batches)
    assert len(set(seen.tolist())) == len(seen) == rows // size * size
    assert 0 <= int(seen.min()) <= int(seen.max()) < rows
    assert not torch.equal(random.minibatch(rows, size, rows // size, 3, "x"), batches[0]), (
        "another epoch, another order"
    )
    # Places and what stands there have nothing to do with one another.
    order = torch.stack([seen.double(), torch.arange(len(seen)).double()])
    assert abs(float(torch.corrcoef(order)[0, 1])) < 4 / len(seen) ** 0.5
    firsts = torch.stack([random.minibatch(rows, 1, 0, seed, "x") for seed in range(400)]).double()
    assert abs(float(firsts.mean()) / rows - 0.5) < 0.06
