"""What is wrong is told by the number of its row in the caller's own data, not in a split of it."""

import numpy as np
import pandas as pd
import pytest

from engram import PerClass, Problem
from engram.errors import BudgetError, DataError

N = 300
ROWS = (10, 50, 151, 299)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e39])
def test_arrays(row, odd):
    x = np.random.default_rng(0).normal(size=(N, 3))
    x[row, 1] = odd
    with pytest.raises(DataError, match=rf"first in row {row}:"):
        Problem.from_arrays(x, np.arange(N) % 2)


@pytest.mark.parametrize("row", ROWS)
def test_series(row):
    x = np.sin(np.arange(40.0) / 5 + np.arange(N)[:, None])
    x[row, 7] = np.nan
    with pytest.raises(DataError, match=rf"series {row}: point 7 is missing"):
        Problem.from_arrays(x, np.arange(N) % 2, kind="series")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(("odd", "said"), [(np.inf, "infinite in row"), ("oops", "'oops' in row")])
def test_tables(row, odd, said):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=N), "b": rng.normal(size=N), "y": np.arange(N) % 2})
    table["a"] = table["a"].astype(object if isinstance(odd, str) else float)
    table.loc[row, "a"] = odd
    kinds = {"a": "number"} if isinstance(odd, str) else None
    with pytest.raises(DataError, match=rf"{said} {row}\b"):
        Problem.from_frame(table, "y", kinds=kinds)
    # Of a test table the rows are counted by themselves, and rows that are left out count.
    held = table.loc[[0, 1, row]]
    clean = table.drop(index=row)
    clean["y"] = clean["y"].astype(float)
    clean.loc[clean.index[0], "y"] = np.nan
    with pytest.raises(DataError, match=rf"{said} 2\b"):
        Problem.from_frame(clean, "y", test=held, kinds=kinds, drop_missing=True)


def table_of(y):
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=len(y)), "b": rng.normal(size=len(y)), "y": y})


def test_targets_with_a_decimal_comma_are_numbers():
    rng = np.random.default_rng(1)
    many = rng.normal(size=N) * 1234
    grades = rng.integers(2, 9, size=N) / 2
    for values, form in ((many, "{:.4f}"), (grades, "{:.1f}")):
        words = [form.format(value) for value in values]
        plain = Problem.from_frame(table_of([float(word) for word in words]), "y")
        comma = Problem.from_frame(table_of([word.replace(".", ",") for word in words]), "y")
        assert plain.classes is None
        assert comma.classes is None
        np.testing.assert_allclose(comma.test.targets, plain.test.targets, atol=1e-5)
    thousands = Problem.from_frame(table_of([f"{v:,.2f}" for v in many * 100]), "y")
    assert thousands.classes is None


def test_words_with_letters_and_codes_stay_classes():
    for words in (["3 stars", "5 stars"], ["007", "042"], ["1,0", "2,5"]):
        task = "classification" if "," in words[0] else None
        problem = Problem.from_frame(table_of([words[k % 2] for k in range(N)]), "y", task=task)
        assert problem.target.names == tuple(words)


def test_budgets_take_whole_numbers_of_numpy():
    assert type(PerClass(np.int64(2)).count) is int
    with pytest.raises(BudgetError, match="whole number"):
        PerClass(2.5)
