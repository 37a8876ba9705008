"""A local folder of sentence-transformers: texts to vectors, by the library of that name."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import SettingError
from ..encoder import Opened

__all__ = ["SentenceTransformers"]

_KNOWN = "sentence_transformers."
"""Modules of other names would be code that comes with the folder."""


_AT_ONCE = 64
_UNKNOWN = 4
"""More pieces for which an unknown word stands."""


class SentenceTransformers:
    """Opens a folder with ``modules.json``; weights are read from safetensors alone, and no code that lies beside them is run.

    References:
        Reimers and Gurevych 2019, Sentence-BERT, arXiv 1908.10084.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        """Whether the folder lists the parts of such a model."""
        return (path / "modules.json").is_file()

    @classmethod
    def open(cls, path: Path) -> Opened:
        """Open the model on the CPU.

        Args:
            path: of the folder.

        Returns:
            The encoder, named after the folder.

        Raises:
            SettingError: the library is missing, or the folder is damaged.
        """
        try:
            parts = json.loads((path / "modules.json").read_text(encoding="utf-8"))
            foreign = [part["type"] for part in parts if not part["type"].startswith(_KNOWN)]
            files = [file.name for file in path.rglob("*") if file.suffix in (".bin", ".pkl", ".pt", ".py")]
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise SettingError(f"{path / 'modules.json'} does not list the parts of a model ({error})") from error
        if foreign:
            raise SettingError(
                f"{path} wants to run {foreign[0]}, which is no part of sentence-transformers: not opened"
            )
        if not (path / "model.safetensors").is_file():
            other = f" (it has {files[0]}, which could execute)" if files else ""
            raise SettingError(f"{path} has no model.safetensors{other}: save the model again as safetensors")
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError as error:
            raise SettingError(
                "sentences are encoded by sentence-transformers: pip install 'engram-distillation[text]'"
            ) from error
        try:
            model = SentenceTransformer(
                str(path.resolve()),
                device="cpu",
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise SettingError(f"{path} is not a whole model of sentence-transformers ({reason})") from error

        def call(texts: list[str]) -> Any:
            return np.asarray(model.encode(texts, batch_size=_AT_ONCE, show_progress_bar=False))

        def pieces(texts: list[str]) -> int:
            """Pieces, of which an unknown word counts as one for each of its letters."""
            tokenizer = model.tokenizer
            found = [piece for text in texts for piece in tokenizer.tokenize(text)]
            return len(found) + _UNKNOWN * sum(piece == tokenizer.unk_token for piece in found)

        return Opened(call, path.resolve().name, "texts", pieces)
