"""Shared problems, small enough that a test takes a moment and real enough to be learnt."""

import os

import numpy as np
import pytest
import torch

from engram.data.problem import Problem
from engram.data.source import load_problem
from engram.evaluation import ceiling
from engram.reuse import search

# Tests run side by side: threads of one would wait for those of another, in processes that they start as well.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Experts and vectors of tests never reach the user's own cache; ceilings and searches take moments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGRAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Boosted trees are scikit-learn's: here it is enough that they stand beside the others.
        patch.setattr(ceiling, "_ROUNDS", 20)
        patch.setattr(search, "_SHORT", 20)
        patch.setattr(search, "_LEAST_STEPS", 60)
        yield


@pytest.fixture(scope="session")
def wine() -> Problem:
    return load_problem("wine")


@pytest.fixture(scope="session")
def digits() -> Problem:
    return load_problem("digits")


@pytest.fixture(scope="session")
def diabetes() -> Problem:
    return load_problem("diabetes")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
