"""Rows drawn from a stored distribution by their seed, with labels in four bits: what a row costs is its label."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from ...errors import SettingError
from ...numerics.copula import correlated, drawn
from ...numerics.optimizers import Params
from ...random import stream
from ..synthetic import Synthetic
from . import MOST_NUMBERS

__all__ = ["Copula"]


@dataclass(frozen=True, eq=False)
class Copula:
    r"""Rows of a Gaussian copula, :math:`x_j = Q_j(\Phi(u_j))`, each with a free label.

    .. math:: u = L z + \sqrt{1 - |L|^2}\,\varepsilon, \qquad z, \varepsilon \text{ from } \texttt{stream(seed, "copula")}

    Numbers come first. Of a category's indicators the one is set whose :math:`u_j` and offset are largest.

    Args:
        knots: (q, n) quantiles of the n numbers, q at least 2.
        offsets: (m,) of the indicators of categories.
        loadings: (n + m, k), k at least 1.
        coarse_targets: (K, C) scores; (K, C - 1) for classes, whose scores sum to zero. Stored in four bits.
        widths: indicators of each category, m in all.
        classes: C, or 0 for numbers.
        seed: of the rows.

    Raises:
        SettingError: shapes that do not go together, or more numbers than a machine holds.

    Example:
        >>> rows = Copula(torch.tensor([[-1.0], [1.0]]), torch.zeros(0), torch.zeros(1, 1), torch.zeros(3, 1), (), 0, 0)
        >>> rows.decode().inputs.shape
        torch.Size([3, 1])
    """

    knots: Tensor
    offsets: Tensor
    loadings: Tensor
    coarse_targets: Tensor
    widths: tuple[int, ...]
    classes: int
    seed: int

    def __post_init__(self) -> None:
        shapes = [tuple(t.shape) for t in (self.knots, self.offsets, self.loadings, self.coarse_targets)]
        fits = [len(shape) for shape in shapes] == [2, 1, 2, 2]
        fits = fits and shapes[0][0] >= 2 and shapes[2][1] >= 1 and min(shapes[3]) >= 1
        fits = fits and sum(self.widths) == shapes[1][0] and shapes[2][0] == shapes[0][1] + shapes[1][0] > 0
        fits = fits and all(width >= 1 for width in self.widths) and self.classes in (0, shapes[3][1] + 1)
        if not fits or shapes[3][0] * (sum(shapes[2]) + shapes[3][1]) > MOST_NUMBERS:
            raise SettingError(f"tensors of shapes {shapes} make no rows of a copula")

    @property
    def free(self) -> Params:
        """The labels."""
        return {"coarse_targets": self.coarse_targets}

    def with_free(self, free: Params) -> Self:
        """Other labels."""
        return replace(self, coarse_targets=free["coarse_targets"])

    def decode(self) -> Synthetic:
        """The rows, drawn again, and their labels."""
        scores = self.coarse_targets
        if self.classes:
            scores = torch.cat([scores, -scores.sum(1, keepdim=True)], 1)
        return Synthetic(self.inputs(), scores)

    def inputs(self) -> Tensor:
        """(K, n + m)."""
        # In double precision: how a file's tensors lie in memory decides the last digit of a sum in single precision.
        normal = correlated(self.loadings.double(), len(self.coarse_targets), stream(self.seed, "copula"))
        parts = [drawn(normal[:, : self.knots.shape[1]], self.knots.double())] if self.knots.shape[1] else []
        liked = normal[:, self.knots.shape[1] :] + self.offsets.double()
        parts += [one_hot(part.argmax(1), part.shape[1]).to(normal) for part in liked.split(list(self.widths), 1)]
        return torch.cat(parts, 1).to(self.loadings)
