"""The same grid here and on two Ray nodes, one of which is killed while it works: `python benchmarks/cluster.py`.

Rows must have the same scores; writes results/cluster.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from engram.benchmark.grid import Cell, Recipe
from engram.benchmark.results import Results
from engram.benchmark.runner import run_grid
from engram.engines import Demand, engine_of
from engram.samples.budget import PerClass

RECIPE = Recipe(quick=True, networks=2)
CELLS = [
    Cell(data, method, PerClass(1), "mlp:width=32", seed)
    for seed in range(2)
    for data in ("wine", "breast-cancer")
    for method in ("random", "k-means", "dm:augment=", "frepo", "full")
]
LOOPBACK, PORT = "127.0.0.1", "6399"
TOLD = ("key", "dataset", "method", "seed", "status", "scores")


# A cluster that others can reach must know them.
os.environ["RAY_AUTH_MODE"] = "token"


def start(*words: str) -> subprocess.Popen:
    """A node of one core; its processes die with this one."""
    fixed = ("--num-cpus", "1", "--disable-usage-stats", "--block")
    command = [str(Path(sys.executable).with_name("ray")), "start", *words, *fixed]
    node = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(20)
    return node


def rows(path: Path, engine, demand: Demand, watch=None) -> tuple[dict[str, dict], float]:
    begun = time.monotonic()
    run_grid(CELLS, RECIPE, Results(path), engine=engine, demand=demand, watch=watch)
    return {row["key"]: {key: row[key] for key in TOLD} for row in Results(path).rows()}, time.monotonic() - begun


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here, alone = rows(Path(folder) / "local.jsonl", engine_of("local", 2), Demand(threads=1))
        print(f"local: {len(here)} rows in {alone:.0f} s", flush=True)
        head, second = (
            start("--head", "--port", PORT, "--include-dashboard", "false"),
            start("--address", f"{LOOPBACK}:{PORT}"),
        )
        killed = []

        def kill(done: int, total: int, now: str) -> None:
            if done >= 4 and not killed:
                second.kill()
                killed.append(done)
                print(f"the second node was killed after {done} rows", flush=True)

        engine, demand = engine_of(f"ray:{LOOPBACK}:{PORT}"), Demand(threads=1, retries=3)
        try:
            there, apart = rows(Path(folder) / "ray.jsonl", engine, demand, kill)
        finally:
            second.kill()
            head.terminate()
    print(f"ray: {len(there)} rows in {apart:.0f} s; the same: {here == there}", flush=True)
    found = {"cells": len(CELLS), "killed_after": killed, "same": here == there}
    found |= {"seconds": {"local, two processes": round(alone, 1), "two nodes, one killed": round(apart, 1)}}
    found |= {"rows": sorted(there.values(), key=lambda row: row["key"])}
    (Path(__file__).parent / "results" / "cluster.json").write_text(json.dumps(found, indent=1) + "\n")
    if here != there:
        raise SystemExit("rows differ")


if __name__ == "__main__":
    main()
