"""Dividing rows into splits: by seed, stratified by class, or by groups that stay together."""

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..errors import DataError
from ..random import integer

__all__ = ["SELECT_MOST", "SELECT_SHARE", "TEST_SHARE", "divide", "hold_out", "require_filled", "shared_rows"]

SELECT_SHARE = 0.2
TEST_SHARE = 0.2
SELECT_MOST = 5000
"""Validation rows beyond this number would cost more training data than they add certainty."""


def hold_out(
    x: Any, y: np.ndarray, share: float, classify: bool, seed: int, purpose: str
) -> tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray]]:
    """Rows that stay, and a share that is held out."""
    kept, held = divide(np.arange(len(x)), y, None, share, classify, seed, purpose)
    if isinstance(x, pd.DataFrame):
        return (x.iloc[kept], y[kept]), (x.iloc[held], y[held])
    return (x[kept], y[kept]), (x[held], y[held])


def divide(
    rows: np.ndarray, y: np.ndarray, groups: pd.Series | None, share: float, classify: bool, seed: int, purpose: str
) -> tuple[np.ndarray, np.ndarray]:
    """Part rows in two, by groups or stratified by class; order within a part is the data's own."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    state = integer(seed, "split", purpose, bits=32)
    if groups is not None:
        if groups.iloc[rows].nunique() < 2:
            raise DataError(f"column {groups.name!r} has one group: nothing can be held out for {purpose}")
        halves = GroupShuffleSplit(1, test_size=share, random_state=state)
        kept, held = next(halves.split(rows, groups=groups.iloc[rows]))
        kept, held = rows[kept], rows[held]
    else:
        if classify:
            require_filled(
                torch.from_numpy(np.unique(y[rows], return_counts=True)[1]),
                tuple(map(str, np.unique(y[rows]))),
                least=3 if purpose == "test" else 2,
            )
        count = max(round(share * len(rows)), len(np.unique(y[rows])) if classify else 1)
        if count >= len(rows):
            raise DataError(f"{len(rows)} rows are too few to hold some out for {purpose}")
        kept, held = train_test_split(rows, test_size=count, random_state=state, stratify=y[rows] if classify else None)
    return np.sort(kept), np.sort(held)


def require_filled(counts: Tensor, names: tuple[str, ...], least: int = 2) -> None:
    """Refuse a constant target, and classes with fewer rows than `least`."""
    if len(counts) < 2:
        raise DataError(f"the target is constant ({names[0]}): there is nothing to learn")
    for count, name in zip(counts.tolist(), names, strict=True):
        if count < least:
            raise DataError(
                f"class {name!r} has {count} row{'s' * (count != 1)} to learn from, at least {least} are needed: "
                "add rows, merge or drop it (or give task='regression' if the target is a number)"
            )


def shared_rows(train: Tensor, test: Tensor) -> int:
    """Count the rows of `test` that stand in `train` as well."""
    seen = {hashlib.blake2b(row.numpy().tobytes(), digest_size=8).digest() for row in train.cpu()}
    return sum(hashlib.blake2b(row.numpy().tobytes(), digest_size=8).digest() in seen for row in test.cpu())
