"""The grid: every run leaves a row whatever becomes of it, and nothing is run twice."""

import json
import multiprocessing
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from engram.benchmark import measurement
from engram.benchmark.grid import BASELINES, Cell, Recipe, all_methods
from engram.benchmark.results import Results
from engram.benchmark.runner import run_grid
from engram.cli import main
from engram.distillation import buffers
from engram.distillation.checkpoint import save_checkpoint
from engram.distillation.published import PUBLISHED
from engram.engines import Demand, Local
from engram.errors import ArtefactError, DivergenceError, OutputError, SettingError
from engram.evaluation.robust import augmentation_robust, label_robust
from engram.evaluation.variants import hardened, plain
from engram.learning.fitting import fit
from engram.learning.networks.two_layer import TwoLayer
from engram.learning.training import Training
from engram.numerics.statistics import Measured
from engram.report.benchmark_figures import figures
from engram.report.benchmark_page import benchmark_page
from engram.report.tables import sure, tables
from engram.samples.budget import Items, PerClass
from engram.samples.canvas.formation import Formation
from engram.samples.canvas.plain import Plain

NETWORK = "mlp:width=16"
RECIPE = Recipe(quick=True, steps=3, networks=2, judges=("two-layer:width=16",))


def cell(method, seed=0, budget=None):
    return Cell("wine", method, budget or PerClass(1), NETWORK, seed)


def run(path, cells, recipe=RECIPE, **settings):
    run_grid(cells, recipe, Results(path), **settings)
    return {row["method"]: row for row in Results(path).rows()}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """One small grid for several tests: three methods that work, three that cannot."""
    path = tmp_path_factory.mktemp("grid") / "rows.jsonl"
    cells = [cell(m) for m in ("full", "random", "dm:augment=,batch=8", "rded", "kip:rate=1e30", "frepo:batch=0")]
    return path, cells, run(path, cells, engine=Local(2))


def test_every_run_leaves_a_row_with_its_status(done):
    _, _, rows = done
    assert rows["random"]["status"] == rows["full"]["status"] == rows["dm:augment=,batch=8"]["status"] == "done"
    assert rows["rded"]["status"] == "failed"
    assert "images of classes" in rows["rded"]["message"]
    assert rows["kip:rate=1e30"]["status"].startswith("diverged")
    assert rows["frepo:batch=0"]["status"] == "failed"
    assert "batch" in rows["frepo:batch=0"]["message"]


def test_fewer_outer_steps_do_not_lower_the_ceiling(done):
    _, _, rows = done
    assert rows["dm:augment=,batch=8"]["steps"] == RECIPE.steps
    assert rows["full"]["steps"] >= 300


def test_a_row_says_all_that_made_it(done):
    _, _, rows = done
    row = rows["dm:augment=,batch=8"]
    assert len(row["scores"]["own"]) == len(row["scores"]["on two-layer:width=16"]) == 2
    assert row["settings"].startswith("distribution-matching:steps=3")
    assert row["seconds"]["distill"] >= 0
    assert row["memory"] > 50
    assert {"torch", "python", "engram"} <= set(row["versions"])
    assert row["hardware"]["cores"] >= 1
    assert row["items"] == 3
    assert row["code"]


def test_nothing_is_run_twice_and_retry_runs_what_failed(done):
    path, cells, _ = done
    before = path.read_text().splitlines()
    run(path, cells)
    assert path.read_text().splitlines() == before
    run(path, [cells[3]], retry=True)
    assert len(path.read_text().splitlines()) == len(before) + 1
    run(path, [cells[1]], retry=True)
    assert len(path.read_text().splitlines()) == len(before) + 1, "what is done stays"


def test_equal_runs_give_equal_scores(done, tmp_path):
    _, cells, rows = done
    again = run(tmp_path / "again.jsonl", [cells[2]])
    assert again[cells[2].method]["scores"] == rows[cells[2].method]["scores"]


def test_a_run_that_is_killed_or_too_long_leaves_its_row(tmp_path):
    def kill(done, total, now):
        for process in multiprocessing.active_children() if now else ():
            process.kill()

    rows = run(tmp_path / "a.jsonl", [cell("random"), cell("k-means")], watch=kill)
    assert {row["status"] for row in rows.values()} == {"killed"}
    rows = run(tmp_path / "b.jsonl", [cell("random")], demand=Demand(seconds=0.05))
    assert rows["random"]["status"] == "timed out"
    rows = run(tmp_path / "b.jsonl", [cell("random")])
    assert rows["random"]["status"] == "done", "what was cut short is not given up"


