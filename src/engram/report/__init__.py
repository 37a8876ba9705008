"""One self-contained page about an engram. It reads the artefact and what lies beside it, and runs nothing."""

from .page import page

__all__ = ["page"]
