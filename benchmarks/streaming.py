"""Memory and time over rows: one table of 1, 4 and 16 million generated rows, distilled within the same memory.

python benchmarks/streaming.py [FOLDER]   writes tables into FOLDER (a temporary one), and results/streaming.json

Each run is a process of its own with --max-ram 100MB, of which the peak of the resident set is measured: first while the table is
read and stored, then again with the stored rows.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS, PIECE = 16, 500_000
RUN = """
import json, resource, sys, time
from engram import PerClass, run
begun = time.time()
outcome = run(sys.argv[1], target="y", out=sys.argv[2], budget=PerClass(5), steps=200, seeds=2, panel="none", force=True, stream=True)
train = outcome.problem.train
print(json.dumps({
    "rows": len(train), "stored": type(train).__name__, "seconds": round(time.time() - begun, 1),
    "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    **{name: [round(run, 4) for run in row.runs] for name, row in outcome.scores.rows.items() if name in ("engram", "full", "k_means")},
}))
"""


def write(path: Path, rows: int) -> None:
    """A table whose classes depend on three of its columns."""
    rng = np.random.default_rng(rows)
    writer = None
    for _ in range(rows // PIECE):
        x = rng.normal(size=(PIECE, COLUMNS)).astype(np.float32)
        y = (np.sign(x[:, 0] * x[:, 1] + x[:, 2]) + 1).astype(np.int8) // 2
        table = pa.table({f"c{k}": x[:, k] for k in range(COLUMNS)} | {"y": y})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def measured(folder: Path, table: Path) -> dict:
    variables = os.environ | {"ENGRAM_CACHE": str(folder / "cache"), "ENGRAM_MAX_RAM": "100MB"}
    command = [sys.executable, "-c", RUN, str(table), str(folder / "out.engram")]
    done = subprocess.run(command, capture_output=True, text=True, env=variables)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main(folder: Path) -> None:
    found = []
    for millions in (1, 4, 16):
        table = folder / "rows.parquet"
        write(table, millions * 1_000_000)
        size = table.stat().st_size
        for pass_ in ("first reading", "stored rows"):
            line = {"millions": millions, "pass": pass_, "file MB": round(size / 1e6), **measured(folder, table)}
            print(json.dumps(line), flush=True)
            found.append(line)
        table.unlink()
    (Path(__file__).parent / "results" / "streaming.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    begun = time.time()
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.time() - begun:.0f} s; this process itself {peak:.0f} MiB")
