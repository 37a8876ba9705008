"""A benchmark as one self-contained page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup

from ..distillation.published import PUBLISHED
from .benchmark_figures import figures
from .figures import STYLE, inline
from .tables import RANDOM, SOFT, plus_minus, spent, sure, tables

__all__ = ["benchmark_page"]


def benchmark_page(rows: Sequence[Mapping[str, Any]], source: Path) -> str:
    """One page of tables and figures.

    Args:
        rows: of a benchmark.
        source: where they stand, for the reader.

    Returns:
        One HTML document that needs no network.
    """
    found = tables(rows)
    with matplotlib.rc_context(STYLE):
        drawn = [(Markup(inline(figure, caption, box=None)), caption) for figure, caption in figures(found).values()]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engram", "report"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["pm"] = plus_minus
    environment.filters["sure"] = sure
    environment.filters["spent"] = spent
    hardware = sorted({json.dumps(row["hardware"], sort_keys=True) for row in rows})
    versions = sorted({json.dumps(row["versions"] | {"code": row["code"]}, sort_keys=True) for row in rows})
    return environment.get_template("benchmark.html").render(
        tables=found,
        drawn=drawn,
        source=source.name,
        runs=len(rows),
        hours=sum(row["wall"] for row in rows) / 3600,
        hardware=[_facts(text) for text in hardware],
        versions=[_facts(text) for text in versions],
        papers={name: setting.paper for name, setting in PUBLISHED.items()},
        random=RANDOM,
        soft=SOFT,
    )


def _facts(text: str) -> str:
    return ", ".join(f"{key} {value}" for key, value in json.loads(text).items() if value is not None)
