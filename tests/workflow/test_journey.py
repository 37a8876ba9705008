"""The whole journey: the work is never lost, what was cut short goes on, and a notebook gets what the command gets."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import engram
from engram.cli import main
from engram.distillation.loop import run as outer_loop
from engram.distillation.plan import Plan
from engram.evaluation import protocol
from engram.evaluation.protocol import Protocol
from engram.learning import Custom
from engram.memory import RunFolder
from engram.samples import Precision
from engram.workflow import distilling, judging
from engram.workflow import estimate as timing
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
    assert [p.stage for p in told if p.done == 1] == ["distilling", "judging", "comparing"]
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

    monkeypatch.setattr(judging, "evaluate", look)
    with pytest.raises(KeyboardInterrupt):
        engram.run("wine", **FAST)
    assert engram.load("wine.engram").replay(0) is not None
    assert "scores" not in engram.load("wine.engram").provenance


def test_judging_that_was_cut_short_goes_on_and_ends_alike(monkeypatch):
    whole = engram.run("wine", out="whole.engram", **FAST)
    calls, measured = [], protocol.Baselines.row

    def counted(self, name, *rest):
        calls.append(name)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return measured(self, name, *rest)

    monkeypatch.setattr(protocol.Baselines, "row", counted)
    with pytest.raises(KeyboardInterrupt):
        engram.run("wine", **FAST)
    full = protocol.train_full
    monkeypatch.setattr(protocol, "train_full", None)  # known already: not trained a second time
    again = engram.run("wine", resume=True, **FAST)
    monkeypatch.setattr(protocol, "train_full", full)
    assert len(calls) == 5 + 6
    assert again.engram.provenance["scores"] == whole.engram.provenance["scores"]
    assert list(again.scores.rows) == list(whole.scores.rows)
    assert Path("wine.engram").read_bytes() == Path("whole.engram").read_bytes()
    assert not Path("wine.run/judged.jsonl").exists()


def test_rows_that_were_torn_or_edited_are_judged_again():
    whole = engram.run("wine", out="whole.engram", **FAST)
    engram.run("wine", **FAST | {"seeds": 0})
    known = engram.load("wine.engram").fingerprint
    said = {"engram": known, "protocol": judging._said(Protocol(seeds=2, full_steps=30)), "row": "random"}
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
    monkeypatch.setattr(protocol, "_rows", lambda *_: iter(()))
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

    monkeypatch.setattr(judging, part, fails)
    outcome = engram.run("wine", report=True, **FAST)
    assert outcome.scores is not None
    assert "it does not converge" in caplog.text
    assert "scores" in engram.load("wine.engram").provenance
    assert Path("wine.html").is_file()


def test_judging_that_fails_costs_a_warning(monkeypatch, caplog):
    def fails(*_, **__):
        raise engram.EngramError("no network learnt anything")

    monkeypatch.setattr(protocol, "train_full", fails)
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
    engram.run("wine", force=True, **FAST | {"steps": 3, "seeds": 0})
    assert "is long" not in caplog.text
    monkeypatch.setattr(timing, "_fastest", lambda call, times: 2000.0)
    engram.run("wine", force=True, **FAST | {"steps": 3, "seeds": 0})
    assert "2 h is long: --quick" in caplog.text
    assert in_words(18 * 3600) == "18 h"


def test_timed_steps_change_no_bit(monkeypatch):
    engram.run("wine", out="timed.engram", **FAST | {"seeds": 0})
    monkeypatch.setattr("engram.workflow.estimate.estimate", None)
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
    # Samples for the replay alone leave their start within these few steps; a start that is kept costs a warning.
    assert command("distill", "wine", *WORDS, "--seeds", 0, "-q", "--teaches", "replay") == 0
    out = capsys.readouterr()
    assert out.err == ""
    assert "wine.engram" in out.out
    assert command("distill", "wine", *WORDS, "--seeds", 0, "--force", "-v") == 0
    assert "distilling wine" in capsys.readouterr().err


def test_the_library_itself_prints_nothing(capsys):
    engram.run("wine", **FAST)
    assert capsys.readouterr().out == ""


def interrupted(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("part", ["evaluate", "fidelity", "directions"])
def test_a_run_cut_short_anywhere_after_distilling_ends_like_an_unbroken_one(part, monkeypatch):
    whole = engram.run("wine", out="whole.engram", report=True, **FAST)
    with monkeypatch.context() as patch:
        patch.setattr(judging, part, interrupted)
        with pytest.raises(KeyboardInterrupt):
            engram.run("wine", **FAST)
    again = engram.run("wine", resume=True, report=True, **FAST)
    assert Path("wine.engram").read_bytes() == Path("whole.engram").read_bytes()
    assert {p.name for p in Path("wine.run").iterdir()} == {p.name for p in Path("whole.run").iterdir()}
    assert "learning process replayed" in Path("wine.html").read_text()
    assert again.seconds["distill"] is not None, "how long distilling took is kept"
    assert whole.seconds.keys() == again.seconds.keys()


def test_a_run_that_was_not_judged_is_judged_and_reported_later(monkeypatch):
    engram.run("wine", **FAST | {"seeds": 0})
    done = engram.run("wine", resume=True, report=True, **FAST)
    assert "scores" in engram.load("wine.engram").provenance
    assert "s to distil" in Path("wine.html").read_text()
    assert command("report", done.file, "--force") == 0


def test_scores_that_could_not_be_added_are_added_by_the_next_call(monkeypatch):
    with monkeypatch.context() as patch:
        kept, calls = engram.Engram.save, []

        def full(self, *arguments, **named):
            calls.append(1)
            if len(calls) == 2:
                raise engram.EngramError("no space left")
            return kept(self, *arguments, **named)

        patch.setattr(engram.Engram, "save", full)
        engram.run("wine", **FAST)
    assert "scores" not in engram.load("wine.engram").provenance
    engram.run("wine", resume=True, **FAST)
    assert "scores" in engram.load("wine.engram").provenance


def test_a_custom_network_is_judged_later():
    network = Custom(
        lambda: torch.nn.Sequential(torch.nn.Linear(13, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)), "2", "own"
    )
    engram.run("wine", network=network, **FAST | {"seeds": 0})
    assert engram.run("wine", network=network, resume=True, **FAST).scores is not None


def test_a_checkpoint_that_cannot_be_written_stops_nothing(monkeypatch, caplog):
    def full(*_):
        raise engram.EngramError("no space left")

    monkeypatch.setattr(distilling, "_CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(distilling, "save_checkpoint", full)
    assert engram.run("wine", **FAST).scores is not None
    assert "the run could not be saved (no space left)" in caplog.text


def test_a_run_folder_that_takes_nothing_costs_no_result(monkeypatch, capsys):
    def full(*_, **__):
        raise engram.EngramError("no space left")

    for name in ("start", "keep", "keep_row"):
        monkeypatch.setattr(RunFolder, name, full)
    assert command("distill", "wine", *WORDS) == 0
    said = capsys.readouterr()
    assert "training a network" in said.out
    assert said.err.count("judged rows could not be kept") == 1
    assert "scores" in engram.load("wine.engram").provenance


def test_a_stale_checkpoint_goes_with_force(monkeypatch):
    def pressed(now):
        if now.stage == "distilling" and now.done > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engram.run("wine", watch=pressed, **FAST)
    assert Path("wine.run/checkpoint.safetensors").is_file()
    with monkeypatch.context() as patch:
        patch.setattr(distilling, "outer_loop", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engram.run("wine", force=True, **FAST | {"seed": 1})
    assert not Path("wine.run/checkpoint.safetensors").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"out": "wine.html", "report": True, "prepare": "wine.html.html"}, "exists"),
        ({"report": True, "prepare": "wine.html"}, "exists"),
        ({"full_steps": 0}, "full_steps is 0"),
        ({"full_steps": -3}, "full_steps is -3"),
        ({"device": "cuda"}, "CUDA devices"),
        ({"device": "abacus"}, "not a device"),
        ({"auto": True}, "auto chooses the budget"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(settings, message):
    settings = dict(settings)
    if "prepare" in settings:
        Path(settings.pop("prepare")).write_text("mine")
    if "CUDA" in message and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(engram.EngramError, match=message):
        engram.run("wine", **FAST | settings)
    assert not list(Path().glob("*.engram"))


def test_a_problem_takes_no_settings_of_a_source(wine):
    with pytest.raises(engram.EngramError, match="takes no step, target"):
        engram.run(wine, step=5, target="x", **FAST)


def test_whole_numbers_of_numpy_are_seeds():
    one = engram.run("wine", out="a.engram", **FAST | {"seeds": 0}, seed=np.int64(3))
    other = engram.run("wine", out="b.engram", **FAST | {"seeds": 0}, seed=3)
    assert one.file.read_bytes() == other.file.read_bytes()
    for seed in ("3", 1.5, None):
        with pytest.raises((engram.EngramError, TypeError)):
            engram.run("wine", out="c.engram", **FAST | {"seeds": 0}, seed=seed)


def test_another_precision_is_another_run():
    engram.run("wine", precision=Precision.FLOAT32, **FAST | {"seeds": 0})
    with pytest.raises(engram.EngramError, match="other data or settings"):
        engram.run("wine", precision=Precision.FLOAT16, resume=True, **FAST | {"seeds": 0})


def test_an_error_from_a_library_in_judging_costs_a_warning(monkeypatch, caplog):
    def fails(*_, **__):
        raise ValueError("a library's own")

    monkeypatch.setattr(protocol, "train_tuned", fails)
    assert engram.run("wine", **FAST).scores is None
    assert "judging failed (a library's own)" in caplog.text


def test_time_can_be_told_for_images_with_real_targets():
    x = torch.randn(60, 28, 28, generator=torch.Generator().manual_seed(0))
    problem = engram.Problem.from_arrays(x, x.mean((1, 2)), task="regression")
    plan = Plan.of(problem, "distribution-matching:steps=2", budget=engram.Items(2), network="convnet:width=4")
    current = next(outer_loop(plan, problem))[0]
    found = timing.estimate(plan, problem, current, Protocol(seeds=2))
    assert 0 < found.judging < float("inf")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError, engram.EngramError])
def test_whatever_stops_the_outer_loop_the_run_is_saved(error):
    whole = engram.run("wine", out="whole.engram", **FAST | {"seeds": 0})

    def pressed(now):
        if now.done > 0.6:
            raise error("mine")

    with pytest.raises(error):
        engram.run("wine", watch=pressed, **FAST | {"seeds": 0})
    engram.run("wine", resume=True, **FAST | {"seeds": 0})
    assert whole.file.read_bytes() == Path("wine.engram").read_bytes()


def test_a_full_disk_at_the_end_keeps_the_run(monkeypatch):
    def full(*_, **__):
        raise engram.EngramError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(engram.Engram, "save", full)
        with pytest.raises(engram.EngramError, match="no space left"):
            engram.run("wine", **FAST)
    assert Path("wine.run/checkpoint.safetensors").is_file()
    assert engram.run("wine", resume=True, **FAST).file.is_file()


def test_a_signal_to_end_saves_like_ctrl_c():
    text = [sys.executable, "-u", "-m", "engram", "distill", "digits", "--steps", "4000", "--seeds", "0", "--json"]
    with subprocess.Popen(text, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stderr:
            if "this takes" in line:
                break
        child.send_signal(signal.SIGTERM)
        _, said = child.communicate(timeout=120)
    assert child.returncode == 128 + signal.SIGTERM
    assert "the run is saved" in said
    assert Path("digits.run/checkpoint.safetensors").is_file()


def test_a_finished_file_needs_no_checkpoint(caplog):
    engram.run("wine", **FAST)
    Path("wine.run/checkpoint.safetensors").write_bytes(b"torn")
    with caplog.at_level(logging.INFO, "engram"):
        engram.run("wine", resume=True, **FAST)
    assert "is finished" in caplog.text


def test_a_record_of_odd_types_spoils_no_report():
    done = engram.run("wine", **FAST)
    record = json.loads(Path("wine.run/run.json").read_text())
    for odd in ({"curves": {"a": "b"}}, {"directions": [1]}, {"seconds": {"train_full": "x"}}, {"seconds": 3}):
        Path("wine.run/run.json").write_text(json.dumps(record | odd))
        assert command("report", done.file, "--force") == 0


def test_a_built_in_source_keeps_the_points_of_its_settings():
    done = engram.run("multi-index:d=6,r=1,rows=300,noise=0.1", **FAST | {"seeds": 0, "budget": engram.Items(4)})
    assert done.file.name == "multi-index:d=6,r=1,rows=300,noise=0.1.engram"
