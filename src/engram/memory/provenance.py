"""What a result was made by: the code and the machine."""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import torch

from .. import __version__

__all__ = ["code_version", "hardware"]


@cache
def code_version() -> str:
    """The package's version and a digest of all code that measures or is measured."""
    root = Path(__file__).parent.parent
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in ("cli", "report"):
            digest.update(path.read_bytes())
    return f"{__version__} {digest.hexdigest()}"


def hardware() -> dict[str, Any]:
    """The machine a result was made on: processor, cores, GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() and torch.cuda.is_initialized() else None
    return {"machine": platform.machine(), "processor": _processor(), "cores": os.cpu_count(), "gpu": gpu}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
