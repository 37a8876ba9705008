"""The likelihood-ratio attack: whether a row was among those that somebody learnt from, told by shadows who had it or had not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import SettingError
from .scores import summarise

__all__ = ["Attack", "attack", "confidence", "likelihood_ratios"]

_RATES = (0.01, 0.1)
_FINE, _MANY = 0.001, 10_000
"""A rate that only so many rows that were not learnt from can show."""

_SMALL = 1e-6


@dataclass(frozen=True)
class Attack:
    """How well members are told.

    Args:
        area: under the curve of true against false positives, for each shadow as the victim; one half is chance.
        found: share of members that are found, by the rate of false positives, for each shadow.

    Example:
        >>> Attack((0.5, 0.6), {0.1: (0.1, 0.2)}).leaks
        False
    """

    area: tuple[float, ...]
    found: Mapping[float, tuple[float, ...]]

    @property
    def leaks(self) -> bool:
        """Whether more members are found than chance finds, or ranked above others, by two standard errors."""
        gaps = [tuple(share - rate for share in shares) for rate, shares in self.found.items()]
        gaps.append(tuple(area - 0.5 for area in self.area))
        return any(gap["sem"] is not None and gap["mean"] > max(2 * gap["sem"], _SMALL) for gap in map(summarise, gaps))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "auc": summarise(self.area),
            "true_positives": {str(rate): summarise(shares) for rate, shares in self.found.items()},
        }


def attack(scores: Tensor, inside: Tensor) -> Attack:
    """Attack each shadow with what the others show.

    Args:
        scores: (shadows, rows): what each says of every row; the higher, the surer.
        inside: (shadows, rows) whether each learnt from it.

    Returns:
        The outcome for each.

    Raises:
        SettingError: fewer than four shadows.

    References:
        Carlini et al. 2022, Membership inference attacks from first principles, arXiv 2112.03570.
    """
    ratios = likelihood_ratios(scores, inside)
    curves = [_curve(ratio[own], ratio[~own]) for ratio, own in zip(ratios, inside, strict=True)]
    fewest = min(int((~own).sum()) for own in inside)
    rates = (_FINE, *_RATES) if fewest > _MANY else _RATES
    found = {rate: tuple(_at(curve, rate) for curve in curves) for rate in rates}
    return Attack(tuple(float(torch.trapezoid(true, false)) for false, true in curves), found)


def likelihood_ratios(scores: Tensor, inside: Tensor) -> Tensor:
    r"""How much likelier a score is of a member: :math:`\log \mathcal N(s; \mu_\text{in}, \sigma_\text{in}^2) - \log \mathcal N(s; \mu_\text{out}, \sigma_\text{out}^2)`.

    Means are those of each row over all other shadows; spreads are one for all rows, as few shadows allow.

    Args:
        scores: (shadows, rows).
        inside: (shadows, rows).

    Returns:
        (shadows, rows).

    Raises:
        SettingError: fewer than four shadows.

    Example:
        >>> scores, inside = torch.tensor([[3.0, 3.2, 3.1, 0.0, 0.1, 0.2]]).T, torch.arange(6)[:, None] < 3
        >>> (likelihood_ratios(scores, inside) > 0).flatten().tolist()
        [True, True, True, False, False, False]
    """
    if len(scores) < 4:
        raise SettingError(
            f"{len(scores)} shadows are too few: the attack needs at least 4, and 16 or more to find something"
        )
    scores = scores.double()
    found = []
    for victim in range(len(scores)):
        others = torch.arange(len(scores)) != victim
        known, own = scores[others], inside[others]
        found.append(
            _log_density(scores[victim], *_spread(known, own)) - _log_density(scores[victim], *_spread(known, ~own))
        )
    return torch.stack(found)


def confidence(outputs: Tensor, targets: Tensor) -> Tensor:
    """How sure networks are of what is true: the margin of the true class, or minus the log of the error.

    Args:
        outputs: (N, C), of a mean network.
        targets: (N,) class numbers, or (N, C) numbers.

    Returns:
        (N,).

    Example:
        >>> confidence(torch.tensor([[0.9, 0.2], [0.1, 0.4]]), torch.tensor([0, 0])).tolist()
        [0.699999988079071, -0.30000001192092896]
    """
    if targets.ndim == 2:
        return -((outputs - targets).square().mean(1) + _SMALL).log()
    true = outputs.gather(1, targets[:, None])[:, 0]
    return true - outputs.scatter(1, targets[:, None], -torch.inf).amax(1)


def _spread(scores: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (rows,) over the chosen shadows, and one spread for all rows; the mean of all for a row that none has."""
    count = chosen.sum(0)
    mean = torch.where(chosen, scores, 0).sum(0) / count.clamp_min(1)
    mean = torch.where(count > 0, mean, scores.mean())
    free = int((count - 1).clamp_min(0).sum())
    squares = torch.where(chosen, (scores - mean).square(), 0).sum() / max(free, 1)
    # Where no row has two of them, the spread of all stands for theirs.
    return mean, (squares.sqrt() if free else scores.std()).clamp_min(_SMALL)


def _log_density(scores: Tensor, mean: Tensor, spread: Tensor) -> Tensor:
    return -((scores - mean) / spread).square() / 2 - spread.log()


def _curve(members: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """False and true positive rates at every threshold, ties together."""
    every = torch.cat([members, others])
    order = every.argsort(descending=True)
    hit = torch.cat([torch.ones_like(members), torch.zeros_like(others)])[order]
    last = torch.cat([every[order].diff() != 0, torch.tensor([True])])
    true, false = hit.cumsum(0)[last] / len(members), (1 - hit).cumsum(0)[last] / len(others)
    zero = torch.zeros(1, dtype=true.dtype)
    return torch.cat([zero, false]), torch.cat([zero, true])


def _at(curve: tuple[Tensor, Tensor], rate: float) -> float:
    """True positives at the largest threshold with no more false ones than the rate."""
    false, true = curve
    return float(true[false <= rate + 1e-12][-1])
