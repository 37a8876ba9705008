"""Many independent tasks carried out: by processes of this machine, or by those of a Ray cluster."""

from .choice import engine_of
from .engine import Demand, Ended, Engine
from .local import Local

__all__ = ["Demand", "Ended", "Engine", "Local", "engine_of"]
