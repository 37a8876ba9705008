"""The linear part of real targets: fitted by least squares, taken off, added back at prediction."""

import torch
from torch import Tensor

from .rows import Rows

__all__ = ["fit_linear", "linear_part"]


def fit_linear(rows: Rows) -> Tensor:
    """Least squares of the targets on the inputs and a constant, from sums over batches: (d + 1, C)."""
    gram = moment = torch.zeros((), dtype=torch.float64)
    for x, y, _ in rows.batches():
        augmented = torch.cat([x.flatten(1), torch.ones_like(y[:, :1])], 1).double()
        gram, moment = gram + augmented.mT @ augmented, moment + augmented.mT @ y.double()
    # The smallest ridge decides between columns that say the same.
    floor = 1e-10 * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram + floor, moment).float()


def linear_part(linear: Tensor, inputs: Tensor) -> Tensor:
    """What a linear function says of inputs: (N, C)."""
    return inputs.flatten(1) @ linear[:-1] + linear[-1]
