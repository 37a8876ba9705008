"""Import paths of version 0.1 work for one release, and warn where they are used."""

import importlib
import subprocess
import sys
import warnings

import pytest

FORMER = {
    "engram.problem": ("Problem", "Split", "Task", "fit_linear"),
    "engram.fitting": ("Data", "Fitted", "fit", "descend", "measure", "gradient", "refit", "each_network"),
    "engram.experts": ("Experts", "experts", "teacher", "told"),
    "engram.container": ("read_tensors", "check_writable", "code_version"),
    "engram.networks.mlp": ("MLP",),
    "engram.networks.custom": ("Custom",),
    "engram.methods.performance_matching": ("PerformanceMatching",),
    "engram.subspace": ("dimension", "overlap", "gradient_outer_product"),
    "engram.preprocessing": ("Classes", "Number", "Columns", "Pixels", "Preprocessing"),
    "engram.preprocessing.targets": ("Classes",),
    "engram.artefact": ("Engram", "Replay", "load"),
    "engram.loop": ("Run", "distill", "iterate", "resume", "outputs", "bare"),
    "engram.outer": ("Matcher", "Pooled", "Scene", "Outer"),
    "engram.study": ("Study", "Claim", "Measured", "slope", "conduct", "ORDER"),
    "engram.beside": ("Beside",),
    "engram.benchmark": ("Cell", "Recipe", "Results"),
    "engram.evaluation.full": ("train_full",),
    "engram.report.benchmark": ("tables", "benchmark_page", "figures"),
}


@pytest.mark.parametrize("module", FORMER)
def test_names_are_found_at_their_former_place(module):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = importlib.import_module(module)
        for name in FORMER[module]:
            assert getattr(found, name).__module__.startswith("engram.") if name != "ORDER" else found.ORDER


def test_the_warning_says_where_the_name_is_now_and_points_at_the_user(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text("from engram.networks.mlp import MLP\nprint(MLP())\n")
    done = subprocess.run([sys.executable, "-W", "always", script], capture_output=True, text=True, check=True)
    assert done.stdout == "MLP(width=128, depth=1, activation='relu')\n"
    assert "mine.py:1: DeprecationWarning: engram.networks.mlp has moved to engram.learning.networks.mlp" in done.stderr


def test_what_never_was_is_not_found():
    for name in (
        "engram.nowhere",
        "engram.data.random",
        "engram.samples.errors",
        "engram.cli.spec",
        "engram.problem.x",
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pytest.raises(ModuleNotFoundError):
                importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ImportError):
            exec("from engram.problem import Nothing", {})
        from engram.benchmark import conduct, everything

    assert (conduct.__name__, everything.__name__) == ("run_grid", "all_methods")


def test_a_star_takes_what_it_took():
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("from engram.problem import *", found)
    assert {"Problem", "Split", "Task", "fit_linear"} <= set(found)


def test_an_old_name_of_a_module_that_stayed_warns():
    import engram.benchmark as module

    with pytest.warns(DeprecationWarning, match=r"run_grid"):
        _ = module.conduct