def interrupted(monkeypatch, after):
    """Checkpoints after every step, and a stop at one of them."""
    kept = []

    def stop(*arguments):
        save_checkpoint(*arguments)
        kept.append(arguments)
        if len(kept) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(measurement, "_CHECKPOINT_SECONDS", -1)
    monkeypatch.setattr(measurement, "save_checkpoint", stop)


@pytest.mark.parametrize("method", ["dm:augment=,batch=8", "mtt:experts=1,expert_steps=10,every=2,last=1"])
def test_a_cell_that_was_cut_short_goes_on_from_its_checkpoint(method, tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    settings = (cell(method), Recipe(quick=True, steps=6, networks=2), "cpu")
    whole = measurement.measure(*settings, tmp_path / "a")
    path = tmp_path / "cells" / "b"
    interrupted(monkeypatch, 4)
    with pytest.raises(KeyboardInterrupt):
        measurement.measure(*settings, path)
    monkeypatch.undo()
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    begun = []
    run_on = measurement.run
    monkeypatch.setattr(measurement, "run", lambda *a: (begun.append(a[-1].step), run_on(*a))[1])
    again = measurement.measure(*settings, path)
    assert begun == [3], "the steps before are not taken again"
    assert again["scores"] == whole["scores"]
    assert again["select"] == whole["select"]
    assert not path.exists()


def test_a_checkpoint_of_other_experts_is_begun_anew_and_does_not_fail_for_ever(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path))
    settings = (cell("mtt:experts=1,expert_steps=10,every=2,last=1"), Recipe(quick=True, steps=6, networks=2), "cpu")
    interrupted(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        measurement.measure(*settings, tmp_path / "cell")
    monkeypatch.undo()
    monkeypatch.setenv("ENGRAM_CACHE", str(tmp_path / "elsewhere"))
    trained = buffers._trajectory
    changed = lambda *a: {key: value + 1e-6 for key, value in trained(*a).items()}  # noqa: E731
    monkeypatch.setattr(buffers, "_trajectory", changed)
    assert measurement.measure(*settings, tmp_path / "cell")["status"] == "done"


def test_networks_that_diverge_in_judging_are_said_and_spoil_no_other_score(monkeypatch):
    def diverges(training, task, sets, seeds):
        if training.network == TwoLayer(width=16):
            raise DivergenceError("planted")
        return fit(training, task, sets, seeds)

    monkeypatch.setattr(measurement, "fit", diverges)
    found = measurement.measure(cell("random"), RECIPE, "cpu", Path("none"))
    assert found["status"] == "done"
    assert "on two-layer:width=16" in found["message"]
    assert "on two-layer:width=16" not in found["scores"]
    own = measurement.measure(replace(cell("random"), network="two-layer:width=16"), RECIPE, "cpu", Path("none"))
    assert own["status"] == "diverged"


def test_data_with_two_sets_are_judged_too():
    at = Cell("multi-index:d=6,r=1,rows=600", "two-phase:steps=2,labels=30", Items(4), "two-layer:width=16")
    assert measurement.measure(at, Recipe(networks=2), "cpu", Path("none"))["status"] == "done"


def test_torn_lines_are_dropped_and_foreign_files_refused(done, tmp_path):
    path, _, rows = done
    torn = tmp_path / "torn.jsonl"
    torn.write_text(path.read_text() + '{"key": "x", "sc')
    assert len(Results(torn).rows()) == len(rows)
    other = tmp_path / "other.jsonl"
    other.write_text("hello\n")
    with pytest.raises(ArtefactError, match="no row"):
        Results(other).rows()
    with pytest.raises(ArtefactError, match="cannot be read"):
        Results(tmp_path / "none.jsonl").rows()


def test_a_row_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="could not be written"):
        Results(tmp_path / "folder").add({"key": "a"})


