"""How predictions are scored; higher is better everywhere."""

import enum

import torch
from torch import Tensor

__all__ = ["Metric", "row_losses", "score"]


class Metric(enum.Enum):
    """Accuracy; its mean over classes where classes are uneven; or the share of variance explained."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced accuracy"
    R2 = "R2"


def score(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    r"""Score outputs against targets: accuracy, mean recall, or :math:`1 - \sum (f-y)^2/\sum (y-\bar y)^2`.

    Args:
        metric: which.
        outputs: (..., N, C); leading axes (networks) are kept.
        targets: (N,) class numbers, or (N, C) real targets.

    Returns:
        (...): one score per network.

    Example:
        >>> score(Metric.ACCURACY, torch.eye(2), torch.tensor([0, 0]))
        tensor(0.5000)
    """
    if metric is Metric.R2:
        residual = (outputs - targets).square().sum(-2)
        return (1 - residual / (targets - targets.mean(-2, keepdim=True)).square().sum(-2)).mean(-1)
    hits = (outputs.argmax(-1) == targets).float()
    if metric is Metric.ACCURACY:
        return hits.mean(-1)
    present = targets.unique()
    return torch.stack([hits[..., targets == c].mean(-1) for c in present]).mean(0)


def row_losses(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    """Losses of single rows whose mean is one less the score; by them two models are compared row by row.

    Args:
        metric: which.
        outputs: (..., N, C).
        targets: as `score` takes them.

    Returns:
        (..., N).

    Example:
        >>> row_losses(Metric.ACCURACY, torch.eye(2), torch.tensor([0, 0]))
        tensor([0., 1.])
    """
    if metric is Metric.R2:
        spread = (targets - targets.mean(-2, keepdim=True)).square().mean(-2)
        return ((outputs - targets).square() / spread).mean(-1)
    missed = (outputs.argmax(-1) != targets).float()
    if metric is Metric.ACCURACY:
        return missed
    counts = torch.bincount(targets)
    return missed * (len(targets) / ((counts > 0).sum() * counts[targets]))
