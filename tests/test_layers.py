"""Imports go to lower layers only, and packages of one layer do not import one another."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src" / "engram"
LAYERS = [
    ["__init__"],
    ["errors"],
    ["augmentation", "random", "spec", "link"],
    ["linalg", "links", "optimizers", "metrics", "budget", "preprocessing", "container"],
    ["synthetic", "problem", "theory"],
    ["canvas", "generated", "network", "pictures"],
    ["sources", "networks", "training", "distances", "hypergradients"],
    ["source", "fitting", "method"],
    ["experts", "subspace"],
    ["pool", "selection"],
    ["outer"],
    ["methods"],
    ["defaults", "published", "artefact"],
    ["loop", "export", "beside"],
    ["evaluation", "sampler", "laboratory", "study"],
    ["studies", "benchmark"],
    ["report"],
    ["cli"],
    ["__main__"],
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def edges(root: Path):
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        own = parts[0]
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            up = len(parts) - node.level
            base = [*parts[:up], *(node.module.split(".") if node.module else [])]
            targets = [base[0]] if base else [alias.name if alias.name in RANK else "__init__" for alias in node.names]
            for target in targets:
                yield own, target, f"{file.relative_to(root)}:{node.lineno}"


def wrong(found):
    return [f"{place}: {a} imports {b}" for a, b, place in found if a != b and a != "__init__" and RANK[b] >= RANK[a]]


def test_every_module_has_a_layer():
    modules = {
        p.stem if p.is_file() else p.name for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    assert modules == set(RANK)


def test_imports_go_down():
    assert wrong(edges(ROOT)) == []


def test_an_upward_import_is_caught():
    assert wrong([("linalg", "training", "planted")]) == ["planted: linalg imports training"]


def test_components_of_a_folder_do_not_import_one_another():
    for folder in ("methods", "networks", "sources", "canvas", "links", "studies"):
        names = {p.stem for p in (ROOT / folder).glob("*.py")}
        for file in (ROOT / folder).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and node.level == 1:
                    assert node.module not in names, f"{file.name} imports {node.module}"