def row(method, seed, own, plain=None, hard=None, soft=False, budget="1 per class", **more):
    scores = {"own": own, "plain": plain or own, "hard": hard or own} | more.pop("judged", {})
    return {
        "key": f"{method}{seed}{budget}", "dataset": "d", "method": method, "budget": budget, "network": "", "seed": seed, "recipe": {},
        "status": "done", "message": "", "scores": scores, "settings": method.replace("=teacher", '="teacher"'), "metric": "accuracy", "select": 0.5,
        "soft": soft, "items": 10, "bytes": 100, "steps": 1, "seconds": {"prepare": 1.0, "distill": 2.0, "judge": 1.0},
        "wall": 5.0, "memory": 300, "hardware": {"cores": 2}, "versions": {"torch": "2"}, "code": "x",
    } | more  # fmt: skip


def some():
    rows = []
    for seed, shift in enumerate((0.0, 0.01, 0.02)):
        rows += [
            row("full", seed, [0.99]),
            row("random", seed, [0.5 + shift, 0.52 + shift], [0.4 + shift]),
            row("random:labels=teacher", seed, [0.6 + shift], [0.5], soft=True),
            row("dm", seed, [0.8 + shift, 0.82 + shift], [0.7 + shift], judged={"on mlp": [0.6]}),
            row("frepo", seed, [0.9 + 0.2 * seed - 0.2], [0.8], [0.7], soft=True),
        ]
    return rows


def test_tables_pair_by_seed_and_know_their_numbers():
    (table,) = tables(some())
    lines = {line.method: line for line in table.lines}
    assert table.lines[0].method == "full"
    dm = lines["dm"]
    assert dm.score.value == pytest.approx(0.82)
    assert dm.score.sem == pytest.approx(0.01 / 3**0.5)
    assert dm.gains["random"].value == pytest.approx(0.3)
    assert dm.gains["random"].sem == pytest.approx(0, abs=1e-12), "the spread of seeds is shared"
    assert dm.gains["random:labels=teacher"].value == pytest.approx(0.21)
    assert dm.label.value == pytest.approx(
        sum(label_robust(0.81 + s, 0.51 + s, 0.99, 0.81 + s) for s in (0, 0.01, 0.02)) / 3
    )
    assert dm.augmented.value == pytest.approx(augmentation_robust(0.3, 0.0, 0.3, 0.0))
    frepo = lines["frepo"]
    assert frepo.augmented.value < augmentation_robust(0.9, 0.5, 0.8, 0.4), "soft labels are compared with soft labels"
    assert table.beaten == (1, 2), "a gain within three standard errors is none"
    assert "random" not in lines["random"].gains
    assert not sure(Measured(0.1, 0.04, 3))
    assert not sure(Measured.of([0.5])), "one run decides nothing"


def test_portability_is_paired_with_both_baselines():
    judged = lambda linear, tree: {"judged": {"by linear": [linear], "by forest": [tree]}}  # noqa: E731
    rows = []
    for seed, shift in enumerate((0.0, 0.1, 0.2)):
        rows += [
            row("random", seed, [0.5], **judged(0.5 + shift, 0.7 + shift)),
            row("k-means", seed, [0.5], **judged(0.6 + shift, 0.4 + shift)),
            row("dm", seed, [0.8], **judged(0.65 + shift, 0.6 + shift)),
        ]
    lines = {line.method: line for line in tables(rows)[0].lines}
    assert lines["dm"].portability == 0.5, "linear models learn more, forests less, than from the better baseline"
    assert lines["random"].portability is None
    assert lines["dm"].panel["linear"].value == pytest.approx(0.75)
    alone = {line.method: line for line in tables(r for r in rows if r["method"] != "k-means")[0].lines}
    assert alone["dm"].portability is None, "one baseline is not both"


def test_a_grid_with_a_panel_has_rows_of_its_own(monkeypatch):
    scored = measurement.measure(cell("random"), Recipe(networks=1, panel="quick"), "cpu", Path("none"))["scores"]
    assert {"by linear", "by forest"} <= set(scored)
    named = [cell("random").named(Recipe(panel=panel))["recipe"] for panel in ("none", "quick")]
    assert "panel" not in named[0], "rows of version 0.1 are found again"
    assert named[1]["panel"] == "quick"
    with pytest.raises(SettingError, match="choose none, quick or full"):
        Recipe(panel="all")


