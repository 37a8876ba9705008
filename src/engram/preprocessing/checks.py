"""Refuse values that no preprocessing can mend."""

import numpy as np

from ..errors import DataError

__all__ = ["BATCH", "numeric", "require_finite"]

BATCH = 4096
"""Rows looked at together, so that memory stays bounded."""


def numeric(raw: np.ndarray, what: str) -> np.ndarray:
    """The array, if it holds numbers."""
    if raw.dtype == object or raw.dtype.kind in "USV":
        raise DataError(f"{what} hold {raw.dtype} where numbers are expected: convert them, or use a table")
    return raw


def require_finite(raw: np.ndarray, what: str) -> None:
    """Refuse NaN and infinite values, naming the first row."""
    if raw.dtype.kind != "f":
        return
    for start in range(0, len(raw), BATCH):
        bad = ~np.isfinite(raw[start : start + BATCH]).reshape(len(raw[start : start + BATCH]), -1).all(1)
        if bad.any():
            row = start + int(bad.argmax())
            raise DataError(f"{what} have NaN or infinite values, first in row {row}: remove or fill those rows")
