"""Fitted state as plain data does what scikit-learn's own transformers do."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engram.data.preprocessing.columns import Columns, Number


def frame(n, seed):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "a": np.where(rng.random(n) < 0.2, np.nan, rng.normal(5, 2, n)),
            "b": rng.integers(0, 9, n),
            "c": rng.choice(["x", "y", "z"], n),
            "d": [f"rare{k}" if k % 3 else "often" for k in range(n)],
            "e": rng.random(n) < 0.5,
        }
    )


def test_columns_agree_with_scikit_learn():
    train, new = frame(100, 0), frame(30, 1)
    new.loc[0, "c"] = "never seen"
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    onehot = OneHotEncoder(max_categories=50, handle_unknown="infrequent_if_exist", sparse_output=False)
    theirs = ColumnTransformer([("n", numeric, ["a", "b"]), ("c", onehot, ["c", "d", "e"])])
    as_text = lambda f: f.assign(**{k: f[k].astype(str).astype(object) for k in "cde"})  # noqa: E731
    expected = theirs.fit(as_text(train)).transform(as_text(new))
    found = Columns.fit(train).encode(new).numpy()
    assert found.shape == expected.shape
    assert np.allclose(np.sort(found, axis=1), np.sort(expected, axis=1), atol=1e-5)
    assert np.allclose(found[:, :2], expected[:, :2], atol=1e-5)


def test_rows_come_back_in_their_own_units():
    train = frame(100, 0)
    columns = Columns.fit(train)
    back = columns.decode(columns.encode(train))
    known = train["a"].notna()
    assert np.allclose(back.loc[known, "a"], train.loc[known, "a"], atol=1e-4)
    assert (back["c"] == train["c"]).all()
    assert len(columns.names) == columns.shape[0]


def test_dates_are_numbers_of_days():
    dates = pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2020-01-03"])})
    number = Columns.fit(dates).columns[0]
    assert isinstance(number, Number)
    assert number.std == pytest.approx(1.0)
