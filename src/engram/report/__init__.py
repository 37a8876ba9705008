"""Pages and figures from results; nothing is run."""

from .page import page

__all__ = ["page"]
