"""What people pass to the library: taken as meant, or refused in one sentence before any work."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array, csr_matrix

import engram
from engram import Items, PerClass, Problem, distill, load_problem
from engram.errors import EngramError

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3


def test_what_is_meant_is_taken(wine):
    plain = distill(wine, budget=Items(3), precision=engram.samples.Precision.FLOAT16, steps=1, seed=3)
    said = distill(wine, budget=np.int64(3), precision="float16", steps=np.int32(1), seed=np.uint8(3))
    assert torch.equal(plain.samples.inputs, said.samples.inputs)
    learnt = Problem.from_arrays(torch.tensor(X, requires_grad=True), torch.tensor(Y))
    assert not learnt.train.inputs.requires_grad
    assert learnt.fingerprint == Problem.from_arrays(X, Y).fingerprint
    half = Problem.from_arrays(torch.tensor(X).bfloat16(), Y)
    assert half.train.inputs.dtype is torch.float32
    first = Problem.from_arrays(torch.rand(20, 3, 8, 8).to(memory_format=torch.channels_last), np.arange(20) % 2)
    assert first.task.shape == (3, 8, 8)
    assert Problem.from_arrays(np.ma.masked_array(X, mask=False), Y).task.shape == (4,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"budget": "3"}, "budget is '3': give PerClass"),
        ({"budget": 1.5}, "budget is 1.5"),
        ({"budget": True}, "budget is True"),
        ({"precision": "float17"}, "it takes float32, float16, uint8"),
        ({"steps": 1.5}, "steps is 1.5; it takes a whole number"),
        ({"steps": True}, "steps is True"),
        ({"steps": -1}, "steps is -1; it is at least 0"),
        ({"seed": 0.5}, "seed is 0.5; it takes a whole number"),
        ({"method": 3}, "method is 3: give a method, or its word"),
        ({"network": 3}, "network is 3: give a network, or its word"),
        ({"training": 3}, "training is 3: give a training"),
        ({"teaches": "all"}, "it takes any or replay"),
        ({"network": "mlp:width=1000000000"}, r"272,000,\d{3},\d{3} bytes in training; this machine has"),
        ({"method": "performance-matching:rate=NaN"}, "not finite"),
    ],
)
def test_settings_are_refused_in_a_sentence(wine, given, said):
    with pytest.raises(EngramError, match=said):
        distill(wine, **({"steps": 1} | given))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            lambda: Problem.from_arrays(
                pd.DataFrame(X, columns=pd.MultiIndex.from_product([["a", "b"], ["c", "d"]])), Y
            ),
            "several levels",
        ),
        (lambda: Problem.from_arrays(X, np.array(["a", 1, 2.5] * 20, dtype=object)), "mix types"),
        (lambda: Problem.from_arrays(X, Y, class_names=("a", "a", "b")), "one stands twice"),
        (lambda: Problem.from_arrays(X, Y, class_names=("a", "b")), "label 2 has no name"),
        (lambda: Problem.from_arrays(X, Y, names=("a", "b")), "2 names for 4 columns"),
        (lambda: Problem.from_arrays(np.ma.masked_array(X, mask=X > 1), Y), "masked in"),
        (lambda: Problem.from_arrays(X, np.ma.masked_array(Y, mask=Y == 2)), "masked in 20 places"),
        (lambda: Problem.from_arrays(X + 1j, Y), "complex128"),
        (lambda: Problem.from_arrays(csr_matrix(X), Y), "sparse matrix: call toarray"),
        (lambda: Problem.from_arrays(csr_array(X), Y), "sparse matrix: call toarray"),
        (lambda: Problem.from_arrays(torch.eye(60).to_sparse(), Y), "no plain numbers"),
        (lambda: Problem.from_arrays(torch.empty(60, 4, device="meta"), Y), "on the meta device"),
        (lambda: Problem.from_arrays(X, Y, test=X), "test takes a pair of inputs and targets, not ndarray"),
        (lambda: Problem.from_arrays(X, Y, select=(X,)), "select takes a pair"),
        (lambda: Problem.from_frame(X, "a"), "ndarray is no DataFrame"),
        (lambda: load_problem(3), "int is no source"),
        (lambda: PerClass(1.5), "ask for a whole number"),
    ],
)
def test_data_are_refused_in_a_sentence(given, said):
    with pytest.raises(EngramError, match=said):
        given()


def test_a_seed_is_a_whole_number_everywhere(wine):
    with pytest.raises(EngramError, match=r"seed is 1\.5"):
        distill(wine, steps=1).replay(seed=1.5)
