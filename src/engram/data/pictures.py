"""Pictures in files or in bytes, decoded to one array."""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from ..errors import DataError
from .room import require_ram

__all__ = ["require_named", "stack"]

_FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "GIF", "TIFF")
"""Others are refused by content, whatever the name says: reading PostScript, for one, would run an interpreter."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Eight bits a channel; others would be clipped."""


def stack(pictures: Iterable[tuple[str, Path | BinaryIO]], count: int, size: int | None = None) -> np.ndarray:
    """Decode pictures of one size and colour mode, or bring them to one.

    Args:
        pictures: what to call each in a message, and its file or open bytes.
        count: how many there are, at least one.
        size: of a side to which the middle square of each is scaled; as they are when None. Grey ones beside colour
            are then colour too.

    Returns:
        Bytes (N, H, W) if grey, (N, H, W, 3) if colour.

    Raises:
        DataError: a broken picture, an unknown format, more than 8 bits a channel, different sizes.

    Example:
        >>> from io import BytesIO
        >>> file = BytesIO()
        >>> Image.new("L", (3, 2), 7).save(file, "PNG")
        >>> stack([("seven", file)], 1).tolist()
        [[[7, 7, 7], [7, 7, 7]]]
    """
    images = first = None
    coloured = False
    for place, (name, file) in enumerate(pictures):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd tags beside pixels that can be read
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(file, formats=_FORMATS) as image:
                    if image.mode not in _MODES:
                        raise ValueError(f"mode {image.mode}: convert it to 8 bits a channel")
                    grey = image.mode in ("1", "L", "LA") and size is None
                    coloured |= image.mode not in ("1", "L", "LA")
                    plain = image.convert("L" if grey else "RGB")
                    pixels = np.asarray(plain if size is None else ImageOps.fit(plain, (size, size)))
        except (
            OSError,
            ValueError,
            SyntaxError,
            Image.DecompressionBombError,
            Image.DecompressionBombWarning,
        ) as error:
            raise DataError(f"{name} is not a readable image ({error}): mend or remove it") from error
        if images is None:
            first = name
            require_ram(count * pixels.size, f"{count} images like {name}")
            images = np.empty((count, *pixels.shape), dtype=np.uint8)
        if pixels.shape != images.shape[1:]:
            side, why = 64, ""
            if pixels.shape[:2] == images.shape[1:3]:
                side, why = max(pixels.shape[:2]), "one in colour, one grey; "
            raise DataError(
                f"{name} is {pixels.shape} (height, width, channels) and {first} is {images.shape[1:]}: "
                f"{why}pass --size {side} to scale all to one, or convert them yourself"
            )
        images[place] = pixels
    assert images is not None
    return images if size is None or coloured else images[..., 0]


def require_named(labels: Sequence[int], names: tuple[str, ...], what: str) -> None:
    """Refuse class numbers without a name, and names that stand twice.

    Args:
        labels: class numbers.
        names: of classes 0, 1, ...
        what: whose labels they are, for the message.

    Raises:
        DataError: a number outside the names; -1 is how unlabelled rows are marked.

    Example:
        >>> require_named([0, 1], ("cat", "dog"), "pets")
    """
    if len(set(names)) < len(names):
        raise DataError(f"{what}: class {max(names, key=names.count)!r} is named twice: rename one")
    for row, label in enumerate(labels):
        if type(label) is not int or not 0 <= label < len(names):
            hint = "remove the rows without a label" if label == -1 else "mend the label or the names"
            raise DataError(f"{what}: row {row} has class number {label!r} and there are {len(names)} names: {hint}")
