"""A scikit-learn style sampler: `fit_resample(X, y)` returns a few synthetic rows in place of many real ones."""

from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from ..data.problem import Problem
from ..errors import BudgetError, DataError
from ..learning.network import Network
from ..samples.budget import Items, PerClass
from .distiller import distill
from .method import Method

__all__ = ["DistillationSampler"]


class DistillationSampler(BaseEstimator):  # type: ignore[misc]
    """Distil rows with labels into a few synthetic rows with hard labels.

    A transformer may not change the number of rows; like imbalanced-learn's samplers, this object is no
    transformer and offers `fit_resample`. Soft labels and everything else are on `engram_`.

    Args:
        per_class: synthetic rows per class; ignored when `items` is given.
        items: synthetic rows in all; for regression 10 when None.
        method: performance matching when None.
        network: by the kind of data when None.
        steps: outer steps; the method's own when None.
        random_state: seed: an integer, a `RandomState`, or None for an arbitrary one.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> X, y = load_wine(return_X_y=True)
        >>> rows, labels = DistillationSampler(per_class=1, steps=10, random_state=0).fit_resample(X, y)
        >>> rows.shape, labels.tolist()
        ((3, 13), [0, 1, 2])
    """

    def __init__(
        self,
        per_class: int = 1,
        *,
        items: int | None = None,
        method: Method | None = None,
        network: Network | None = None,
        steps: int | None = None,
        random_state: Any = None,
    ) -> None:
        self.per_class = per_class
        self.items = items
        self.method = method
        self.network = network
        self.steps = steps
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Distil; the result is on `engram_`."""
        if issparse(X):
            raise DataError("X is sparse, and samples are not: reduce it first (TruncatedSVD), or pass X.toarray()")
        if X is None or y is None or not hasattr(X, "__len__") or len(X) < 4:
            raise DataError("give X and y of at least 4 rows, as arrays or a DataFrame")
        if self.items is not None and self.items < 1:
            raise BudgetError(f"items is {self.items}: ask for at least 1")
        seed = self._seed()
        X = X if isinstance(X, pd.DataFrame) else np.asarray(X)
        y = np.asarray(y)
        # There is nothing to test here: what `Problem` holds as a test split is never read.
        problem = Problem.from_arrays(
            X, y, test=(X, y), seed=seed, kind=None if isinstance(X, pd.DataFrame) else "rows"
        )
        regression = problem.classes is None
        budget = Items(self.items or 10) if self.items or regression else PerClass(self.per_class)
        self.engram_ = distill(problem, self.method, budget=budget, network=self.network, steps=self.steps, seed=seed)
        self.classes_ = None if regression else np.unique(y)
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Distil and return synthetic rows and hard labels in the types, columns and units of the input.

        Args:
            X: (N, d) array or a DataFrame.
            y: (N,) labels or numbers, an array or a Series.

        Returns:
            Rows and labels. A column that was left out holds its one value, or none if it was an id.
        """
        self.fit(X, y)
        rows = self.engram_.preprocessing.decode(self.engram_.samples.inputs)
        targets = self.engram_.target.decode(self.engram_.samples.targets)
        if self.classes_ is not None:
            targets = self.classes_[self.engram_.samples.targets.argmax(1).numpy()]
        elif targets.ndim == np.ndim(y) - 1:
            targets = targets[:, None]
        rows = (
            _like(rows, X, self.engram_.preprocessing)
            if isinstance(X, pd.DataFrame)
            else _typed(rows, np.asarray(X).dtype)
        )
        return rows, pd.Series(targets, name=y.name).astype(y.dtype) if isinstance(y, pd.Series) else targets

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        if isinstance(self.random_state, np.random.Generator):
            return int(self.random_state.integers(2**31 - 1))
        return int(check_random_state(self.random_state).randint(2**31 - 1))


def _like(rows: pd.DataFrame, given: pd.DataFrame, preprocessing: Any) -> pd.DataFrame:
    """Rows with the columns and types of a table; dates and texts, which stand as numbers, come last."""
    columns: dict[Any, Any] = {}
    for column in given.columns:
        if str(column) in rows:
            columns[column] = _cast(rows[str(column)], given[column])
        elif str(column) not in preprocessing.inputs:
            value = given[column].iloc[0] if given[column].nunique(dropna=False) == 1 else None
            columns[column] = [value] * len(rows)
    others = [name for name in rows if name not in set(map(str, given.columns))]
    return pd.DataFrame(columns | {name: rows[name] for name in others})


def _cast(values: pd.Series, given: pd.Series) -> pd.Series:
    """Values in the type of a column; words of a category are the very values they name."""
    if values.dtype.kind not in "fiu":
        named = {str(value): value for value in given.dropna().unique()}
        values = values.map(lambda word: named.get(word, None if word == "missing" else word))
    elif pd.api.types.is_integer_dtype(given.dtype):
        values = values.round()
    try:
        return values.astype(given.dtype)
    except (TypeError, ValueError, ArithmeticError):
        return values


def _typed(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Numbers in a type, rounded where it is whole."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiu":
        return values
    return (values.round() if dtype.kind in "iu" else values).astype(dtype)
