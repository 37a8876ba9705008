"""A scikit-learn style sampler: `fit_resample(X, y)` returns a few synthetic rows in place of many real ones."""

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from .budget import Items, PerClass
from .errors import DataError
from .loop import distill
from .method import Method
from .network import Network
from .problem import Problem

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
        if len(X) < 4:
            raise DataError(f"{len(X)} rows are too few to distil")
        seed = self.random_state
        if seed is None or not isinstance(seed, int | np.integer):
            state: Any = seed if hasattr(seed, "randint") else np.random.RandomState()
            seed = int(state.randint(2**31 - 1))
        seed = int(seed)
        # There is nothing to test here: what `Problem` holds as a test split is never read.
        if isinstance(X, pd.DataFrame):
            frame: Any = X.rename(columns=str).assign(**{"target ": np.asarray(y), "split ": "train"})
            frame = pd.concat([frame, frame.head(2).assign(**{"split ": "test"})])
            problem = Problem.from_frame(frame, "target ", split="split ", seed=seed)
        else:
            X, y = np.asarray(X), np.asarray(y)
            problem = Problem.from_arrays(X, y, test=(X[:2], y[:2]), seed=seed)
        regression = problem.classes is None
        budget = Items(self.items or 10) if self.items or regression else PerClass(self.per_class)
        self.engram_ = distill(problem, self.method, budget=budget, network=self.network, steps=self.steps, seed=seed)
        self._integer_labels = np.asarray(y).dtype.kind in "iu"
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, np.ndarray]:
        """Distil and return synthetic rows and hard labels in the types and units of the input.

        Args:
            X: (N, d) array or a DataFrame.
            y: (N,) labels or numbers.

        Returns:
            Rows and labels.
        """
        self.fit(X, y)
        rows = self.engram_.preprocessing.decode(self.engram_.samples.inputs)
        labels = self.engram_.target.decode(self.engram_.samples.targets)
        return rows, labels.astype(int) if self._integer_labels and labels.dtype == object else labels
