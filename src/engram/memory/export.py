"""Synthetic samples in formats that other tools read, in the units of the data."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from ..data.preprocessing.columns import Columns
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.targets import Classes
from ..errors import SettingError
from ..samples.synthetic import Synthetic
from .dataset_card import card
from .engram import Engram
from .files import replace_file
from .lesson import probabilities
from .readable import Readable

__all__ = ["example", "export", "grid", "images", "pictures", "said", "table"]

_EXAMPLE = """data = np.load("{name}.npz")
x = torch.tensor((data["x"] - data["mean"]) / data["std"]).float(){filled}.flatten(1)
y = {labels}
model = nn.Sequential(nn.Linear(x.shape[1], 256), nn.ReLU(), nn.Linear(256, y.shape[1]))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for _ in range(300):
    loss = nn.functional.{loss}(model(x), y)
    optimizer.zero_grad(), loss.backward(), optimizer.step()"""
_STANDARDISED = 'torch.tensor((data["y"] - data["y"].mean(0)) / data["y"].std(0)).float().reshape(len(x), -1)'
_TABLE = """frame = pd.read_parquet("{name}.parquet")
x, y = frame[{columns}], frame[{target}]"""


def example(engram: Engram, name: str) -> str:
    """A few lines that read what `export` wrote, and train on it without this library.

    Args:
        engram: whose export.
        name: of the file, without its ending.

    Returns:
        Python; the imports (numpy, torch; pandas for tables of columns) are left out.
    """
    classes = isinstance(engram.target, Classes)
    ragged = isinstance(engram.preprocessing, Series) and engram.preprocessing.ragged
    if isinstance(engram.preprocessing, Columns):
        targets = _targets(engram)
        target = repr(targets[0] if len(targets) == 1 else list(targets))
        return _TABLE.format(name=name, columns=list(engram.preprocessing.prepared), target=target)
    return _EXAMPLE.format(
        name=name,
        filled=".nan_to_num()" if ragged else "",
        labels='torch.tensor(data["y_prob"])' if classes else _STANDARDISED,
        loss="cross_entropy" if classes else "mse_loss",
    )


def export(engram: Engram, kind: str, path: Path) -> None:
    """Write the samples of every set, with labels that any trainer takes.

    Inputs stand in the data's own units. ``y`` has the type that labels had; ``y_prob`` (N, C) are probabilities for
    cross-entropy and ``y_score`` (N, C) what the replay's squared error reads, which are none (tables: one column a class). An npz archive holds
    the ``mean`` and ``std`` by which networks standardise, too.

    Args:
        engram: whose samples.
        kind: parquet (images as encoded PNG, as Hugging Face `datasets` reads them), npz, csv, png, texts (JSON lines of the readable
            view); hf for a folder with
            parquet and a dataset card, which the Hub shows.
        path: the file, replaced atomically; for hf the folder.

    Raises:
        SettingError: png asked of samples that are not images, texts of those that have none.
        OutputError: the file cannot be written.
    """
    content = io.BytesIO()
    if kind == "hf":
        (path / "data").mkdir(parents=True, exist_ok=True)
        export(engram, "parquet", path / "data" / "train-00000-of-00001.parquet")
        replace_file(path / "README.md", card(engram).encode())
        return
    if kind == "npz":
        arrays: dict[str, np.ndarray] = {}
        for name, samples in engram.sets.items():
            # One set needs no name.
            ending = f"_{name}" if len(engram.sets) > 1 else ""
            raw = engram.preprocessing.decode(samples.inputs)
            parts = {"x": raw} if isinstance(raw, np.ndarray) else {f"x_{key}": _plain(raw[key]) for key in raw}
            labels = engram.target.decode(samples.targets)
            parts |= {"y": labels.astype(str) if labels.dtype == object else labels}
            arrays |= {key + ending: value for key, value in (parts | _soft(engram, samples.targets)).items()}
        if not isinstance(engram.preprocessing, Columns):
            # Channels of a series stand before its points, those of an image behind its pixels.
            shape = (-1, 1) if isinstance(engram.preprocessing, Series) and engram.preprocessing.channels > 1 else (-1,)
            arrays |= {key: getattr(engram.preprocessing, key).numpy().reshape(shape) for key in ("mean", "std")}
        if engram.linear is not None:
            arrays["linear"] = engram.linear.numpy()
        np.savez(content, **arrays)  # type: ignore[arg-type]
    elif kind == "png":
        grid(engram).save(content, "PNG")
    elif kind == "texts":
        said(engram).to_json(content, orient="records", lines=True, force_ascii=False)
    elif kind == "csv":
        table(engram).to_csv(content, index=False)
    else:
        frame = table(engram)
        if isinstance(engram.preprocessing, Pixels):
            pixels = [name for name in frame if str(name).startswith("pixel_")]
            encoded = [{"bytes": _png(picture), "path": None} for picture in pictures(engram)]
            frame = pd.concat([pd.DataFrame({"image": encoded}), frame.drop(columns=pixels)], axis=1)
        frame.to_parquet(content)
    replace_file(Path(path), content.getvalue())


def table(engram: Engram) -> pd.DataFrame:
    """One row per sample: inputs in raw units, label, probabilities and scores of classes, and the set where there are several.

    Args:
        engram: whose samples.

    Returns:
        The table.
    """
    frames = [_table(engram, samples) for samples in engram.sets.values()]
    if len(frames) == 1:
        return frames[0]
    named = (frame.assign(set=name) for name, frame in zip(engram.sets, frames, strict=True))
    return pd.concat(named, ignore_index=True)


def said(engram: Engram) -> pd.DataFrame:
    """The readable view as a table: a text for each sample, its label, probabilities and scores of classes.

    Args:
        engram: of texts.

    Returns:
        The table.

    Raises:
        SettingError: the file holds no readable view.
    """
    view = Readable.of(engram)
    if view is None:
        raise SettingError(
            "this engram holds no texts: distil texts with --readable words or real, or export it as parquet"
        )
    columns: tuple[str, ...] = getattr(engram.preprocessing, "text_columns", ())
    column = columns[0] if len(columns) == 1 else "text"
    return pd.concat([pd.DataFrame({column: view.texts}), _labels(engram, torch.tensor(view.labels), {column})], axis=1)


def _table(engram: Engram, samples: Synthetic) -> pd.DataFrame:
    raw = engram.preprocessing.decode(samples.inputs)
    if isinstance(engram.preprocessing, Columns):
        frame = pd.DataFrame(raw)
    else:
        flat = raw.reshape(len(raw), -1)
        names = engram.provenance.get("input_names") or ()
        if len(names) != flat.shape[1]:
            word = "pixel" if isinstance(engram.preprocessing, Pixels) else "x"
            names = [f"{word}_{k}" for k in range(flat.shape[1])]
        frame = pd.DataFrame(flat, columns=list(names))
    return pd.concat([frame, _labels(engram, samples.targets, set(map(str, frame.columns)))], axis=1)


def _labels(engram: Engram, targets: Tensor, taken: set[str]) -> pd.DataFrame:
    """Labels in every form, under names that are not taken."""
    labels = engram.target.decode(targets)
    several = labels.T if labels.ndim > 1 else [labels]
    extra: dict[str, object] = dict(zip(_targets(engram), several, strict=True))
    if isinstance(engram.target, Classes):
        for word, values in zip(("probability", "score"), _soft(engram, targets).values(), strict=True):
            extra |= {f"{word} {cls}": values[:, k] for k, cls in enumerate(engram.target.names)}
    return pd.DataFrame({f"synthetic {key}" if key in taken else key: value for key, value in extra.items()})


def pictures(engram: Engram) -> list[Image.Image]:
    """Each sample as an image.

    Args:
        engram: of images.

    Returns:
        Grey or colour images in the range of the data.

    Raises:
        SettingError: the samples are not images.
    """
    pixels = engram.preprocessing
    if not isinstance(pixels, Pixels):
        raise SettingError("these samples are not images: export them as parquet, npz or csv")
    return images(pixels.decode(engram.samples.inputs), pixels.top)


def images(raw: np.ndarray, top: float) -> list[Image.Image]:
    """Raw pixels (N, H, W) or (N, H, W, C) as images, `top` white."""
    scaled = np.clip(raw.astype(np.float64) * 255 / (top or 1), 0, 255).round().astype(np.uint8)
    return [Image.fromarray(np.ascontiguousarray(one[..., :3] if one.ndim == 3 else one)) for one in scaled]


def grid(engram: Engram, side: int = 64, gap: int = 4) -> Image.Image:
    """All samples in rows of ten, enlarged without smoothing.

    Args:
        engram: of images.
        side: least pixels per sample.
        gap: pixels between samples.

    Returns:
        The picture.
    """
    tiles = pictures(engram)
    scale = max(1, side // max(tiles[0].size))
    width, height = tiles[0].size[0] * scale, tiles[0].size[1] * scale
    columns = min(10, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), (128, 128, 128))
    for place, tile in enumerate(tiles):
        row, column = divmod(place, columns)
        enlarged = tile.convert("RGB").resize((width, height), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (gap + column * (width + gap), gap + row * (height + gap)))
    return sheet


def _targets(engram: Engram) -> tuple[str, ...]:
    """The columns of targets, as they were called where they stood."""
    if isinstance(engram.target, Classes):
        return (engram.target.column or "label",)
    if engram.target.outputs == 1:
        return (engram.target.name,)
    return engram.target.names or tuple(f"{engram.target.name} {k + 1}" for k in range(engram.target.outputs))


def _soft(engram: Engram, targets: Tensor) -> dict[str, np.ndarray]:
    """Labels of classes for cross-entropy and for squared error; a hard label reads 0 and 1 in both."""
    if not isinstance(engram.target, Classes):
        return {}
    chances = probabilities(targets.detach().cpu(), engram.temperature)
    return {"y_prob": chances.numpy(), "y_score": (targets.detach().cpu() + 1 / engram.target.outputs).numpy()}


def _plain(column: pd.Series) -> np.ndarray:
    values = column.to_numpy()
    return values.astype(str) if values.dtype == object else values


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()
