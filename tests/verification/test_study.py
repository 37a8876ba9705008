"""Studies: rules that can say no, cells that are measured once, a page that escapes what it shows."""

import json
import math

import pytest
from click.testing import CliRunner

from engram.cli import _program
from engram.data.sources.multi_index import MultiIndex
from engram.errors import SettingError
from engram.memory.provenance import code_version
from engram.numerics.leave_one_out import leave_one_out
from engram.numerics.linalg import ridge
from engram.numerics.statistics import Measured, exponent
from engram.report.theory import theory_page
from engram.spec import load, names
from engram.verification.cells import Cell, Cells, Found, Scale
from engram.verification.claims import Claim, Interval, Verdict
from engram.verification.laboratory import Bench
from engram.verification.result import Result, Table
from engram.verification.search import crossing, smallest
from engram.verification.spectral import KINDS, eigenvectors
from engram.verification.study import ORDER, run_study


def claim(value, sem, control):
    return Claim("s", "r", Measured(value, sem, 5), Interval(high=1.0), Measured(control, 0.1, 5), "c")


def test_rules_hold_fail_or_stay_open():
    assert Interval(high=1.0).judge(Measured(0.5, 0.15, 5)) is Verdict.HOLDS
    assert Interval(high=1.0).judge(Measured(0.9, 0.2, 5)) is Verdict.UNDECIDED
    assert Interval(high=1.0).judge(Measured(0.5, 0.1, 3)) is Verdict.HOLDS
    assert Interval(high=1.0).judge(Measured(0.5, 0.1, 2)) is Verdict.UNDECIDED, "Student's t: two runs say little"
    assert Measured(0.0, 1.0, 5).margin == pytest.approx(2.776, abs=1e-3)
    assert Interval(high=1.0).judge(Measured(1.5, 0.15, 5)) is Verdict.FAILS
    assert Interval(0.0, 1.0).judge(Measured(0.5, 0.3, 5)) is Verdict.UNDECIDED
    assert Interval(high=1.0).judge(Measured(math.nan, 0.1, 0)) is Verdict.UNDECIDED
    assert Interval(high=1.0).judge(Measured.of([0.1])) is Verdict.UNDECIDED, "one run knows no error"


def test_a_rule_whose_control_passes_decides_nothing():
    assert claim(0.5, 0.1, 3.0).verdict is Verdict.HOLDS
    assert claim(0.5, 0.1, 0.2).verdict is Verdict.UNDECIDED
    assert claim(3.0, 0.1, 5.0).verdict is Verdict.FAILS
    verdict = lambda *claims: Result(claims, [], []).verdict  # noqa: E731
    good, bad, lame = claim(0.5, 0.1, 3.0), claim(3.0, 0.1, 5.0), claim(0.5, 0.1, 0.2)
    assert [verdict(good), verdict(good, lame), verdict(good, lame, bad)] == [
        Verdict.HOLDS,
        Verdict.UNDECIDED,
        Verdict.FAILS,
    ]


def test_exponents_come_with_their_error():
    exact = exponent({x: [3 * x**1.7] * 3 for x in (1.0, 2.0, 4.0)})
    assert exact.value == pytest.approx(1.7)
    assert exact.sem == pytest.approx(0, abs=1e-6)
    noisy = exponent({x: [x * f for f in (0.8, 1.0, 1.3)] for x in (1.0, 2.0, 4.0, 8.0)})
    assert noisy.value == pytest.approx(1)
    assert noisy.sem == pytest.approx(0, abs=1e-9), "each run is a line of its own, whatever its height"
    steep = exponent({x: [x, x**2, x**3] for x in (1.0, 2.0, 4.0)})
    assert (steep.value, steep.n) == (pytest.approx(2), 3)
    assert steep.sem == pytest.approx(3**-0.5)
    assert math.isnan(exponent({1.0: [2.0, 3.0, 4.0]}).value)
    assert math.isnan(exponent({1.0: [2.0, 3.0], 2.0: [4.0]}).value), "runs that are not the same cannot be lines"
    assert math.isnan(exponent({1.0: [1.0, math.nan], 2.0: [2.0, 2.0]}).value), "what was not reached is not left out"


class Counting:
    title, question = "Counting", "How often?"

    def __init__(self):
        self.measured = []

    def cells(self, scale, seeds):
        return [Cell("one", {"x": x, "seed": s}) for x in (1, 2) for s in range(seeds or 3)]

    def measure(self, cell):
        self.measured.append(cell.key)
        if cell.seed == 1 and len(self.measured) == 2:
            raise KeyboardInterrupt
        return {"value": cell.x + cell.seed}

    def conclude(self, found, scale):
        rows = [["mean", found.mean("one", "value", **s)] for s in found.settings("one")]
        return Result([claim(0.5, 0.1, 3.0)], [Table("t", ["", "v"], rows)], [])


