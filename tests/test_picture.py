"""The picture of the import graph is that of the code as it is."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "docs" / "imports.py"


def load():
    spec = importlib.util.spec_from_file_location("imports", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_picture_is_current():
    assert SCRIPT.with_suffix(".svg").read_text() == load().picture(), (
        "run python docs/imports.py and commit the picture"
    )


def test_every_wing_and_arrow_is_in_it():
    module = load()
    drawn = module.picture()
    assert all(f">{wing}</text>" in drawn for wing in module.WINGS)
    assert drawn.count("<title>") == len(module.counted())
    assert "#ff0000" not in drawn, "no arrow goes down"
