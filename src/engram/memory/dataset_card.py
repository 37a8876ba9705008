"""The card of a dataset on the Hugging Face Hub: metadata, recipe, scores."""

import json

from ..data.preprocessing.encoded import Encoded
from ..data.preprocessing.pixels import Pixels
from ..data.targets import Classes
from .engram import Engram

__all__ = ["card"]


def card(engram: Engram) -> str:
    """A dataset card for the Hugging Face Hub: metadata, recipe, scores.

    Args:
        engram: whose samples.

    Returns:
        Markdown with a YAML head; the licence is left for its owner to say.
    """
    known = engram.provenance
    task = "classification" if isinstance(engram.target, Classes) else "regression"
    text = isinstance(engram.preprocessing, Encoded) and engram.preprocessing.encoder.takes == "texts"
    kind = "image" if isinstance(engram.preprocessing, Pixels) else "text" if text else "tabular"
    # A source's name is its user's own: JSON's quotes keep it one value.
    name, method = json.dumps(str(known.get("problem", "data"))), str(known.get("method", "")).replace("`", "'")
    scores = [
        f"| {row.replace('_', ' ')} | {value['mean']:.4f}"
        + (f" ± {value['sem']:.4f}" if value.get("sem") is not None else "")
        + f" | {value.get('n', '')} |"
        for row, value in known.get("scores", {}).items()
    ]
    lines = [
        "---",
        "license: other",
        "license_name: to-be-named-by-the-owner-of-the-data",
        f"pretty_name: {name}",
        "tags:",
        "- dataset-distillation",
        "- synthetic",
        "task_categories:",
        f"- {kind}-{task}",
        "size_categories:",
        f"- {'n<1K' if engram.items < 1000 else '1K<n<10K'}",
        "configs:",
        "- config_name: default",
        "  data_files:",
        "  - split: train",
        "    path: data/train-*.parquet",
        "---",
        "",
        f"# {engram.items} synthetic samples",
        "",
        f"They stand for {known.get('rows', {}).get('train', 'the')} training rows. Distilled with engram by `{method}`, seed {known.get('seed')}.",
        "",
        *(f"- {note}".replace("<", "&lt;") for note in known.get("notes", [])),
        "",
        f"| trained on | test {engram.metric.value} | networks |",
        "|---|---|---|",
        *scores,
        "",
        "Columns: inputs in the data's own units; the target; for classes the probability and the score of each.",
    ]
    return "\n".join(lines) + "\n"