def test_finished_cells_are_not_measured_again(tmp_path):
    study, store = Counting(), Cells(tmp_path / "c.jsonl", "1")
    with pytest.raises(KeyboardInterrupt):
        run_study(study, Scale.QUICK, store)
    with store.path.open("a") as file:
        file.write('{"key": "odd", "version": "1", "result": {"value": "hello"}}\n{"key": "torn')
    seen = []
    result = run_study(study, Scale.QUICK, store, watch=lambda done, total: seen.append((done, total)))
    assert len(study.measured) == 1 + 1 + 5, "one finished, one interrupted, five to go"
    assert seen[0] == (1, 6)
    assert seen[-1] == (6, 6)
    assert result.tables[0].as_json()["rows"] == [["mean", "2 ± 0.58"], ["mean", "3 ± 0.58"]]
    run_study(study, Scale.QUICK, store)
    assert len(study.measured) == 7, "the torn line cost nothing"
    run_study(study, Scale.QUICK, Cells(store.path, "2"))
    assert len(study.measured) == 13, "another version measures anew"
    with pytest.raises(SettingError, match="no standard error"):
        run_study(study, Scale.QUICK, store, seeds=1)


def test_results_are_paired_by_cell():
    cells = [(Cell("a", {"seed": s}), {"one": 2.0 + s, "two": 1.0 + s}) for s in range(4)]
    found = Found([*cells, (Cell("b", {"seed": 0}), {"one": 9.0})])
    assert found.gap("a", "one", "two") == Measured(1.0, 0.0, 4)
    assert found.runs("a", "one") == [2.0, 3.0, 4.0, 5.0]
    assert found.ratio("a", "two", "one").n == 4


@pytest.mark.parametrize("name", names("studies"))
def test_every_study_lists_distinct_cells_that_a_file_can_hold(name):
    study = load("studies", name)()
    assert set(ORDER) == set(names("studies"))
    assert study.question.endswith("?")
    sizes = []
    for scale in Scale:
        cells = study.cells(scale, None)
        assert len({cell.key for cell in cells}) == len(cells)
        assert all(json.loads(cell.key)[1]["seed"] >= 0 for cell in cells)
        sizes.append(len(cells))
    assert sizes[0] < sizes[1] <= sizes[2]


def test_the_search_finds_where_an_error_crosses():
    asked = []

    def error(size):
        asked.append(size)
        return 8.0 / size

    assert smallest(error, 2, 100, 0.5) == pytest.approx(16, rel=1e-6)
    assert asked == sorted(set(asked))
    assert smallest(error, 20, 100, 0.5) == 20.0
    assert math.isnan(smallest(error, 2, 10, 0.5))


def test_leave_one_out_is_what_leaving_one_out_gives():
    import torch

    generator = torch.Generator().manual_seed(0)
    for rows in (8, 40):
        phi, y = torch.randn(rows, 12, generator=generator), torch.randn(rows, 1, generator=generator)
        test = torch.randn(5, 12, generator=generator)
        found = leave_one_out(phi, y, test)
        best = (math.inf, None)
        design = lambda p: torch.cat([p, torch.ones(len(p), 1)], 1).double()  # noqa: E731
        for penalty in (10.0**k for k in range(-6, 2)):
            full = design(phi)
            values = torch.linalg.eigvalsh(full @ full.T if rows <= 13 else full.T @ full).clamp_min(0)
            size = penalty * float(values.mean())
            error = 0.0
            for n in range(rows):
                kept = torch.arange(rows) != n
                gram = full[kept].T @ full[kept] + size * torch.eye(13).double()
                weight = torch.linalg.solve(gram, full[kept].T @ y[kept].double())
                error += float((full[n] @ weight - y[n]) ** 2)
            whole = torch.linalg.solve(full.T @ full + size * torch.eye(13).double(), full.T @ y.double())
            best = min(best, (error, design(test) @ whole), key=lambda pair: pair[0])
        assert torch.allclose(found.double(), best[1], atol=1e-3)
        assert ridge(phi, y, 1e-3).shape == (13, 1)


def test_one_study_from_the_command_line_twice(tmp_path, monkeypatch):
    """Two seeds of the smallest study, resumed: the second call measures nothing and writes the same results."""
    from engram.verification.studies.transfer import Transfer

    few = lambda self, scale, seeds: [  # noqa: E731
        Cell("transfer", {"d": d, "width": 80, "rows": 1500, "seed": s}) for s in range(2) for d in (10, 14)
    ]
    monkeypatch.setattr(Transfer, "cells", few)
    out = tmp_path / "results"
    call = lambda: CliRunner().invoke(  # noqa: E731
        _program,
        ["study", "transfer", "--quick", "--json", "-q", "--jobs", "1", "--out", str(out)],
        catch_exceptions=False,
    )
    first = json.loads(call().stdout)
    assert [c["verdict"] for c in first["studies"][0]["claims"]]
    monkeypatch.setattr(Transfer, "measure", None)
    assert json.loads(call().stdout) == first
    record = json.loads((out / "transfer.json").read_text())
    (out / "transfer.json").write_text(json.dumps(record | {"scale": "default"}))
    assert "holds results of full scale" in str(call_(out).exception)
    assert {"transfer-samples.svg", "transfer-samples.png"} <= {p.name for p in (out / "figures").iterdir()}
    assert "What dataset distillation remembers" in (out / "theory.html").read_text()


