"""Numeric rows and series, standardised per column."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import DataError
from ..checks import numeric, require_finite, single

__all__ = ["Vectors"]


@dataclass(frozen=True, eq=False)
class Vectors:
    r"""Numeric rows or series: :math:`(x_j - \mu_j)/\sigma_j` per column.

    Args:
        mean: (d,).
        std: (d,), one for constant columns.

    Example:
        >>> Vectors.fit(np.array([[0.0], [2.0]])).encode(np.array([[2.0]]))
        tensor([[1.]])
    """

    mean: Tensor
    std: Tensor

    @classmethod
    def fit(cls, raw: np.ndarray) -> "Vectors":
        """Measure mean and standard deviation per column."""
        require_finite(raw, "inputs")
        with np.errstate(over="ignore", invalid="ignore"):
            mean, std = raw.mean(0, dtype=np.float64), raw.std(0, dtype=np.float64)
            small = np.isfinite(std.astype(np.float32)).all()
        if not small:
            raise DataError("inputs are too large for single precision: rescale them")
        std = np.where(std > 1e-9 * np.maximum(1, np.abs(mean)), std, 1.0)
        return cls(torch.from_numpy(mean).float(), torch.from_numpy(std).float())

    @property
    def shape(self) -> tuple[int, ...]:
        """(columns,)."""
        return (len(self.mean),)

    @property
    def widths(self) -> tuple[int, ...]:
        """No category."""
        return ()

    @property
    def bytes(self) -> int:
        """Two numbers per column."""
        return 8 * len(self.mean)

    def encode(self, raw: Any) -> Tensor:
        """(N, d) numbers to standardised float32, the form in which rows are held."""
        rows = numeric(np.asarray(raw), "inputs")
        rows = rows.reshape(len(rows), -1) if rows.ndim != 2 else rows
        if rows.shape[1] != len(self.mean):
            raise DataError(f"rows have {rows.shape[1]} columns; this problem has {len(self.mean)}")
        require_finite(rows, "inputs")
        return single((rows.astype(np.float64) - self.mean.numpy()) / self.std.numpy(), "inputs")

    def normalise(self, stored: Tensor) -> Tensor:
        """Nothing is left to do."""
        return stored

    def decode(self, inputs: Tensor) -> np.ndarray:
        """Rows in raw units."""
        rows: np.ndarray = (inputs.detach().cpu() * self.std + self.mean).numpy()
        return rows

    def whole(self, inputs: Tensor) -> Tensor:
        """Every number stands for itself."""
        return inputs

    def recover(self, stored: Tensor) -> np.ndarray:
        """Rows in raw units."""
        return self.decode(stored)

    def item_bytes(self, number: int) -> int:
        """One number a column."""
        return number * len(self.mean)
