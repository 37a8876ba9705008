"""Refuse values that no preprocessing can mend."""

import numpy as np
import torch

from ..errors import DataError

__all__ = ["BATCH", "numeric", "require_finite", "single"]

BATCH = 4096
"""Rows looked at together, so that memory stays bounded."""


def numeric(raw: np.ndarray, what: str) -> np.ndarray:
    """The array, if it holds numbers."""
    if raw.dtype == object or raw.dtype.kind in "USV":
        raise DataError(f"{what}: {raw.dtype} stands where numbers are expected: convert it to numbers")
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


def single(raw: np.ndarray, what: str) -> torch.Tensor:
    """The array in single precision, refusing what has no place there."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(raw, dtype=np.float32)
    if narrow.size:
        bad = np.isinf(narrow.max()) or np.isinf(narrow.min())
        if bad:
            row = int(np.isinf(narrow).reshape(len(narrow), -1).any(1).argmax())
            raise DataError(f"{what} are too large for single precision, first in row {row}: rescale them")
    return torch.from_numpy(narrow)
