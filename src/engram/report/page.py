"""Fill the page: samples, scores, curves, sizes, recipe, warnings. Every string is escaped by the template."""

import base64
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from ..data.preprocessing.encoded import Encoded
from ..data.preprocessing.pixels import Pixels
from ..data.preprocessing.series import Series
from ..data.targets import Classes
from ..data.topics import Topics
from ..evaluation.directions import Directions
from ..evaluation.fidelity import Fidelity
from ..evaluation.panel import coresets_win
from ..evaluation.scores import TEACHERS
from ..memory.engram import Engram
from ..memory.export import example, images, table
from ..memory.lesson import probabilities
from ..memory.readable import Readable
from ..memory.run_folder import RunFolder
from ..samples.canvas.seeded import Seeded
from ..spec import render
from . import figures
from . import series as drawn_series

__all__ = ["page"]

_LABELS = {
    "full": "all data",
    "engram": "engram",
    "readable": "its readable view",
    "random": "random rows",
    "random_soft": "random rows, teacher's soft labels",
    "k_means": "k-means centres",
    "herding": "herding",
    "k_center": "k-center",
}
_MOST_SAMPLES = 100
_MOST_WINDOWS = 9
_MOST_CLASSES = 40


def page(engram: Engram, path: Path) -> str:
    """Write the report.

    Args:
        engram: what is shown.
        path: its file; ``NAME.run`` beside it holds curves and a few real rows, and may be missing.

    Returns:
        One HTML document that needs no network.
    """
    folder = RunFolder.of(path)
    results, record = folder.read(engram)
    curves, real = _whole(record.get("curves"), Fidelity), folder.read_real(engram)
    known = dict(engram.provenance)
    warnings = list(known.get("notes", []))
    if known.get("status") != "done":
        warnings.append(f"the distillation did not end well: {known.get('status')}")
    if not results:
        judged = "scores" in known or not record
        why = f"{folder.folder.name} with raw results is not beside the file" if judged else "the engram was not judged"
        warnings.append(f"{why}: error bars and curves are missing")
    drawn = [row for row in _rows(results) if abs(row["mean"]) < 1e6]  # others, and NaN, are told in the table alone
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engram", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("template.html").render(
        name=path.name,
        engram=engram,
        known=known,
        seconds=record.get("seconds"),
        metric=engram.metric.value,
        results=_rows(results or known.get("scores", {})),
        lead=_lead(results or known.get("scores", {}), engram),
        scores_figure=Markup(figures.scores(drawn, engram.metric.value)) if drawn else None,
        history_figure=Markup(figures.history(known.get("history", []), engram.metric.value))
        if len(known.get("history", [])) > 1
        else None,
        example=example(engram, path.stem),
        recalls=_recalls(results, engram),
        verdict=_verdict(known.get("verdict")),
        chosen=known.get("chosen") if isinstance(known.get("chosen"), dict) else None,
        panel=_panel(record.get("panel") or known.get("panel")),
        directions=_whole(record.get("directions"), Directions),
        hidden_sets={
            name: (len(samples), isinstance(engram.canvases[name], Seeded))
            for name, samples in list(engram.sets.items())[1:]
        },
        curves_figure=Markup(figures.replay(curves, engram.metric.value)) if curves else None,
        fidelity_figure=Markup(figures.fidelity(curves, bool(isinstance(engram.target, Classes)))) if curves else None,
        series=_series(engram, folder.read_bands(engram), real),
        pictures=_pictures(engram, real),
        heat=_heat(engram, real),
        texts=_texts(engram, folder.read_texts(engram)),
        soft=_soft(engram),
        warnings=warnings,
        network=render(engram.training.network),
        phases=[str(phase) for phase in engram.training.phases],
        disk=path.stat().st_size if path.exists() else None,
        ratio=known.get("data_bytes", 0) / max(engram.bytes, 1),
    )


def _whole(plain: Any, kind: type) -> Any:
    """What was kept of a value, if no field of it is missing."""
    names = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    lists = {len(value) for value in (plain or {}).values() if isinstance(value, list) and value}
    one = kind is not Fidelity or len(lists) == 1
    return plain if isinstance(plain, dict) and names <= set(plain) and one else None


