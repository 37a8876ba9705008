"""Labels solved for: those from which a closed-form readout, on features of the replay, fits what all rows teach."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..data.problem import Problem
from ..data.rows import Rows
from ..errors import SettingError
from ..learning.fitting import Fitted, fit
from ..learning.training import Ridge, Training
from ..numerics.linalg import ridge, with_bias
from .batches import few
from .teachers import Teachers

__all__ = ["solved_labels"]

_SEEDS = (3_000_001, 3_000_002, 3_000_003)
"""Networks over which labels are solved; none chooses or judges."""

_ROWS, _EACH = 15_000, 20
"""Real rows that labels are to fit: so many for each, at most the former."""

_AT_ONCE = 2000


def solved_labels(
    problem: Problem, training: Training, sets: Mapping[str, Rows], taught: Teachers | None, freedom: float
) -> Tensor:
    r"""Move labels from the teachers' :math:`y_0` to where the readout that they teach fits the teachers on real rows.

    .. math:: \min_y \tfrac1N \sum_\theta |\phi_\theta(X)\,W_\theta(y) - f(X)|^2 + \tfrac{1}{cK} |y - y_0|^2,
        \qquad W_\theta(y) = \mathrm{ridge}\big(\phi_\theta(x), y\big)

    The readout is linear in the labels, so that this is least squares. Features :math:`\phi_\theta` are those of three fresh
    networks by the training's own phases, taught by :math:`y_0` where they learn; the labels serve them all, and so new ones.

    Args:
        problem: real rows; `train` alone is read.
        training: whose last phase is a ridge readout of the set ``main``.
        sets: what its phases read; ``main`` holds the K rows with :math:`y_0`.
        taught: f, who learnt from all rows; the rows' own targets when None.
        freedom: c, positive: how far labels may go.

    Returns:
        (K, C): y.

    Raises:
        SettingError: a training whose readout is not solved in closed form.

    References:
        Nguyen, Chen, Lee 2021 (KIP, arXiv 2011.00050), label solve; here over drawn networks, and from labels that are good already.

    Example:
        >>> from engram import load_problem
        >>> from engram.distillation.teachers import teachers
        >>> from engram.learning import MLP, Part, Phase, Ridge, Training
        >>> from engram.samples import Synthetic
        >>> wine = load_problem("wine")
        >>> rows = Synthetic(wine.train.inputs[:20], wine.train.batch(slice(0, 20))[1])
        >>> lazy = Training(MLP(64), (Phase(Ridge(1e-3), Part.READOUT),))
        >>> solved_labels(wine, lazy, {"main": rows}, teachers(wine, 0), 1.0).shape
        torch.Size([20, 3])
    """
    main, penalty = sets["main"], training.phases[-1].solver
    if not isinstance(penalty, Ridge) or training.phases[-1].data != "main":
        raise SettingError(
            "labels are solved for where the last phase is a ridge readout of the main set: freedom=0 does without"
        )
    x, y0, _ = main.batch(slice(None))
    real = few(problem.train, min(_ROWS, _EACH * len(x)))
    fitted = fit(training, problem.task, sets, _SEEDS)
    eye = torch.eye(len(x), dtype=torch.float64, device=x.device)
    squares, gaps = torch.zeros_like(eye), torch.zeros_like(y0, dtype=torch.float64)
    networks = [_one(fitted, k) for k in range(len(_SEEDS))]
    readouts = [ridge(one.features(x)[0].double(), eye, penalty.regularisation).float() for one in networks]
    for rows, y, weights in real.batches(_AT_ONCE):
        wanted = y if taught is None else taught.labels(rows)
        for one, readout in zip(networks, readouts, strict=True):
            reads = with_bias(one.features(rows)[0]) @ readout
            weighed = reads if weights is None else reads * weights[:, None]
            squares += (weighed.mT @ reads).double()
            gaps += (weighed.mT @ (wanted - reads @ y0)).double()
    count = len(real) * len(_SEEDS)
    moved = torch.linalg.solve(squares / count + eye / (freedom * len(x)), gaps / count)
    return (y0 + moved.to(y0)).contiguous()


def _one(fitted: Fitted, k: int) -> Fitted:
    """One network of several."""
    part = slice(k, k + 1)
    bounds = None if fitted.bounds is None else {key: value[part] for key, value in fitted.bounds.items()}
    return replace(fitted, params={key: value[part] for key, value in fitted.params.items()}, bounds=bounds)