def test_failures_and_a_missing_baseline_do_not_break_the_table():
    rows = [row("dm", 0, [0.8]), row("mtt", 0, [0.1]) | {"status": "killed", "scores": {}}]
    (table,) = tables(rows)
    assert [line.method for line in table.lines] == ["dm"]
    assert table.lines[0].gains == {}
    assert table.lines[0].label is None
    assert table.beaten == (0, 0), "what was not compared did not lose"
    assert [r["method"] for r in table.failures] == ["mtt"]


def test_robust_scores_do_not_reward_labels_and_augmentation_alone():
    assert label_robust(0.8, 0.8, 0.9, 0.9) == pytest.approx(augmentation_robust(0.7, 0.7, 0.5, 0.5))
    assert label_robust(0.9, 0.9, 0.9, 0.4) < label_robust(0.9, 0.9, 0.9, 0.9)
    assert label_robust(0, 1, 1, 0) == 0


def test_figures_are_drawn_for_what_there_is():
    names = set(figures(tables(some())))
    assert names == {"d-1-per-class-cost", "d-1-per-class-transfer"}
    more = some() + [row("dm", s, [0.9], budget="10 per class", bytes=1000) for s in range(2)]
    found = tables(more)
    assert "d-budget" in figures(found)
    assert [table.lines[0].method for table in found] == ["full", "full"], "the ceiling stands in every table"


def test_the_page_escapes_what_it_shows(tmp_path):
    rows = [*some(), row("<script>alert(1)</script>", 0, [0.5]) | {"dataset": "<b>"}]
    page = benchmark_page(rows, tmp_path / "<i>.jsonl")
    assert "<script>" not in page
    assert "<b>," not in page
    assert "<i>" not in page


def test_labels_are_hardened_and_augmentation_is_left_out():
    import torch

    from engram.learning.networks.mlp import MLP

    soft = torch.tensor([[0.1, 0.6, -0.7], [0.4, -0.2, -0.2]])
    assert hardened(Plain(torch.zeros(2, 3), soft)).targets.tolist() == [1, 0]
    tiles = hardened(Formation(torch.zeros(2, 1, 4, 4), soft, 2))
    assert tiles.decode().targets.argmax(1).tolist() == [1, 1, 1, 1, 0, 0, 0, 0]
    number = Plain(torch.zeros(2, 3), torch.zeros(2, 1))
    assert hardened(number) is number
    training = Training.default(MLP(), augment="crop")
    assert plain(training) == Training.default(MLP())


def test_quick_settings_take_changes(wine):
    assert Recipe(quick=True).method("dm:rate=0.5").rate == 0.5
    assert Recipe(quick=True).method("dm").steps == PUBLISHED["dm"].quick.steps
    assert Recipe().method("dm") == PUBLISHED["dm"].method
    assert Recipe(steps=7).method("performance-matching", wine).steps == 7
    assert set(BASELINES) | set(PUBLISHED) == set(all_methods())
    with pytest.raises(SettingError):
        Recipe(networks=0)
    assert cell("dm").key(Recipe()) != cell("dm").key(RECIPE)
    assert cell("dm").key(RECIPE) != cell("dm", budget=Items(3)).key(RECIPE)


def command(*words):
    with pytest.raises(SystemExit) as stop:
        main(["benchmark", *map(str, words)])
    return stop.value.code


