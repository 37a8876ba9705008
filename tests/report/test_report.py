"""The page: self-contained, escaped, and whole even where something is missing."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import engram
from engram.data.problem import Problem
from engram.learning.networks.mlp import MLP
from engram.report import page
from engram.samples.budget import Items

EVIL = '<script>alert("x")</script>'


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.tags = [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.found += [
            value
            for key, value in attrs
            if key in ("src", "href", "xlink:href") and not (value or "").startswith(("data:", "#"))
        ]


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {EVIL: rng.normal(size=60), "b": rng.choice([EVIL, "y"], 60), "t": rng.choice(["no", EVIL], 60)}
    )
    problem = Problem.from_frame(frame, "t", name=EVIL)
    memory = engram.distill(problem, budget=Items(4), steps=4, network=MLP(width=8))
    return memory, memory.save(tmp_path_factory.mktemp("r") / "evil.engram")


def test_everything_shown_is_escaped(evil):
    text = page(*evil)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_page_needs_no_network_and_no_script(evil, tmp_path, monkeypatch):
    from engram.cli import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main(["distill", "digits", "--steps", "3", "--seeds", "2", "--network", "mlp:width=8"])
    assert page(engram.load("digits.engram"), tmp_path / "digits.engram").count("<img") == 10, "no real row unasked"
    with pytest.raises(SystemExit):
        main(
            ["distill", "digits", "--steps", "3", "--seeds", "2", "--network", "mlp:width=8", "--show-real", "--force"]
        )
    memory = engram.load("digits.engram")
    text = page(memory, tmp_path / "digits.engram")
    links = Links()
    links.feed(text)
    assert links.found == []
    assert "script" not in links.tags
    assert text.count("<img") == 10 + 40
    assert text.count("<svg") == 4
    assert "nan" not in re.sub(r"data:image[^\"]*", "", text).lower().replace("finance", "")
    for row in ("k-means centres", "herding", "at equal bytes", "Recipe", "prefers-color-scheme: dark"):
        assert row in text
    shutil.rmtree("digits.run")
    alone = page(memory, tmp_path / "digits.engram")
    assert "raw results is not beside the file" in alone
    assert "k-means centres" in alone, "the summary travels in the engram"


def test_damaged_side_files_are_left_out(evil):
    memory, file = evil
    folder = file.with_suffix(".run")
    folder.mkdir()
    (folder / "results.jsonl").write_text("{not json")
    (folder / "curves.json").write_text("")
    (folder / "real.safetensors").write_text("x")
    assert "not beside the file" in page(memory, file)


def test_what_other_learners_say_is_shown_if_it_is_whole(wine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short = {"budget": engram.PerClass(1), "steps": 5, "seeds": 2, "full_steps": 5, "report": True}
    engram.run("wine", out="wine.engram", **short)
    text = (tmp_path / "wine.html").read_text()
    assert "Whom else does it teach?" in text
    assert "Portability" in text
    assert "Recall of each class" in text
    assert "cross_entropy(model(x), y)" in text, "how to train on it elsewhere"
    memory = engram.load("wine.engram")
    for broken in ({"learners": {"svm": {}}}, {"learners": 3}, [], {"portability": 1.0}):
        memory.provenance["panel"] = broken
        record = json.loads((tmp_path / "wine.run/run.json").read_text())
        (tmp_path / "wine.run/run.json").write_text(json.dumps(record | {"panel": broken}))
        assert "Whom else" not in page(memory, tmp_path / "wine.engram")
