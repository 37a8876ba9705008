"""Draw the wings and the imports between them, from the code: ``python docs/imports.py`` writes docs/imports.svg."""

import ast
import importlib.util
import textwrap
from collections import Counter
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
LAYERS = HERE.parent / "tests" / "test_layers.py"
spec = importlib.util.spec_from_file_location("layers", LAYERS)
assert spec is not None
layers = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layers)
GRAPH, GROUND, ROOT, WINGS = layers.GRAPH, layers.GROUND, layers.ROOT, layers.WINGS
"""The list of wings has one home."""

ROW, BOX, LEFT, TOP, BEND = 76, 680, 20, 60, 26
COLOURS = ("#4a7fd4", "#2a9d5c", "#d9822b", "#a259c4", "#c7504e", "#3aa6a6", "#8a8a3a")


def counted() -> Counter[tuple[str, str]]:
    """Imports from one wing to another; the ground, which all know, is left out."""
    pairs = ((module[0], target[0]) for module, targets in GRAPH.items() if module for target in targets if target)
    return Counter((a, b) for a, b in pairs if a in WINGS and b in WINGS and a != b)


def rows() -> list[tuple[str, str, str]]:
    """Name, sentence and files of the ground and of every wing."""
    found = [("ground", "Errors, randomness, frozen values: known by all, knowing nobody.", ", ".join(GROUND))]
    for wing in WINGS:
        said = (
            ast.get_docstring(ast.parse((ROOT / wing / "__init__.py").read_text()))
            .partition(". ")[0]
            .splitlines()[0]
            .rstrip(".")
            + "."
        )
        files = sorted(path.stem for path in (ROOT / wing).glob("*.py") if path.stem != "__init__")
        folders = sorted(f"{path.parent.name}/" for path in (ROOT / wing).glob("*/__init__.py"))
        found.append((wing, said, ", ".join(files + folders)))
    return found


def picture() -> str:
    """The drawing: a wing knows those above it; the width of an arrow is the number of imports."""
    boxes, place = rows(), {wing: number for number, wing in enumerate(WINGS, 1)}
    width, height = LEFT + BOX + 20 + BEND * len(WINGS) * 3 // 4, TOP + ROW * len(boxes) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="17" font-weight="bold" fill="#1b1f24">src/engram</text>',
        f'<text x="{LEFT}" y="47" font-size="12" fill="#57606a">A wing imports from those above it, never from those '
        "below. The width of an arrow is the number of imports; all import from the ground.</text>",
    ]
    for (a, b), count in sorted(counted().items(), key=lambda item: (place[item[0][0]], place[item[0][1]])):
        start, end = (TOP + ROW * place[wing] + 25 for wing in (a, b))
        start, end = start - 7, end + 7
        bend = LEFT + BOX + 20 + BEND * abs(place[a] - place[b])
        colour = COLOURS[place[a] % len(COLOURS)] if place[b] < place[a] else "#ff0000"
        edge = LEFT + BOX
        parts.append(
            f'<path d="M{edge} {start} C{bend} {start} {bend} {end} {edge + 7} {end}" fill="none" stroke="{colour}" '
            f'stroke-opacity="0.65" stroke-width="{min(6, 0.7 + count**0.5 / 2):.1f}"><title>{a} to {b}: {count}</title></path>'
            f'<path d="M{edge} {end} l8 -4 v8 z" fill="{colour}"/>'
        )
    for number, (name, said, files) in enumerate(boxes):
        lines = textwrap.wrap(files, 125)
        y = TOP + ROW * number
        colour = COLOURS[number % len(COLOURS)] if number else "#57606a"
        parts.append(
            f'<rect x="{LEFT}" y="{y}" width="{BOX}" height="{ROW - 10}" rx="5" fill="#f6f8fa" stroke="{colour}"/>'
            f'<text x="{LEFT + 10}" y="{y + 19}" font-size="14" font-weight="bold" fill="{colour}">{name}</text>'
            f'<text x="{LEFT + 112}" y="{y + 19}" font-size="11.5" fill="#1b1f24">{escape(said)}</text>'
            + "".join(
                f'<text x="{LEFT + 10}" y="{y + 38 + 14 * k}" font-size="10.5" fill="#57606a">{escape(line)}</text>'
                for k, line in enumerate(lines)
            )
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    (HERE / "imports.svg").write_text(picture())
