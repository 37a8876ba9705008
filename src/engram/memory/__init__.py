"""The artefact: an engram in memory and on disk, its replay, and the run folder beside it."""

from .engram import Engram, load
from .replay import Replay
from .run_folder import RunFolder

__all__ = ["Engram", "Replay", "RunFolder", "load"]
