"""A task whose inputs are real and whose link is known: real rows, whitened, with a multi-index label planted in them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from ..data.problem import Problem
from ..errors import SettingError
from ..numerics.subspaces import principal_directions
from ..random import stream
from ..theory.links.hermite import Hermite

__all__ = ["Inputs", "Planted", "PlantedTask"]

Inputs = Literal["digits", "breast-cancer", "photographs"]
_PATCH = 8
_PATCHES = 30_000


class PlantedTask(Protocol):
    """What a bench asks of a task: rows by seed, and the subspace that matters in them."""

    @property
    def d(self) -> int:
        """Dimension of an input."""
        ...

    @property
    def r(self) -> int:
        """Relevant directions."""
        ...

    def load(self, seed: int) -> Problem:
        """Its rows."""
        ...

    def subspace(self, seed: int) -> Tensor:
        """An orthonormal basis (d, r) of the principal subspace."""
        ...

    def directions(self, seed: int) -> Tensor:
        """Each relevant direction (d, r)."""
        ...


@dataclass(frozen=True)
class Planted:
    r"""A multi-index label of real inputs: :math:`y = g(B^\top x)`, x the leading principal components at unit variance.

    B spans r random directions among the 2r strongest components, so that the label depends on what the inputs do
    most. Inputs come with scikit-learn: 1,797 images of digits, 569 rows of a medical table, patches of 8 x 8 grey
    pixels from two photographs (their right quarter is held out).

    Args:
        inputs: which.
        d: principal components kept.
        r: relevant directions, at most d/2.
        link: g, of (N, r) to (N,).
        normal: whether each component is moved to normal scores, by its ranks among the training rows: what depends on
            the shape of single components is gone, what depends on their dependence is left.

    Raises:
        SettingError: more directions or components than there are.
    """

    inputs: Inputs = "digits"
    d: int = 16
    r: int = 2
    link: Callable[[Tensor], Tensor] = Hermite()
    normal: bool = False

    def __post_init__(self) -> None:
        if not 1 <= 2 * self.r <= self.d:
            raise SettingError(f"r={self.r} directions among 2r of d={self.d} components: take 1 <= r <= d/2")

    @property
    def function(self) -> Callable[[Tensor], Tensor]:
        """The link."""
        return self.link

    def directions(self, seed: int) -> Tensor:
        """B: (d, r), orthonormal."""
        drawn = torch.randn(2 * self.r, self.r, generator=stream(seed, "planted directions"), dtype=torch.float64)
        basis = torch.zeros(self.d, self.r)
        basis[: 2 * self.r] = torch.linalg.qr(drawn)[0].float()
        return basis

    def subspace(self, seed: int) -> Tensor:
        """The principal subspace (d, r)."""
        return self.directions(seed)

    def load(self, seed: int) -> Problem:
        """Split, whiten by the training rows, label; take off the linear part."""
        train, test = _rows(self.inputs, seed)
        if train.shape[1] < self.d:
            raise SettingError(f"{self.inputs} has {train.shape[1]} columns and d={self.d}: take fewer")
        centre = train.mean(0)
        covariance = (train - centre).T @ (train - centre) / len(train)
        axes = principal_directions(covariance, self.d)
        scale = ((train - centre) @ axes).std(0)
        x, held = (((part - centre) @ axes / scale) for part in (train, test))
        if self.normal:
            x, held = _normal_scores(x, x), _normal_scores(x, held)
        y, answers = ((self.link(part @ self.directions(seed).double())) for part in (x, held))
        problem = Problem.from_arrays(
            x.float().numpy(),
            y.numpy(),
            test=(held.float().numpy(), answers.numpy()),
            name=f"planted in {self.inputs}",
            seed=seed,
            task="regression",
            kind="rows",
        )
        return replace(problem, rank=self.r).residual()


def _normal_scores(train: Tensor, rows: Tensor) -> Tensor:
    """Each column by its place among training rows, as a quantile of the normal distribution."""
    known = train.sort(0).values.T.contiguous()
    place = torch.searchsorted(known, rows.T.contiguous()) + torch.searchsorted(known, rows.T.contiguous(), right=True)
    share = (place.double() / 2).clamp(0.5, len(train) - 0.5) / len(train)
    return torch.special.ndtri(share).T


def _rows(inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows held out, in double precision."""
    if inputs == "photographs":
        left, right = _patches()
        order = torch.randperm(len(left), generator=stream(seed, "patches"))[:_PATCHES]
        held = torch.randperm(len(right), generator=stream(seed, "held patches"))[: _PATCHES // 4]
        return left[order], right[held]
    from sklearn import datasets

    loaders = {"digits": datasets.load_digits, "breast-cancer": datasets.load_breast_cancer}
    x = torch.from_numpy(np.asarray(loaders[inputs]().data, dtype=np.float64))
    if inputs == "breast-cancer":
        # Columns of all units; pixels have one.
        x = (x - x.mean(0)) / x.std(0)
    order = torch.randperm(len(x), generator=stream(seed, "rows held out"))
    cut = len(x) * 4 // 5
    return x[order[:cut]], x[order[cut:]]


@lru_cache(maxsize=1)
def _patches() -> tuple[Tensor, Tensor]:
    """Overlapping patches of two photographs, without their mean: the left three quarters, and the right one."""
    from sklearn.datasets import load_sample_images

    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for image in load_sample_images().images:
        grey = torch.from_numpy(np.asarray(image, dtype=np.float64)).mean(-1) / 255
        cut = grey.shape[1] * 3 // 4
        for part, half in zip(parts, (grey[:, :cut], grey[:, cut:]), strict=True):
            cells = half.unfold(0, _PATCH, 2).unfold(1, _PATCH, 2).reshape(-1, _PATCH * _PATCH)
            part.append(cells - cells.mean(1, keepdim=True))
    return torch.cat(parts[0]), torch.cat(parts[1])
