"""The architecture: imports go one way along the list of wings, and make no circle within one."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src" / "engram"
GROUND = ("errors", "random", "spec")
WINGS = (
    "numerics",
    "theory",
    "data",
    "learning",
    "samples",
    "memory",
    "engines",
    "distillation",
    "evaluation",
    "reuse",
    "verification",
    "benchmark",
    "report",
    "workflow",
    "cli",
)
"""From the ground up: a wing knows those before it."""
COMPONENTS = ("links", "sources", "encoders", "preprocessing", "networks", "canvas", "methods", "studies")
"""Folders that are their own registry."""
LONGEST = 300


def imported(file: Path) -> list[tuple[str, ...]]:
    """The modules and packages of this package that a file imports, wherever the import stands."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    found = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = (*parts[: len(parts) - node.level], *(node.module.split(".") if node.module else ()))
            inner = [(*base, alias.name) for alias in node.names]
            found += [path if ROOT.joinpath(*path).with_suffix(".py").is_file() else base for path in inner]
    return found


def modules() -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """All modules with what they import; a package stands for its ``__init__``."""
    files = {file.relative_to(ROOT).with_suffix("").parts: file for file in sorted(ROOT.rglob("*.py"))}
    return {parts[:-1] if parts[-1] == "__init__" else parts: imported(file) for parts, file in files.items()}


def upward(graph) -> list[str]:
    """Imports from a wing further down the list, or from a wing into the package's own surface."""
    rank = {name: place for place, name in enumerate(("_moved", *GROUND, *WINGS))}
    wrong = []
    for module, targets in graph.items():
        if module in ((), ("__main__",)):
            continue
        for target in targets:
            if target == ():
                # What the surface itself holds, its version, is known to all.
                continue
            if module[0] != target[0] and rank[target[0]] >= rank[module[0]]:
                wrong.append(f"{'.'.join(module)} imports {'.'.join(target)}")
    return wrong


def circle(graph) -> list[tuple[str, ...]]:
    """Modules that import one another in a circle; a package's own surface apart, which only gathers."""
    inner = {module: {t for t in targets if t in graph and t != module[: len(t)]} for module, targets in graph.items()}
    surfaces = {m for m in graph if ROOT.joinpath(*m).is_dir()}
    try:
        TopologicalSorter({m: targets - surfaces for m, targets in inner.items() if m not in surfaces}).prepare()
    except CycleError as error:
        return error.args[1]
    return []


GRAPH = modules()


def test_the_folder_shows_the_wings_and_little_else():
    assert {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()} == set(WINGS)
    alone = {path.stem for path in ROOT.glob("*.py")}
    assert alone - {"__init__", "__main__", "_moved"} == set(GROUND)
    assert len(alone) <= 6


def test_imports_go_one_way():
    assert upward(GRAPH) == []


def test_no_circle_of_modules():
    assert circle(GRAPH) == []


def test_what_is_wrong_is_caught():
    assert upward({("learning", "training"): [("samples", "synthetic")]}) == [
        "learning.training imports samples.synthetic"
    ]
    planted = GRAPH | {
        ("numerics", "linalg"): [("numerics", "subspaces")],
        ("numerics", "subspaces"): [("numerics", "linalg")],
    }
    assert set(circle(planted)) == {("numerics", "linalg"), ("numerics", "subspaces")}


def test_every_wing_says_what_it_is_in_one_sentence():
    for wing in WINGS:
        said = ast.get_docstring(ast.parse((ROOT / wing / "__init__.py").read_text()))
        assert said is not None, wing
        assert said.splitlines()[0].endswith(".")


def test_components_stand_alone():
    for name in COMPONENTS:
        folder = next(ROOT.glob(f"*/{name}"))
        known = {file.stem for file in folder.glob("*.py")} - {"__init__"}
        own = folder.relative_to(ROOT).parts
        for module in known:
            assert not [t for t in GRAPH[(*own, module)] if t[: len(own)] == own and t[-1] in known], module


def test_imports_of_this_package_are_relative():
    """So that all of them are seen here."""
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not [name for name in names if name and name.split(".")[0] == "engram"], file


def test_a_file_can_name_every_value_without_its_wing():
    """A kind is a module path without the wing and a class: no two classes may share one."""
    seen = {}
    for module in GRAPH:
        if len(module) < 2 or module[0] in ("cli", "report") or ROOT.joinpath(*module).is_dir():
            continue
        tree = ast.parse(ROOT.joinpath(*module).with_suffix(".py").read_text())
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                other = seen.setdefault((module[1:], node.name), module)
                assert other == module, (other, module, node.name)


def test_a_room_holds_one_idea():
    """At most so many lines."""
    for file in ROOT.rglob("*.py"):
        text = file.read_text()
        assert len(text.splitlines()) <= LONGEST, file
