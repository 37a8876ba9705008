"""Where a job runs."""

import torch

from ..errors import DeviceError

__all__ = ["device_of"]


def device_of(name: str) -> str:
    """The device to run on; refuses one that is not there.

    Args:
        name: auto (a GPU if there is one), cpu, cuda or cuda:N.

    Returns:
        cpu, cuda or cuda:N.

    Raises:
        DeviceError: no device, or one that this machine has not.

    Example:
        >>> device_of("cpu")
        'cpu'
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"{name!r} is not a device: use auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"{name} was asked for and this machine has {torch.cuda.device_count()} CUDA devices: use --device cpu"
        )
    if device.type not in ("cuda", "cpu"):
        raise DeviceError(f"{name!r} is not supported: use auto, cpu, cuda or cuda:N")
    return name