def test_the_commands_run_show_and_refuse(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    words = ("run", "wine", "--quick", "--steps", 2, "--method", "random", "--method", "full", "--seeds", 2,
             "--evaluations", 2, "--network", NETWORK, "--out", out)  # fmt: skip
    assert command(*words) == 0
    assert len(Results(out).rows()) == 4
    assert command(*words) == 2
    assert "exists" in capsys.readouterr().err
    assert command(*words, "--resume", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out), "rows": 4, "unfinished": 0}
    assert command("show", out, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert [line["method"] for line in shown["tables"][0]["lines"]] == ["full", "random"]
    assert (tmp_path / "rows" / "benchmark.html").is_file()
    kept = pandas.read_csv(tmp_path / "rows" / "tables.csv")
    assert list(kept["method"]) == ["full", "random"]
    assert list(kept["score.value"]) == [line["score"]["value"] for line in shown["tables"][0]["lines"]]
    assert command("show", out) == 0
    assert "random" in capsys.readouterr().out
    for wrong, said in (
        (("run", "wine", "--method", "dmm", "--out", tmp_path / "x"), "unknown method"),
        (("run", "wine", "--judge", "mpl", "--out", tmp_path / "x"), "unknown network"),
        (("run", "nowhere.npz", "--out", tmp_path / "x"), "neither a file nor"),
        (("run", "wine", "--retry", "--out", tmp_path / "x"), "--retry goes with --resume"),
        (("show", tmp_path / "none"), "cannot be read"),
    ):
        assert command(*wrong) == 2
        assert said in capsys.readouterr().err


def test_runs_under_different_recipes_are_not_compared():
    rows = some() + [row("dm", s, [0.1]) | {"recipe": {"quick": False}, "key": f"other{s}"} for s in range(3)]
    one, other = tables(rows)
    assert next(line.score.value for line in one.lines if line.method == "dm") == pytest.approx(0.82)
    assert other.lines[0].gains == {}


def test_names_of_data_do_not_lead_files_astray():
    rows = [r | {"dataset": "../../evil"} for r in some()]
    assert all("/" not in name and "." not in name for name in figures(tables(rows)))
    other = [r | {"dataset": name, "key": name + r["key"]} for name in ("数字", "服装") for r in some()]
    assert len(figures(tables(other))) == 4, "names in any script stay apart"


def test_scores_of_accuracies_are_not_given_to_others():
    rows = [r | {"metric": "R2", "scores": {k: [-3000.0] for k in r["scores"]}} for r in some()]
    (table,) = tables(rows)
    assert all(line.label is None and line.augmented is None for line in table.lines)


def test_data_of_equal_names_are_told_apart_or_refused(tmp_path, capsys):
    assert cell("dm").dataset == "wine"
    one, other = (Cell(f"multi-index:d=50,noise=0.{k}", "dm", PerClass(1)) for k in (1, 2))
    assert one.key(RECIPE) != other.key(RECIPE)
    assert Recipe(quick=True).method("rat_bptt") == PUBLISHED["rat-bptt"].quick
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").write_text("a,b\n1,2\n")
    assert command("run", tmp_path / "a" / "x.csv", tmp_path / "b" / "x.csv", "--out", tmp_path / "o") == 2
    assert "one name" in capsys.readouterr().err


def test_recipes_and_networks_have_names_and_curves_of_their_own():
    quick = {"kind": "benchmark:Recipe", "quick": True, "networks": 2}
    rows = [row("dm", s, [0.8], budget=b, recipe=r, network=n) | {"key": f"{s}{b}{r}{n}"}
            for s in range(2) for b in ("1 per class", "10 per class") for r in (quick, quick | {"steps": 9})
            for n in ("", "mlp")]  # fmt: skip
    found = tables(rows)
    assert len({table.title for table in found}) == len(found) == 8
    assert "d, 1 per class, mlp, networks 2, quick, steps 9" in {table.title for table in found}
    assert len([name for name in figures(found) if name.endswith("-budget")]) == 4


def test_a_grid_runs_in_slices_of_time(tmp_path, capsys):
    out = tmp_path / "rows.jsonl"
    words = ["benchmark", "run", "wine", "--network", NETWORK, "--seeds", "2", "--evaluations", "1", "--panel", "none"]
    words += ["--jobs", "1", "--method", "random", "--method", "dm:augment=,steps=1000000", "--out", str(out), "--json"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--time", "20s"])
    assert left.value.code == 0
    first = json.loads(capsys.readouterr().out)
    assert first["rows"] < 4
    with pytest.raises(SystemExit):
        main([*words, "--time", "5s"])
    assert "exists" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main([*words, "--time", "5s", "--resume"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["rows"] >= first["rows"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--time", "soon", "--resume"])
    assert left.value.code == 2


def test_a_run_that_may_hold_little_memory_leaves_its_row(tmp_path):
    rows = run(tmp_path / "rows.jsonl", [cell("random"), cell("k-means")], demand=Demand(memory=10**6))
    assert {row["status"] for row in rows.values()} <= {"out of memory", "failed", "killed"}
    assert len(rows) == 2
