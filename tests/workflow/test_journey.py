"""The whole journey: the work is never lost, what was cut short goes on, and a notebook gets what the command gets."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import engram
from engram.cli import main
from engram.distillation.plan import Plan
from engram.evaluation import protocol as judging
from engram.evaluation.protocol import Protocol
from engram.workflow import estimate as timing
from engram.workflow import judging as after
from engram.workflow.estimate import in_words

FAST = {"budget": engram.PerClass(1), "steps": 20, "seeds": 2, "full_steps": 30}
WORDS = ["--per-class", "1", "--steps", "20", "--seeds", "2", "--full-steps", "30"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def command(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code


def test_a_notebook_gets_what_the_command_gets(capsys):
    told = []
    outcome = engram.run("wine", out="here.engram", watch=told.append, **FAST)
    assert command("distill", "wine", *WORDS, "--out", "there.engram", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert Path("here.engram").read_bytes() == Path("there.engram").read_bytes()
    own = outcome.as_json()
    assert said.keys() == own.keys()
    assert {k: v["runs"] for k, v in said["scores"].items()} == {k: v["runs"] for k, v in own["scores"].items()}
    assert [p.stage for p in told if p.done == 1] == ["distilling", "judging", "comparing"][-3:] or told[-1].done == 1
    assert {"distilling", "judging", "comparing"} <= {p.stage for p in told}
    assert all(0 <= p.done <= 1 for p in told)


def test_threads_are_given_back():
    torch.set_num_threads(2)
    try:
        engram.run("wine", **FAST | {"seeds": 0})
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_the_artefact_is_there_before_anything_is_judged(monkeypatch):
    def look(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(after, "evaluate", look)
    with pytest.raises(KeyboardInterrupt):
        engram.run("wine", **FAST)
    assert engram.load("wine.engram").replay(0) is not None
    assert "scores" not in engram.load("wine.engram").provenance


def test_judging_that_was_cut_short_goes_on_and_ends_alike(monkeypatch):
    whole = engram.run("wine", out="whole.engram", **FAST)
    calls, measured = [], judging._baseline

    def counted(name, *rest):
        calls.append(name)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return measured(name, *rest)

    monkeypatch.setattr(judging, "_baseline", counted)
    with pytest.raises(KeyboardInterrupt):
        engram.run("wine", **FAST)
    full = judging.train_full
    monkeypatch.setattr(judging, "train_full", None)  # known already: not trained a second time
    again = engram.run("wine", resume=True, **FAST)
    monkeypatch.setattr(judging, "train_full", full)
    assert len(calls) == 5 + 6
    assert again.engram.provenance["scores"] == whole.engram.provenance["scores"]
    assert list(again.scores.rows) == list(whole.scores.rows)
    assert Path("wine.engram").read_bytes() == Path("whole.engram").read_bytes()
    assert not Path("wine.run/judged.jsonl").exists()


def test_rows_that_were_torn_or_edited_are_judged_again():
    whole = engram.run("wine", out="whole.engram", **FAST)
    engram.run("wine", **FAST | {"seeds": 0})
    known = engram.load("wine.engram").fingerprint
    said = {"engram": known, "protocol": after._said(Protocol(seeds=2, full_steps=30)), "row": "random"}
    bad = [said, said | {"runs": "x"}, said | {"runs": [1.0], "items": 3, "bytes": 3, "seconds": 1.0}, ["a"], 3, None]
    Path("wine.run").mkdir(exist_ok=True)
    Path("wine.run/judged.jsonl").write_text("\n".join(map(json.dumps, bad)) + '\n{"engram": ')
    again = engram.run("wine", resume=True, **FAST)
    assert again.engram.provenance["scores"] == whole.engram.provenance["scores"]


def test_rows_of_another_protocol_are_not_taken(monkeypatch):
    first = engram.run("wine", **FAST)
    other = engram.run("wine", resume=True, **FAST | {"seeds": 3})
    assert len(first.scores.rows["engram"].runs) == 2
    assert len(other.scores.rows["engram"].runs) == 3


def test_a_finished_run_is_shown_and_not_repeated(monkeypatch, caplog):
    first = engram.run("wine", **FAST)
    before = Path("wine.engram").read_bytes()
    monkeypatch.setattr(judging, "_rows", lambda *_: iter(()))
    with caplog.at_level(logging.INFO, "engram"):
        again = engram.run("wine", resume=True, **FAST)
    assert "is finished; this is its result" in caplog.text
    assert again.scores.as_json() == first.scores.as_json()
    assert Path("wine.engram").read_bytes() == before
    with pytest.raises(engram.EngramError, match="of other data or settings"):
        engram.run("wine", resume=True, **FAST | {"seed": 1})


def test_resume_of_nothing_starts_anew_and_says_so(caplog):
    with caplog.at_level(logging.INFO, "engram"):
        assert engram.run("wine", resume=True, **FAST).file.is_file()
    assert "starting anew" in caplog.text


@pytest.mark.parametrize("part", ["fidelity", "directions"])
def test_a_diagnostic_that_fails_costs_a_warning(part, monkeypatch, caplog):
    def fails(*_):
        raise torch.linalg.LinAlgError("it does not converge")

    monkeypatch.setattr(after, part, fails)
    outcome = engram.run("wine", report=True, **FAST)
    assert outcome.scores is not None
    assert "it does not converge" in caplog.text
    assert "scores" in engram.load("wine.engram").provenance
    assert Path("wine.html").is_file()


def test_judging_that_fails_costs_a_warning(monkeypatch, caplog):
    def fails(*_, **__):
        raise engram.EngramError("no network learnt anything")

    monkeypatch.setattr(judging, "train_full", fails)
    assert engram.run("wine", **FAST).scores is None
    assert "judging failed (no network learnt anything)" in caplog.text
    assert Path("wine.engram").is_file()


def test_equal_rows_end_well(caplog):
    x = torch.ones(60, 5)
    problem = engram.Problem.from_arrays(x, torch.arange(60) % 2, name="same")
    assert engram.run(problem, **FAST).scores is not None
    assert Path("same.engram").is_file()


SHELL = "{python} -m engram distill wine --per-class 1 --steps 5 --seeds 2 --full-steps 10"


@pytest.mark.parametrize("end", ["| true", "> /dev/full", ">&-"])
def test_an_output_that_takes_nothing_costs_no_work(end):
    text = f"{SHELL.format(python=sys.executable)} {end}"
    done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=False)
    assert "scores" in engram.load("wine.engram").provenance
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_terminal_without_the_sign_shows_another():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    text = SHELL.format(python=sys.executable).split()
    done = subprocess.run(text, capture_output=True, text=True, check=True, env=environment)
    assert " +- 0." in done.stdout


def test_time_is_told_before_the_first_step(caplog, monkeypatch):
    with caplog.at_level(logging.INFO, "engram"):
        engram.run("wine", **FAST)
    assert "this takes about" in caplog.text
    monkeypatch.setattr(timing, "_fastest", lambda call, times: 60.0)
    engram.run("wine", force=True, **FAST | {"steps": 100, "seeds": 0, "resume": False} | {"steps": 3})
    assert "is long" not in caplog.text
    monkeypatch.setattr(timing, "_fastest", lambda call, times: 2000.0)
    engram.run("wine", force=True, **FAST | {"steps": 3, "seeds": 0})
    assert "2 h is long: --quick" in caplog.text
    assert in_words(18 * 3600) == "18 h"


def test_timed_steps_change_no_bit(monkeypatch):
    engram.run("wine", out="timed.engram", **FAST | {"seeds": 0})
    monkeypatch.setattr("engram.workflow.journey.estimate", None)
    engram.run("wine", out="untimed.engram", **FAST | {"seeds": 0})
    assert Path("timed.engram").read_bytes() == Path("untimed.engram").read_bytes()


def test_quick_settings(digits):
    assert Plan.of(digits, "dm", quick=True).method.steps == 200
    assert Plan.of(digits, "dm").method.steps == 20_000
    assert Plan.of(digits, "dm", quick=True).training.network == Plan.of(digits).training.network
    usual = Plan.of(digits).method.steps
    assert Plan.of(digits, quick=True).method.steps == -(-usual // 3)
    assert Plan.of(digits, "gradient-matching:steps=90", quick=True).method.steps == 30
    assert Plan.of(digits, quick=True, steps=7).method.steps == 7
    assert Plan.of(digits, "random", quick=True).method.steps == 0


def test_quiet_says_nothing_but_the_result(capsys):
    assert command("distill", "wine", *WORDS, "--seeds", 0, "-q") == 0
    out = capsys.readouterr()
    assert out.err == ""
    assert "wine.engram" in out.out
    assert command("distill", "wine", *WORDS, "--seeds", 0, "--force", "-v") == 0
    assert "distilling wine" in capsys.readouterr().err


def test_the_library_itself_prints_nothing(capsys):
    engram.run("wine", **FAST)
    assert capsys.readouterr().out == ""


def test_protocols_are_told_apart():
    assert Protocol(2) == Protocol(seeds=2)
