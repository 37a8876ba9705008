"""Cylinder, bell and funnel: series of three classes that a formula draws (Saito 1994)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...errors import SettingError
from ...random import integer
from ..problem import Problem

__all__ = ["CylinderBellFunnel"]

_POINTS = 128


@dataclass(frozen=True)
class CylinderBellFunnel:
    r"""Noise around a plateau, a ramp up, or a ramp down, between times that are drawn: 128 points, 3 classes.

    .. math:: x(t) = (6 + \eta)\,\chi_{[a,b]}(t)\,s(t) + \varepsilon(t), \quad s \in \{1,\ \tfrac{t-a}{b-a},\ \tfrac{b-t}{b-a}\}

    with a uniform in [16, 32], b - a uniform in [32, 96], normal noise; each series is standardised.

    Args:
        rows: series, split by seed; at least 30.

    References:
        Saito 1994, Local feature extraction and its applications using a library of bases.

    Example:
        >>> CylinderBellFunnel(rows=60).load(0).task.shape
        (1, 128)
    """

    suffixes: ClassVar[tuple[str, ...]] = ()
    rows: int = 900

    def __post_init__(self) -> None:
        if self.rows < 30:
            raise SettingError(f"cylinder-bell-funnel has {self.rows} rows: take at least 30")

    def load(self, seed: int) -> Problem:
        """Draw and split; the series are the same for every seed, the split is not."""
        rng = np.random.default_rng(integer(0, "cylinder-bell-funnel", bits=32))
        labels = np.arange(self.rows) % 3
        t = np.arange(_POINTS)
        a = rng.uniform(16, 32, self.rows)[:, None]
        width = rng.uniform(32, 96, self.rows)[:, None]
        inside = (t >= a) & (t <= a + width)
        ramp = (t - a) / width
        shapes = np.select([labels[:, None] == k for k in range(3)], [np.ones_like(ramp), ramp, 1 - ramp])
        x = (6 + rng.normal(size=(self.rows, 1))) * inside * shapes + rng.normal(size=(self.rows, _POINTS))
        x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
        return Problem.from_arrays(
            x.astype(np.float32),
            labels,
            name="cylinder-bell-funnel",
            seed=seed,
            class_names=("cylinder", "bell", "funnel"),
            kind="series",
        )
