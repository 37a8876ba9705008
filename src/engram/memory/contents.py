"""What of the data stands in an engram's file as it was."""

from ..data.topics import Topics
from .engram import Engram
from .readable import Readable

__all__ = ["raw_content"]


def raw_content(engram: Engram) -> str:
    """Classes, categories, words, and rows where the method chooses rows.

    Args:
        engram: what is looked into.

    Returns:
        A list in words; none where there is nothing.

    Example:
        >>> from engram import distill, load_problem
        >>> raw_content(distill(load_problem("wine"), "random"))
        'rows of the data, 3 class names'
    """
    parts = []
    if engram.provenance.get("real_rows"):
        parts.append("rows of the data")
    if hasattr(engram.target, "labels"):
        parts.append(f"{engram.target.outputs} class names")
    encoder = getattr(engram.preprocessing, "encoder", None)
    parts += [f"{len(encoder.words):,} words of at least five texts"] if isinstance(encoder, Topics) else []
    view = Readable.of(engram)
    if view is not None:
        parts.append(
            f"{len(view.texts)} texts made of {'texts of the data' if view.real else 'words of at least five texts'}"
        )
    columns = getattr(engram.preprocessing, "columns", ())
    parts += [f"{len(c.values)} categories of {c.name}" for c in columns if hasattr(c, "values")]
    named = [c.name for c in columns]
    parts += [f"names of {len(named)} columns"] if named else []
    return ", ".join(parts) or "none"