def call_(out):
    return CliRunner().invoke(_program, ["study", "transfer", "--quick", "--jobs", "1", "--out", str(out)])


def test_the_page_escapes_and_damaged_results_are_refused(tmp_path):
    record = {"name": "limits", "title": "<script>alert(1)</script>", "question": "?", "scale": "quick"}
    record |= {
        "verdict": "holds",
        "claims": [claim(0.5, 0.1, 3.0).as_json()],
        "tables": [],
        "figures": [],
        "remarks": [],
    }
    (tmp_path / "limits.json").write_text(json.dumps(record))
    text = theory_page(tmp_path)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    (tmp_path / "limits.json").write_text("{")
    from engram.errors import ArtefactError

    with pytest.raises(ArtefactError, match="repeat the study"):
        theory_page(tmp_path)


def test_a_bench_agrees_with_itself():
    bench = Bench(MultiIndex(d=10, r=2, rows=2000), 0, 80)
    assert bench.true_subspace() < bench.one_step() + 0.1 < bench.random_features() + 0.1
    assert bench.linear() == pytest.approx(1, abs=0.05)


def test_the_code_has_a_version():
    assert code_version() == code_version()
    assert len(code_version().split()[1]) == 16


def test_beyond_tells_the_laws_apart():
    """Numbers that follow r^2 d + L are not called r d + L; a setting that was not reached decides nothing."""
    from engram.verification.studies.beyond import Beyond

    def judged(law, lost=False):
        results = []
        for cell in Beyond().cells(Scale.DEFAULT, 5):
            if cell.name == "floor":
                results.append(
                    (cell, {"vectors 1": 0.9, "fewer less bound": 0.1, "r less bound": -0.1 - 0.01 * cell.seed})
                )
                continue
            numbers = law(cell.r, cell.d, cell.width) * (1 + 0.01 * cell.seed)
            numbers = math.nan if lost and cell.d == 256 else numbers
            plain = {
                f"{name} {what}": numbers
                for name in ("points", "pairs", "mixtures", "more mixtures")
                for what in ("labels", "numbers")
            }
            results.append(
                (cell, plain | {"full": 0.1, "fewest": numbers, "of law": numbers / (cell.r * cell.d + cell.width)})
            )
        return [claim.verdict for claim in Beyond().conclude(Found(results), Scale.DEFAULT).claims]

    assert set(judged(lambda r, d, width: 0.9 * (r * d + width))) == {Verdict.HOLDS}
    assert Verdict.FAILS in judged(lambda r, d, width: 0.45 * (r * r * d + width))
    assert Verdict.HOLDS not in judged(lambda r, d, width: 0.9 * (r * d + width), lost=True)[:1]


def test_one_eigendecomposition_is_a_strong_baseline():
    """Of seeded mixtures a network learns; of eigenvectors of shuffled labels, or of points as they are drawn, it does not."""
    bench = Bench(MultiIndex(d=20, r=2, rows=4000), 0, 200)
    errors = {kind: bench.replay(eigenvectors(bench, kind).decode().inputs) for kind in KINDS}
    assert min(errors.values()) < 0.25
    assert bench.numbers(eigenvectors(bench, "mixtures")) == 2 * 20 + 21, "r vectors and the linear part"
    assert bench.replay(eigenvectors(bench.shuffled(), "mixtures").decode().inputs) > 0.7
    assert bench.replay(bench.undistilled(8).decode().inputs) > 0.7
    assert float(bench.problem.train.targets[0]) == float(Bench(bench.task, 0, 200).problem.train.targets[0])


def test_a_second_step_matched_anew_sees_what_the_first_does_not():
    from engram.verification.studies.staircase import Staircase

    found = Staircase().measure(Cell("steps", {"d": 16, "width": 128, "rows": 4096, "points": 16, "seed": 0}))
    assert found["anew 2"] < found["anew 1"] - 0.05
    assert found["again 2"] > found["anew 1"] - 0.05, "the same points once more do not"
    assert found["anew 2 direction 2"] > found["anew 1 direction 2"]


def test_a_measured_curve_is_crossed_where_the_search_crosses_it():
    errors = {size: 8.0 / size for size in (2, 3, 4, 6, 8, 11, 15, 21)}
    assert crossing(errors, 0.5) == pytest.approx(16, rel=1e-6)
    assert math.isnan(crossing(errors, 0.1))
    assert crossing(errors, 5.0) == 2.0
