"""Die in the middle, go on, and compare bytes: ``python tests/faults/interruptions.py --kills 200``.

Two ways to die. *Crash points*: before and after every call that puts something on disk (fsync, replace, rename, unlink, link), one
run for each. *Kills*: a signal after a random time, up to three times in one life. What is repeated with ``--resume`` must end in the
bytes of a run that nobody disturbed, and leave nothing half written behind.
"""

import argparse
import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["JOBS", "Job", "crashed", "killed", "points"]

_CALLS = ("fsync", "replace", "rename", "unlink", "remove", "link")
_DEAD = 137


@dataclass(frozen=True)
class Job:
    """A command that goes on where it was cut short.

    Args:
        words: its arguments, a space between; ``OUT`` is a path in an empty folder.
        out: that path.
        facts: what of the results must be the same.
        patience: seconds that a run may take.
        flag: that says go on, where something must.
    """

    words: str
    out: str
    facts: Callable[[Path], Any]
    patience: float = 180.0
    flag: tuple[str, ...] = ("--resume",)

    def arguments(self, folder: Path, resume: bool) -> list[str]:
        words = [str(folder / self.out) if word == "OUT" else word for word in self.words.split()]
        return words + [*self.flag] * resume


def _engram(folder: Path) -> Any:
    return (folder / "w.engram").read_bytes()


def _rows(folder: Path) -> Any:
    """Rows without what differs from run to run: times and memory."""
    rows = [json.loads(line) for line in (folder / "b.jsonl").read_text().splitlines()]
    same = ("key", "status", "scores", "select", "bytes", "steps", "settings")
    return sorted(json.dumps({name: row[name] for name in same}) for row in rows)


def _study(folder: Path) -> Any:
    cells = [json.loads(line) for line in next((folder / "s").glob("**/*.jsonl")).read_text().splitlines()]
    return sorted(json.dumps([cell["key"], cell["result"]]) for cell in cells)


JOBS = {
    "distill": Job(
        "distill wine --per-class 1 --network mlp:width=16 --steps 300 --seeds 1 --panel none --out OUT -q",
        "w.engram",
        _engram,
    ),
    "benchmark": Job(
        "benchmark run wine --method distribution-matching --method random --seeds 2 --evaluations 1 --steps 4 --jobs 2 --out OUT -q",
        "b.jsonl",
        _rows,
    ),
    "study": Job("study transfer --quick --seeds 2 --jobs 2 --out OUT -q", "s", _study, flag=()),
}


def _child(act: Callable[[], None]) -> int:
    """Run something in a copy of this process, and in a group of its own."""
    number = os.fork()
    if number:
        return number
    os.setsid()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    code = 1
    try:
        act()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        os._exit(code)


