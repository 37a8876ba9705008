"""The sampler has scikit-learn's habits."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from engram import DistillationSampler
from engram.errors import DataError


def test_parameters_and_clones():
    sampler = DistillationSampler(per_class=2, steps=5, random_state=1)
    assert sampler.get_params()["per_class"] == 2
    assert clone(sampler.set_params(per_class=3)).per_class == 3


def test_few_rows_teach_another_model():
    X, y = load_wine(return_X_y=True)
    sampler = DistillationSampler(per_class=1, random_state=0)
    rows, labels = sampler.fit_resample(X, y)
    assert rows.shape == (3, 13)
    assert labels.dtype.kind == "i"
    assert sampler.engram_.samples.targets.shape == (3, 3)
    few = [DistillationSampler(per_class=1, steps=20, random_state=0).fit_resample(X, y)[0] for _ in range(2)]
    assert np.array_equal(*few)
    scale = X.std(0)
    assert LogisticRegression().fit(rows / scale, labels).score(X / scale, y) > 0.9


def test_frames_words_and_numbers():
    frame, y = load_diabetes(return_X_y=True, as_frame=True)
    rows, targets = DistillationSampler(items=7, steps=3, random_state=np.random.RandomState(0)).fit_resample(frame, y)
    assert list(rows.columns) == list(frame.columns)
    assert targets.dtype.kind == "f"
    words = pd.DataFrame({"a": np.arange(40.0), "b": ["x", "y"] * 20})
    rows, labels = DistillationSampler(steps=3, random_state=0).fit_resample(words, np.array(["no", "yes"] * 20))
    assert set(labels) == {"no", "yes"}
    assert set(rows["b"]) <= {"x", "y"}


def test_too_few_rows():
    with pytest.raises(DataError, match="at least 4 rows"):
        DistillationSampler().fit(np.ones((2, 2)), [0, 1])


def test_columns_types_and_names_come_back():
    rng = np.random.default_rng(0)
    n = 120
    X = pd.DataFrame(
        {
            "town": rng.choice(["A", "B"], n),
            "age": rng.integers(20, 60, n),
            "same": 7,
            "customer_id": np.arange(n),
            "height": rng.normal(size=n).astype(np.float32),
            "sure": rng.random(n) < 0.5,
            "grade": pd.Categorical(rng.choice(["x", "y"], n)),
            "code": pd.Categorical(rng.choice([1, 2], n)),
            "many": pd.array(rng.integers(0, 99, n), dtype="Int64"),
        }
    )
    y = pd.Series(X.age > 40, name="old")
    rows, labels = DistillationSampler(per_class=3, steps=3, random_state=0).fit_resample(X, y)
    assert list(rows.columns) == list(X.columns)
    typed = [name for name in X if name not in ("same", "customer_id")]
    assert (rows.dtypes[typed] == X.dtypes[typed]).all()
    assert set(rows.code) <= {1, 2}
    assert rows.same.eq(7).all()
    assert rows.customer_id.isna().all()
    assert (labels.name, labels.dtype) == ("old", bool)
    narrow, _ = DistillationSampler(steps=3, random_state=0).fit_resample(X[["height", "age"]].to_numpy("float32"), y)
    assert narrow.dtype == np.float32


def test_it_stands_in_a_pipeline_of_imbalanced_learn():
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = load_wine(return_X_y=True)
    steps = [
        ("scale", StandardScaler()),
        ("few", DistillationSampler(per_class=1, steps=30, random_state=0)),
        ("model", LogisticRegression(max_iter=500)),
    ]
    assert pipeline.Pipeline(steps).fit(X, y).score(X, y) > 0.8


def test_sparse_rows_are_one_sentence():
    with pytest.raises(DataError, match="X is sparse"):
        DistillationSampler().fit(csr_matrix(np.eye(8)), [0, 1] * 4)
