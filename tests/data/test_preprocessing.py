"""Fitted state as plain data does what scikit-learn's own transformers do."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from engram.data.columns.kinds import LEAST_ROWS, Kind, kinds_of
from engram.data.columns.texts import Text
from engram.data.preprocessing.columns import Columns
from engram.errors import DataError, SettingError, UnknownNameError
from engram.spec import encode as spec_encode


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
    onehot = OneHotEncoder(
        max_categories=50, min_frequency=LEAST_ROWS, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    theirs = ColumnTransformer([("n", numeric, ["a", "b"]), ("c", onehot, ["c", "d", "e"])])
    as_text = lambda f: f.assign(**{k: f[k].astype(str).astype(object) for k in "cde"})  # noqa: E731
    expected = theirs.fit(as_text(train)).transform(as_text(new))
    found = Columns.fit(train).encode(new).numpy()
    assert found.shape == expected.shape
    # A gap is filled to a hundredth of the spread: the median itself may be somebody's number.
    assert np.allclose(np.sort(found, axis=1), np.sort(expected, axis=1), atol=6e-3)
    known = new["a"].notna().to_numpy()
    assert np.allclose(found[known, :2], expected[known, :2], atol=1e-5)


def test_rows_come_back_in_their_own_units():
    train = frame(100, 0)
    columns = Columns.fit(train)
    back = columns.decode(columns.encode(train))
    known = train["a"].notna()
    assert np.allclose(back.loc[known, "a"], train.loc[known, "a"], atol=1e-4)
    assert (back["c"] == train["c"]).all()
    assert len(columns.names) == columns.shape[0]


def test_dates_are_days_and_places_on_circles():
    when = pd.date_range("2020-01-01", periods=800, freq="D")
    dates = pd.DataFrame(
        {"when": when, "said": when.strftime("%d/%m/%Y"), "at": when + pd.Timedelta(hours=1) * np.arange(800)}
    )
    columns = Columns.fit(dates)
    found = columns.encode(dates)
    names = list(columns.names)
    assert names[:3] == ["when: days", "when: year sin", "when: year cos"]
    assert "at: day sin" in names
    assert "when: day sin" not in names
    assert torch.allclose(found[:, names.index("when: days")], found[:, names.index("said: days")])
    week = found[:, names.index("when: week sin")]
    assert torch.allclose(week[7:], week[:-7], atol=1e-4)
    assert abs(float(found[:, 0].std(correction=0)) - 1) < 1e-4
    # What samples say of dates is read again as it stands.
    assert torch.allclose(columns.encode(columns.decode(found)), found, atol=1e-4)
    gaps = columns.encode(dates.assign(when=pd.NaT))
    assert torch.isfinite(gaps).all()
    # A few new rows are read as the many were: the third of April, not the fourth of March.
    few = dates.iloc[:1].assign(said="03/04/2020", when=pd.Timestamp("2020-04-03"))
    assert columns.encode(few)[0, names.index("said: days")] == columns.encode(few)[0, 0]
    with pytest.raises(DataError, match=r"'said' holds '31/02/2020' in row 3 where a date"):
        columns.encode(dates.assign(said=["01/01/2020"] * 3 + ["31/02/2020"] * 797))


def test_texts_keep_their_topics_and_no_word():
    rng = np.random.default_rng(0)
    words = {
        True: ["win", "cash", "prize", "claim", "now", "free"],
        False: ["see", "you", "at", "home", "for", "dinner", "mum"],
    }
    spam = rng.random(300) < 0.5
    said = [" ".join(rng.choice(words[bool(s)], 6)) for s in spam]
    columns = Columns.fit(pd.DataFrame({"message": said}))
    (text,) = columns.columns
    assert isinstance(text, Text)
    found = columns.encode(pd.DataFrame({"message": said}))
    # Some topic tells spam from the rest.
    varying = found.numpy()[:, found.std(0).numpy() > 0]
    assert max(abs(np.corrcoef(column, spam)[0, 1]) for column in varying.T) > 0.9
    assert "prize" not in repr(spec_encode(columns, {}))
    assert torch.allclose(columns.encode(columns.decode(found)), found, atol=1e-4)
    assert torch.isfinite(columns.encode(pd.DataFrame({"message": [None, ""]}))).all()


def kinds(n=200):
    rng = np.random.default_rng(0)
    return {
        Kind.NUMBER: [
            rng.normal(size=n),
            rng.integers(0, 1000, n),
            [str(v) for v in rng.integers(0, 900, n)],
            [f"${v:,.2f}" for v in rng.lognormal(8, 1, n)],
            [f"{v:.1f} kg".replace(".", ",") for v in rng.normal(60, 9, n)],
            [f"{v:.0f}%" for v in rng.uniform(0, 100, n)],
            pd.to_timedelta(rng.integers(0, 9000, n), unit="s"),
            rng.permutation(n),
        ],
        Kind.CATEGORY: [
            rng.choice(["a", "b"], n),
            rng.random(n) < 0.5,
            rng.choice(["New York", "San Francisco"], n),
            rng.choice(["0", "1", "2", "3+"], n),
        ],
        Kind.DATE: [
            pd.date_range("2020", periods=n),
            *(
                pd.date_range("2020-01-13", periods=n, freq="29h").strftime(form)
                for form in ("%Y-%m-%d %H:%M", "%d/%m/%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d/%m/%y", "%m/%d/%Y", "%H:%M")
            ),
            [f"2021-03-{k % 28 + 1:02}T10:00:00{'.5' * (k % 2)}Z" for k in range(n)],
            [datetime.date(1500 + k, 1, 2) for k in range(n)],
        ],
        Kind.TEXT: [[f"dear {k} please send me {k * 7} of these" for k in range(n)]],
        Kind.ID: [
            np.arange(n),
            [f"C-{k:06}" for k in range(n)],
            [f"{k}@mail.example" for k in range(n)],
            [f"+1 617 555 {k:04}" for k in range(n)],
            [f"First{k} M. Last{k}" for k in range(n)],
            10**9 + rng.permutation(10**6)[:n],
        ],
        Kind.CONSTANT: [np.ones(n), ["x"] * n, pd.to_datetime(["2020-01-01"] * n).strftime("%Y")],
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_kinds_are_read_off_the_values(kind):
    for values in kinds()[kind]:
        column = pd.DataFrame({"c": values})
        assert kinds_of(column)["c"] is kind, values[:3]
        # Gaps change nothing, but in numbers that count rows and in a word beside a gap.
        if kind is not Kind.CONSTANT:
            column["c"] = column["c"].astype(object).where(np.arange(len(column)) % 9 != 0, None)
            counts_rows = kind is Kind.ID and isinstance(values, np.ndarray)
            assert counts_rows or kinds_of(column.infer_objects())["c"] is kind, values[:3]


def test_whole_numbers_by_their_name():
    values = np.random.default_rng(0).permutation(10**6)[:100]
    assert kinds_of(pd.DataFrame({"customer_id": values, "customerId": values, "people": values})) == {
        "customer_id": Kind.ID,
        "customerId": Kind.ID,
        "people": Kind.NUMBER,
    }


def test_a_mistake_in_a_column_is_told_by_its_row():
    numbers = [str(k) for k in range(100)]
    numbers[3] = "forty"
    with pytest.raises(DataError, match=r"'n' holds 'forty' in row 3 and numbers elsewhere"):
        kinds_of(pd.DataFrame({"n": numbers}))
    dates = [*pd.date_range("2020", periods=99).strftime("%Y-%m-%d"), "soon"]
    with pytest.raises(DataError, match=r"'d' holds 'soon' in row 99 where a date"):
        kinds_of(pd.DataFrame({"d": dates}))
    assert kinds_of(pd.DataFrame({"n": numbers}), {"n": "id"}) == {"n": Kind.ID}
    with pytest.raises(SettingError, match="it takes number, category"):
        kinds_of(pd.DataFrame({"n": numbers}), {"n": "word"})
    with pytest.raises(UnknownNameError, match="Known: n"):
        kinds_of(pd.DataFrame({"n": numbers}), {"m": "id"})


def test_rare_categories_and_ids_are_not_kept():
    n = 300
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"name": [f"person {k}" for k in range(n)], "town": rng.choice(["A", "B"], n), "x": rng.normal(size=n)}
    )
    table.loc[:3, "town"] = "Nowhere"
    columns = Columns.fit(table)
    assert columns.names == ("x", "town = A", "town = B", "town = other")
    assert columns.unseen(pd.DataFrame({"town": ["A", "Nowhere", "C"]})) == {"town": 2}


def test_amounts_are_numbers_in_few_rows_too():
    table = pd.DataFrame({"paid": ["1.234,5 €", "0,25 €", "-3 €"] * 20, "share": ["50 %", "2.5 %", "7 %"] * 20})
    columns = Columns.fit(table, {"paid": Kind.NUMBER, "share": Kind.NUMBER})
    back = columns.decode(columns.encode(table))
    assert np.allclose(back["paid"][:3], [1234.5, 0.25, -3], atol=1e-2)
    assert np.allclose(back["share"][:3], [50, 2.5, 7], atol=1e-3)
    # One row that shows no decimal mark is read as the many were.
    alone = columns.decode(columns.encode(pd.DataFrame({"paid": ["1.500 €"], "share": ["1 %"]})))
    assert alone["paid"][0] == pytest.approx(1500, abs=0.1)
    with pytest.raises(DataError, match=r"'paid' holds 'much' in row 1 where a number"):
        columns.encode(table.assign(paid=["1 €", "much"] * 30))


def test_a_value_called_other_is_not_what_is_rare():
    columns = Columns.fit(pd.DataFrame({"c": ["other"] * 50 + ["a"] * 50 + ["rare", "rarer"]}))
    assert columns.names == ("c = a", "c = other", "c = other, rare")
    assert float(Columns.fit(pd.DataFrame({"n": [5551234.0, 5559876, 1]})).columns[0].fill) != 5551234.0