def _ended(number: int, patience: float) -> int | None:
    """Its exit code once it has ended; None when it is still alive."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        found, status = os.waitpid(number, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return None


def _run(job: Job, folder: Path, resume: bool, before: Callable[[], None] = lambda: None) -> int:
    def act() -> None:
        from engram.cli import main
        from engram.workflow import distilling

        distilling._CHECKPOINT_SECONDS = 0.05
        before()
        main(job.arguments(folder, resume))

    return _child(act)


def _finished(job: Job, folder: Path, resume: bool) -> None:
    code = _ended(number := _run(job, folder, resume), job.patience)
    if code != 0:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(number, signal.SIGKILL)
        raise AssertionError(f"{' '.join(job.arguments(folder, resume))} ended with {code}")


def _die_at(place: int, counter: Path | None = None) -> Callable[[], None]:
    """Let the calls be counted, and the process end at one of them: even numbers before it is done, odd ones after."""

    def before() -> None:
        count = [0]
        own = os.getpid()

        def watched(call: Callable[..., Any]) -> Callable[..., Any]:
            def watching(*args: Any, **kwargs: Any) -> Any:
                if os.getpid() != own:
                    return call(*args, **kwargs)
                if count[0] == place:
                    os._exit(_DEAD)
                count[0] += 1
                result = call(*args, **kwargs)
                if count[0] == place:
                    os._exit(_DEAD)
                count[0] += 1
                if counter is not None:
                    counter.write_text(str(count[0]))
                return result

            return watching

        for name in _CALLS:
            setattr(os, name, watched(getattr(os, name)))

    return before


def _whole(job: Job) -> Any:
    """What a run that nobody disturbs says."""
    with tempfile.TemporaryDirectory() as folder:
        _finished(job, Path(folder), resume=False)
        return job.facts(Path(folder))


def _left(folder: Path) -> list[str]:
    return [str(path.name) for path in folder.rglob(".engram-*")]


def points(job: Job) -> int:
    """How many crash points a run has."""
    with tempfile.TemporaryDirectory() as folder:
        counter = Path(folder) / "count"
        place = Path(folder) / "run"
        place.mkdir()
        if _ended(_run(job, place, False, _die_at(-1, counter)), job.patience) != 0:
            raise AssertionError("the run failed")
        return int(counter.read_text())


def crashed(job: Job, places: Sequence[int], whole: Any = None) -> list[str]:
    """Die at each of these points, go on, and say what is not as it should be.

    Args:
        job: what is run.
        places: crash points (`points`).
        whole: what an undisturbed run says; it is run when None.

    Returns:
        Faults, in words.
    """
    whole = _whole(job) if whole is None else whole
    faults = []
    for place in places:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            code = _ended(_run(job, folder, False, _die_at(place)), job.patience)
            if code not in (0, _DEAD):
                faults.append(f"point {place}: ended with {code}")
                continue
            faults += _compared(job, folder, whole, f"point {place}")
    return faults


def killed(job: Job, dice: Random, longest: float, whole: Any) -> tuple[int, list[str]]:
    """Kill a run up to three times, go on, and compare.

    Args:
        job: what is run.
        dice: for times and signals.
        longest: seconds after which no kill comes.
        whole: what an undisturbed run says.

    Returns:
        How often a signal met it alive, and faults in words.
    """
    kills, faults = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(dice.randint(1, 3)):
            number = _run(job, folder, turn > 0)
            time.sleep(dice.random() * longest)
            sent = dice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
            if _ended(number, 0.01) is not None:
                break
            os.kill(number, sent)
            kills += 1
            if _ended(number, 60) is None:
                os.killpg(number, signal.SIGKILL)
                faults.append(f"alive a minute after signal {sent}")
                break
        time.sleep(0.2)
        return kills, faults + _compared(job, folder, whole, f"{kills} kills")


def _compared(job: Job, folder: Path, whole: Any, what: str) -> list[str]:
    try:
        _finished(job, folder, resume=True)
        found = job.facts(folder)
    except (AssertionError, OSError, ValueError, KeyError) as error:
        return [f"{what}: {error}"]
    faults = [] if found == whole else [f"{what}: other results"]
    return faults + [f"{what}: left {name}" for name in _left(folder)]


def main() -> None:
    """Count, and print a line for each job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--kills", type=int, default=200, help="three fifths of them distillations, a fifth each of grids and studies"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--job", choices=JOBS, action="append", help="these alone")
    parser.add_argument("--out", type=Path, help="JSON lines")
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for name in given.job or JOBS:
        job, begun = JOBS[name], time.perf_counter()
        whole = _whole(job)
        longest = time.perf_counter() - begun
        if name == "distill":
            count = points(job)
            faults = crashed(job, range(count), whole)
            _say({"job": name, "way": "crash points", "tried": count, "bad": len(faults)}, faults, given.out)
        dice, kills, runs, faults = Random(given.seed), 0, 0, []
        while kills < given.kills * (3 if name == "distill" else 1) // 5:
            more, wrong = killed(job, dice, longest, whole)
            kills, runs, faults = kills + more, runs + 1, faults + wrong
        _say({"job": name, "way": "kills", "tried": kills, "runs": runs, "bad": len(faults)}, faults, given.out)


def _say(found: dict[str, Any], faults: list[str], out: Path | None) -> None:
    print(json.dumps(found), flush=True)
    for fault in faults:
        print("    ", fault[:300], flush=True)
    if out is not None:
        with out.open("a") as file:
            file.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("ENGRAM_CACHE", tempfile.mkdtemp())
    main()
