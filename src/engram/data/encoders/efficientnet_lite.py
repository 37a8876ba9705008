"""Weights of an EfficientNet-Lite trained on ImageNet: images to vectors, by the package efficientnet-lite-pytorch."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import SettingError
from ..encoder import Opened

__all__ = ["EfficientNetLite"]

_MEAN, _STD = 0.5, 0.5
"""Of pixels in [0, 1], as these networks were trained."""

_LEAST = 96
"""Side to which smaller images are scaled: five halvings leave three places."""


class EfficientNetLite:
    """Opens a ``.pth`` of the form ``efficientnet-lite0-57934424.pth``, read with ``weights_only=True``.

    References:
        Tan and Le 2019, EfficientNet, arXiv 1905.11946; the Lite variants by Liu 2020.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the file is called so."""
        return path.is_file() and path.suffix in (".pth", ".pt")

    @classmethod
    def open(cls, path: Path) -> Opened:
        """Build the network that the weights fit.

        Args:
            path: of the file.

        Returns:
            The encoder: pooled features, 1,280 numbers an image.

        Raises:
            SettingError: the package is missing, or these are not such weights.
        """
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)
            sizes = {key: tuple(value.shape) for key, value in weights.items()}
        except Exception as error:
            reason = str(error).strip().partition("\n")[0][:120]
            raise SettingError(f"{path} holds no plain weights ({reason}): save a state dict") from error
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise SettingError("these weights need their network: pip install efficientnet-lite-pytorch") from error
        for variant in range(5):
            network = EfficientNet.from_name(f"efficientnet-lite{variant}")
            if {key: tuple(value.shape) for key, value in network.state_dict().items()} == sizes:
                network.load_state_dict(weights)
                return Opened(_Features(network.eval()), f"efficientnet-lite{variant}", "images")
        raise SettingError(f"{path}: its {len(sizes)} tensors are not those of an EfficientNet-Lite")


class _Features(nn.Module):
    """Pooled features of images of any size, grey or colour."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Images (n, 1 or 3, h, w) in [0, 1] to (n, features)."""
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        side = max(images.shape[2:])
        if side < _LEAST:
            images = nn.functional.interpolate(images, scale_factor=_LEAST / side, mode="bilinear", align_corners=False)
        pooled: Tensor = self.network.extract_features((images - _MEAN) / _STD).mean((2, 3))
        return pooled
