"""Print the tables of results/objectives: of the README, of every method, of the default method.

python benchmarks/objectives.py

The rows are written by `engram benchmark run`, with the commands that stand in benchmarks/README.md.
"""

from pathlib import Path

from engram.benchmark.results import Results
from engram.numerics.statistics import Measured
from engram.report.tables import Table, plus_minus, spent, tables

FOLDER = Path(__file__).parent / "results" / "objectives"
NAMES = {
    "full": "all data",
    "remember": "performance matching, samples as mixtures of bases (`remember`)",
    "frepo": "performance matching, closed form on a pool (`frepo`)",
    "kip": "performance matching, closed form on random networks (`kip`)",
    "rat-bptt": "performance matching, random truncated window (`rat-bptt`)",
    "dd": "performance matching, unrolled (`dd`)",
    "rcig": "performance matching, implicit gradients (`rcig`)",
    "dc": "gradient matching (`dc`)",
    "dsa": "gradient matching with siamese augmentation (`dsa`)",
    "idc": "gradient matching with multi-formation (`idc`)",
    "lgm": "linear gradient matching (`lgm`)",
    "dm": "distribution matching (`dm`)",
    "ncfm": "characteristic functions (`ncfm`)",
    "mtt": "trajectory matching (`mtt`)",
    "tesla": "trajectory matching, constant memory, soft labels (`tesla`)",
    "datm": "trajectory matching, difficulty-aligned (`datm`)",
    "rded": "patch selection (`rded`)",
    "herding": "herding",
    "k-means": "k-means centres",
    "random": "random images",
    "random:labels=teacher": "random images, teacher's soft labels",
}


def overview(found: list[Table]) -> None:
    """Every method on every dataset, in the order of the first."""
    by_name = [{line.method: line for line in table.lines} for table in found]
    first = by_name[0]
    distilled = [name for name, line in first.items() if line.kind == "distilled"]
    print(
        "| at the bytes of ten images, most in about a minute |",
        " | ".join(table.dataset for table in found),
        "| seconds |",
    )
    print("|---|" + "---|" * (len(found) + 1))
    for name in ("full", *distilled, "herding", "k-means", "random", "random:labels=teacher"):
        scores = " | ".join(plus_minus(lines[name].score) for lines in by_name)
        print(f"| {NAMES[name]} | {scores} | {spent(first[name])} |")


def whole(table: Table) -> None:
    """Everything that is known of one dataset."""
    beaten, distilled = table.beaten
    print(
        f"\n**{table.title}** ({beaten} of {distilled} above both kinds of random rows by three",
        end="",
    )
    print(" standard errors)\n")
    print("| method | test accuracy | minus random | minus random + soft labels | plain | LRS | ARS | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for line in table.lines:
        gains = [plus_minus(line.gains.get(name), True) for name in ("random", "random:labels=teacher")]
        robust = [plus_minus(value, False, 1) for value in (line.label, line.augmented)]
        name = "all data" if line.kind == "full" else line.method
        print(f"| {name} | {plus_minus(line.score)} |", " | ".join((*gains, plus_minus(line.plain), *robust)), end="")
        print(f" | {spent(line)} |")
    for row in table.failures:
        print(f"\n{row['method']}, seed {row['seed']}: {row['status']} {row['message']}")


def default(found: list[Table], rows: list[dict]) -> None:
    """The default method at its own width and on the field's ConvNet-3/128."""
    print(
        "\n| ten images | seeds | distilling, s | ConvNet width 32 | width 128 | width 32, plain | width 32, hard labels |"
    )
    print("|---|---|---|---|---|---|---|")
    for table in found:
        (line,) = table.lines
        own = [row["scores"]["hard"] for row in rows if row["dataset"] == table.dataset]
        hard = Measured.of(sum(runs) / len(runs) for runs in own)
        wide = line.transfer["convnet:width=128"]
        scores = " | ".join(map(plus_minus, (line.score, wide, line.plain, hard)))
        print(f"| {table.dataset} | {line.score.n} | {spent(line)} | {scores} |")


if __name__ == "__main__":
    quick = tables(Results(FOLDER / "quick.jsonl").rows())
    overview(quick)
    for each in quick:
        whole(each)
    kept = Results(FOLDER / "default.jsonl").rows()
    default(tables(kept), kept)