def _rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows in three groups: the ceiling and the engram, equal items, equal bytes."""
    rows = []
    for name, row in results.items():
        plain = name.removesuffix("_bytes")
        group = 0 if plain in ("full", "engram", "readable") else 2 if name.endswith("_bytes") else 1
        rows.append(row | {"name": name, "label": _LABELS.get(plain, plain.replace("_", " ")), "group": group})
    return sorted(rows, key=lambda row: (row["group"], -1 if row["name"] == "full" else 0))


def _lead(results: dict[str, Any], engram: Engram) -> str:
    """What was done and how good it is, in a sentence."""
    try:
        own, full = results["engram"]["mean"], results["full"]["mean"]
        said = (
            f"A fresh network that saw nothing but these samples reaches a test {engram.metric.value} of {own:.3f}; the best that "
            f"was trained on everything reaches {full:.3f}"
        )
        other = results.get("random_bytes")
        return said + (f", and one trained on random rows of as many bytes {other['mean']:.3f}." if other else ".")
    except (KeyError, TypeError, ValueError):
        return ""


def _recalls(results: Mapping[str, Any], engram: Engram) -> list[dict[str, Any]]:
    """Recall of each class, of all data and of the engram, where classes are few enough to be read one by one."""
    try:
        found = [[None if v is None else float(v) for v in results[name]["recall"]] for name in ("full", "engram")]
        names = engram.target.names
        if not len(names) == len(found[0]) == len(found[1]) <= _MOST_CLASSES:
            return []
        return [{"name": name, "full": a, "engram": b} for name, a, b in zip(names, *found, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []


def _verdict(plain: Any) -> dict[str, Any] | None:
    """The verdict, if it is whole."""
    return plain if isinstance(plain, dict) and {"failed", "sentence", "advice"} <= set(plain) else None


def _panel(plain: Any) -> dict[str, Any] | None:
    """What foreign learners say, if no part of it is missing."""
    try:
        for row in plain["learners"].values():
            for part in (*(row[teacher] for teacher in TEACHERS), row["gain"]):
                part["mean"], part["sem"]
        losers = coresets_win({name: row["gain"] for name, row in plain["learners"].items()})
        return {"portability": float(plain["portability"]), "learners": plain["learners"], "losers": losers}
    except (TypeError, KeyError, AttributeError, ValueError):
        return None


def _pictures(engram: Engram, real: dict[str, Any] | None) -> dict[str, Any] | None:
    pixels = engram.preprocessing
    if not isinstance(pixels, Pixels):
        return None
    labels = engram.target.decode(engram.samples.targets)
    shown = images(pixels.decode(engram.samples.inputs[:_MOST_SAMPLES]), pixels.top)
    result: dict[str, Any] = {
        "synthetic": [(_data(p), label) for p, label in zip(shown, labels, strict=False)],
        "real": [],
    }
    if real is not None and isinstance(engram.target, Classes):
        names = engram.target.decode(real["targets"])
        drawn = images(pixels.decode(real["inputs"]), pixels.top)
        result["real"] = [(_data(p), label) for p, label in zip(drawn, names, strict=True)]
    return result


def _series(engram: Engram, bands: Any, real: dict[str, Any] | None) -> dict[str, Any] | None:
    """Synthetic series over bands of real ones; of forecasts also each sample with its label, and real windows where they may be shown."""
    if not isinstance(engram.preprocessing, Series):
        return None
    drawn = Markup(drawn_series.samples(engram, bands))
    result: dict[str, Any] = {"samples": drawn, "bands": bands is not None, "labels": None, "forecasts": None}
    if isinstance(engram.target, Classes):
        return result
    some = slice(0, _MOST_WINDOWS)
    inputs, targets = engram.samples.inputs[some], engram.samples.targets[some]
    names = [f"sample {k + 1}" for k in range(len(inputs))]
    result["labels"] = Markup(drawn_series.forecasts(engram, inputs, targets, None, names))
    if real is not None:
        shown = slice(None, None, max(1, len(real["inputs"]) // _MOST_WINDOWS))
        inputs, targets = real["inputs"][shown][:_MOST_WINDOWS], real["targets"][shown][:_MOST_WINDOWS]
        predicted = engram.replay().predict(engram.preprocessing.decode(inputs))
        names = [f"held-out window {k + 1}" for k in range(len(inputs))]
        result["forecasts"] = Markup(drawn_series.forecasts(engram, inputs, targets, predicted, names))
    return result


def _heat(engram: Engram, real: dict[str, Any] | None) -> dict[str, Any] | None:
    """Rows as a heat map: colour is the distance from the column's mean in standard deviations."""
    if isinstance(engram.preprocessing, Pixels | Series | Encoded):
        return None
    names = list(getattr(engram.preprocessing, "names", ())) or list(engram.provenance.get("input_names") or [])
    width = engram.samples.inputs.shape[1]
    names = names or [f"x_{k}" for k in range(width)]
    show = slice(0, 60)
    frame = table(engram).head(_MOST_SAMPLES)
    values = engram.samples.inputs[:_MOST_SAMPLES].flatten(1).numpy()
    labels = [_short(v) for v in engram.target.decode(engram.samples.targets)[:_MOST_SAMPLES]]
    raw = (
        frame.iloc[:, :width].to_numpy()
        if frame.shape[1] >= width and not hasattr(engram.preprocessing, "names")
        else values
    )
    several = len(engram.sets) > 1
    blocks = [(f"the set {next(iter(engram.sets))!r}, by target" if several else "synthetic", values, raw, labels)]
    if real is not None:
        spread = slice(None, None, max(1, len(real["inputs"]) // 12))
        own = real["inputs"][spread][:12]
        shown = own.numpy() if hasattr(engram.preprocessing, "names") else np.asarray(engram.preprocessing.decode(own))
        marks = [_short(v) for v in engram.target.decode(real["targets"][spread][:12])]
        blocks.append(("real", own.numpy(), shown, marks))
    return {
        "names": names[show],
        "hidden": max(0, width - 60),
        "blocks": [
            {
                "title": title,
                "rows": [
                    {
                        "label": label,
                        "cells": [
                            {"z": float(np.clip(z, -3, 3)), "text": _short(v)}
                            for z, v in zip(zs[show], vs[show], strict=False)
                        ],
                    }
                    for label, zs, vs in zip(marks, standard, units, strict=False)
                ],
            }
            for title, standard, units, marks in blocks
        ],
    }


def _texts(engram: Engram, nearest: list[list[str]] | None) -> dict[str, Any] | None:
    """What the samples of texts say: their readable view, their most telling words, and the nearest real texts where these may be shown."""
    preprocessing = engram.preprocessing
    if not isinstance(preprocessing, Encoded) or preprocessing.encoder.takes != "texts":
        return None
    some, view = engram.samples.inputs[:_MOST_SAMPLES], Readable.of(engram)
    telling = preprocessing.encoder.telling(some.numpy()) if isinstance(preprocessing.encoder, Topics) else []
    said = view.texts if view is not None and len(view.texts) == len(engram.samples) else ()
    labels = engram.target.decode(engram.samples.targets[:_MOST_SAMPLES])
    rows = [
        {
            "label": _short(label),
            "said": said[k] if said else "",
            "words": ", ".join(telling[k]) if telling else "",
            "nearest": nearest[k] if nearest else [],
        }
        for k, label in enumerate(labels)
    ]
    return {
        "rows": rows,
        "view": view,
        "telling": bool(telling),
        "nearest": bool(nearest),
        "encoder": preprocessing.encoder,
    }


def _soft(engram: Engram) -> dict[str, Any] | None:
    """Probabilities of the first samples."""
    if not isinstance(engram.target, Classes) or len(engram.target.names) > 20:
        return None
    chances = probabilities(engram.samples.targets[:20], engram.temperature)
    return {"names": engram.target.names, "rows": [[round(v, 2) for v in row] for row in chances.tolist()]}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)


def _data(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
