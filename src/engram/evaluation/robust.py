"""Scores that soft labels and augmentation cannot flatter: gains over random rows that had the same help."""

import math

__all__ = ["augmentation_robust", "label_robust"]


def label_robust(own: float, random: float, full: float, hard: float, weight: float = 0.5) -> float:
    r"""A label-robust score by DD-Ranking's formula, in [0, 100]; without its search of a learning rate for every set.

    .. math:: 100\,\frac{e^{\alpha} - e^{-1}}{e - e^{-1}}, \qquad
        \alpha = w\,(\text{own} - \text{random}) - (1 - w)\,(\text{full} - \text{hard})

    Args:
        own: accuracy with the method's own labels.
        random: of as many random rows with labels of the same kind, hard or a teacher's.
        full: of all data with hard labels.
        hard: of the method's samples with hard labels.
        weight: w.

    Returns:
        The score; 26.9 for what gains and loses nothing.

    References:
        Li et al. 2025 (DD-Ranking, arXiv 2505.13300).

    Example:
        >>> round(label_robust(0.9, 0.5, 1.0, 0.9), 1)
        33.8
    """
    return _scaled(weight * (own - random) - (1 - weight) * (full - hard))


def augmentation_robust(own: float, random: float, own_plain: float, random_plain: float, weight: float = 0.5) -> float:
    r"""DD-Ranking's augmentation-robust score, in [0, 100].

    .. math:: \beta = \gamma\,(\text{own} - \text{random})_\text{augmented}
        + (1 - \gamma)\,(\text{own} - \text{random})_\text{plain}

    scaled as the label-robust score.

    Args:
        own: accuracy, trained with augmentation.
        random: of as many random rows with labels of the same kind, trained in the same way.
        own_plain: without augmentation.
        random_plain: of random rows without augmentation.
        weight: :math:`\gamma`.

    Returns:
        The score; 26.9 for what gains nothing.

    References:
        Li et al. 2025 (DD-Ranking, arXiv 2505.13300).

    Example:
        >>> round(augmentation_robust(0.9, 0.5, 0.7, 0.5), 1)
        41.8
    """
    return _scaled(weight * (own - random) + (1 - weight) * (own_plain - random_plain))


def _scaled(exponent: float) -> float:
    return 100 * (math.exp(exponent) - math.exp(-1)) / (math.e - math.exp(-1))
