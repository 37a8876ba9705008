"""Patch selection: the crops of real images of which a teacher is surest; nothing is optimised."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...data.problem import Problem
from ...errors import SettingError
from ...learning.fitting import Fitted
from ...learning.training import Training
from ...random import stream
from ...samples.canvas.plain import Plain
from ..buffers import teacher
from ..labels import Labels
from ..selection import Selection

__all__ = ["PatchSelection"]

_ROWS = 300
"""Real images of a class that are considered, or as many as are wanted."""


@dataclass(frozen=True)
class PatchSelection(Selection):
    r"""Score random crops by a teacher's cross-entropy, :math:`-\log p_c(\text{crop})`, and keep the least.

    Each real image offers its best crop; a stored image is one crop, or a mosaic of several, with the teacher's labels.

    Args:
        crops: of each real image.
        smallest: side of the smallest crop, as a share of the image's.
        mosaic: crops along a side of a stored image.

    Raises:
        SettingError: a value out of range, or inputs that are no images.

    Deviations from the paper:
        A mosaic is one sample with the teacher's label of the whole, rather than one label for each view of it.

    References:
        Sun et al. 2024 (RDED, arXiv 2312.03526).

    Example:
        >>> PatchSelection().labels
        'teacher'
    """

    labels: Labels = "teacher"
    crops: int = 5
    smallest: float = 0.7
    mosaic: int = 1

    def __post_init__(self) -> None:
        if min(self.crops, self.mosaic) < 1 or not 0 < self.smallest <= 1:
            raise SettingError(f"{self}: crops and mosaic are at least 1, smallest lies in (0, 1]")

    def select(self, problem: Problem, training: Training, counts: tuple[int, ...], seed: int) -> Plain:
        """See the class."""
        if problem.classes is None or len(problem.task.shape) != 3:
            raise SettingError(f"patches are cut from images of classes; {problem.name} has none")
        taught = teacher(problem, training.network, seed)
        inputs, targets = [], []
        for c, (rows, count) in enumerate(zip(problem.train.by_class, counts, strict=True)):
            most = max(_ROWS, count * self.mosaic**2)
            drawn = rows[torch.randperm(len(rows), generator=stream(seed, "rows", c))[:most].to(rows.device)]
            images = problem.train.batch(drawn)[0]
            wanted = min(count * self.mosaic**2, len(images))
            best = self._best(images, c, wanted, taught, stream(seed, "crops", c))
            best = best[torch.arange(count * self.mosaic**2, device=best.device) % len(best)]
            inputs.append(self._tiled(best))
            targets.append(torch.full((count,), c, device=rows.device))
        return Plain(torch.cat(inputs), torch.cat(targets), problem.classes)

    def _best(self, images: Tensor, c: int, wanted: int, taught: Fitted, generator: torch.Generator) -> Tensor:
        """The best crop of each image, and of these the best."""
        height, width = images.shape[2:]
        offers, losses = [], []
        for k in range(self.crops):
            share = 1.0 if k == 0 else float(torch.rand((), generator=generator)) * (1 - self.smallest) + self.smallest
            h, w = max(1, round(share * height)), max(1, round(share * width))
            top = int(torch.randint(height - h + 1, (), generator=generator))
            left = int(torch.randint(width - w + 1, (), generator=generator))
            crop = images[:, :, top : top + h, left : left + w]
            offers.append(interpolate(crop, size=(height, width), mode="bilinear", align_corners=False))
            losses.append(-taught.outputs(offers[-1])[0].log_softmax(-1)[:, c])
        least, which = torch.stack(losses).min(0)
        chosen = torch.stack(offers)[which, torch.arange(len(images), device=images.device)]
        return chosen[least.argsort()[:wanted]]

    def _tiled(self, samples: Tensor) -> Tensor:
        """Mosaics of crops."""
        if self.mosaic == 1:
            return samples
        side = self.mosaic
        channels, height, width = samples.shape[1:]
        rows = [h.diff().tolist() for h in (torch.linspace(0, n, side + 1).round().long() for n in (height, width))]
        mosaics = []
        for group in samples.reshape(-1, side * side, channels, height, width):
            small = iter(group)
            mosaics.append(
                torch.cat(
                    [
                        torch.cat([interpolate(next(small)[None], size=(h, w), mode="area")[0] for w in rows[1]], 2)
                        for h in rows[0]
                    ],
                    1,
                )
            )
        return torch.stack(mosaics)
