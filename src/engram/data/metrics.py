"""How predictions are scored; higher is better everywhere."""

import enum

import torch
from torch import Tensor

from ..errors import SettingError

__all__ = ["Metric", "metric_of", "recalls", "row_losses", "score"]


class Metric(enum.Enum):
    """Of classes: accuracy, its mean over classes, areas under ROC curves, F1; of numbers: shares of variance or absolute error explained."""

    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced accuracy"
    AUROC = "AUROC"
    F1 = "F1"
    R2 = "R2"
    MAE = "D2 (MAE)"

    @property
    def of_classes(self) -> bool:
        """Whether it scores classes, not numbers."""
        return self not in (Metric.R2, Metric.MAE)


WORDS = {metric.name.lower().replace("_", "-"): metric for metric in Metric}
"""By the words of the command line."""


def metric_of(word: "str | Metric", classes: bool) -> "Metric":
    """The metric that a word names, if it fits the task.

    Raises:
        SettingError: no such metric, or one of the other task.

    Example:
        >>> metric_of("auroc", classes=True)
        <Metric.AUROC: 'AUROC'>
    """
    found = word if isinstance(word, Metric) else WORDS.get(word.lower().replace("_", "-").replace(" ", "-"))
    fitting = [name for name, metric in WORDS.items() if metric.of_classes == classes]
    if found is None or found.of_classes != classes:
        raise SettingError(
            f"metric {word!r} scores no {'classes' if classes else 'numbers'}: choose {', '.join(fitting)}"
        )
    return found


def score(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    r"""Score outputs against targets; higher is better.

    Of classes: accuracy, mean recall, the mean area under each class's ROC curve against all others (the larger class
    alone counts as 1/2), or the mean over classes of F1. Of numbers, as means over outputs:
    :math:`1 - \sum (f-y)^2/\sum (y-\bar y)^2`, or :math:`1 - \sum |f-y|/\sum |y-\mathrm{median}|`, which is the mean absolute error
    in units of that of predicting the median.

    Args:
        metric: which.
        outputs: (..., N, C); leading axes (networks) are kept.
        targets: (N,) class numbers, or (N, C) real targets.

    Returns:
        (...): one score per network.

    References:
        Hanley & McNeil 1982 (AUROC as a rank statistic); scikit-learn's `d2_absolute_error_score`.

    Example:
        >>> score(Metric.ACCURACY, torch.eye(2), torch.tensor([0, 0]))
        tensor(0.5000)
    """
    if metric is Metric.R2:
        residual = (outputs - targets).square().sum(-2)
        return (1 - residual / (targets - targets.mean(-2, keepdim=True)).square().sum(-2)).mean(-1)
    if metric is Metric.MAE:
        middle = targets.median(-2, keepdim=True).values
        return (1 - (outputs - targets).abs().sum(-2) / (targets - middle).abs().sum(-2)).mean(-1)
    if metric is Metric.AUROC:
        outputs = outputs.double()
        return torch.stack(
            [_auroc(outputs[..., c] - _others(outputs, c), targets == c) for c in targets.unique()]
        ).mean(0)
    if metric is Metric.F1:
        return torch.stack([_f1(outputs.argmax(-1) == c, targets == c) for c in targets.unique()]).mean(0)
    hits = (outputs.argmax(-1) == targets).float()
    if metric is Metric.ACCURACY:
        return hits.mean(-1)
    present = targets.unique()
    return torch.stack([hits[..., targets == c].mean(-1) for c in present]).mean(0)


def recalls(outputs: Tensor, targets: Tensor) -> Tensor:
    """The share of each class's rows that is recognised, whose mean is balanced accuracy.

    Args:
        outputs: (..., N, C).
        targets: (N,) class numbers.

    Returns:
        (..., C); NaN of a class without rows.

    Example:
        >>> recalls(torch.eye(2), torch.tensor([0, 0])).tolist()
        [0.5, nan]
    """
    hits = (outputs.argmax(-1) == targets).float()
    return torch.stack([hits[..., targets == c].mean(-1) for c in range(outputs.shape[-1])], -1)


def _others(outputs: Tensor, c: int) -> Tensor:
    """What a class's score is compared with: two classes by their difference, several by their log-sum, so that softmax ranks."""
    others = torch.cat([outputs[..., :c], outputs[..., c + 1 :]], -1)
    return others.logsumexp(-1)


def _auroc(scores: Tensor, positive: Tensor) -> Tensor:
    """The share of pairs that are ranked rightly, ties counting half: by mean ranks, in double precision."""
    n, p = len(positive), int(positive.sum())
    if p == n:
        return torch.full(scores.shape[:-1], 0.5)
    ordered = scores.double().contiguous().sort(-1).values
    values = scores.double().contiguous()
    ranks = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True) + 1) / 2
    return ((ranks[..., positive].sum(-1) - p * (p + 1) / 2) / (p * (n - p))).float()


def _f1(predicted: Tensor, positive: Tensor) -> Tensor:
    right = (predicted & positive).sum(-1)
    return 2 * right / (predicted.sum(-1) + positive.sum())


def row_losses(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    """Losses of single rows whose mean is one less the score; by them two models are compared row by row.

    AUROC and F1 are no means over rows: mean recall, the nearest that is, stands for them.

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
    if metric is Metric.MAE:
        spread = (targets - targets.median(-2, keepdim=True).values).abs().mean(-2)
        return ((outputs - targets).abs() / spread).mean(-1)
    missed = (outputs.argmax(-1) != targets).float()
    if metric is Metric.ACCURACY:
        return missed
    counts = torch.bincount(targets)
    return missed * (len(targets) / ((counts > 0).sum() * counts[targets]))
