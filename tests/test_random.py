"""Draws depend on their names alone."""

import torch
from hypothesis import given
from hypothesis import strategies as st

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
