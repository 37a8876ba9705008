"""Open damaged files, count what comes of it, and keep the faults: ``python tests/faults/fuzz.py --inputs 1000``.

Every input is opened in a process of its own kind: at most so many seconds, so much memory, and a place where something that
was executed would show. An input is *read*, *refused* in one sentence (an `EngramError`), or *bad*: any other exception, death,
too long, too much memory, a message of several lines.
"""

import argparse
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from typing import Any

__all__ = ["counted", "tried"]

HERE = Path(__file__).parent
SECONDS = 20
MEGABYTES = 2000
_LONGEST = 2100
"""Characters of one sentence, paths and lists of names included."""


class TooLong(BaseException):
    """Not an `Exception`, so that nothing on the way handles it."""


def tried(name: str, number: int, folder: Path, whole: Path) -> tuple[str, str]:
    """Damage one file of a reader and open it.

    Args:
        name: of the reader.
        number: of the input, which is all that it depends on.
        folder: an empty one.
        whole: what the reader's `make` wrote.

    Returns:
        What came of it, and what was said.
    """
    from readers import READERS

    from engram.errors import EngramError

    reader, dice = READERS[name], Random(f"{name} {number}")
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    aim = folder / reader.aims[number % len(reader.aims)]
    aim.write_bytes(reader.damage(aim.read_bytes(), dice))

    def late(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    here = os.getcwd()
    os.chdir(folder)
    try:
        reader.opens(folder)
        said = "read", ""
    except EngramError as error:
        message = str(error)
        plain = 0 < len(message) <= _LONGEST and "\n" not in message
        said = ("refused" if plain else "bad"), message
    except TooLong:
        said = "bad", f"more than {SECONDS} seconds"
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)
        own = [f for f in last if "engram" in f.filename] or list(last)
        said = "bad", f"{type(error).__name__}: {error} ({Path(own[-1].filename).name}:{own[-1].lineno})"
    finally:
        signal.alarm(0)
        os.chdir(here)
    if any(folder.rglob("executed")) or Path("executed").exists():
        said = "bad", "EXECUTED"
    return said


def _child(name: str, first: int, last: int, whole: Path) -> None:
    import torch

    torch.set_num_threads(1)
    from readers import READERS  # noqa: F401

    with open("/proc/self/statm", encoding="ascii") as file:
        virtual = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + MEGABYTES * 10**6,) * 2)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    for number in range(first, last):
        with tempfile.TemporaryDirectory() as folder:
            found = tried(name, number, Path(folder), whole)
        print(json.dumps([number, *found]), file=out, flush=True)


def counted(name: str, inputs: int, first: int = 0) -> dict[str, Any]:
    """Try one reader: how many inputs were read, refused, bad, and the first of each kind of fault."""
    from readers import READERS

    begun, counts, faults = time.perf_counter(), {"read": 0, "refused": 0, "bad": 0}, {}
    with tempfile.TemporaryDirectory() as whole:
        READERS[name].make(Path(whole))
        READERS[name].opens(Path(whole))  # what is whole is read
        shutil.rmtree(whole)
        Path(whole).mkdir()
        READERS[name].make(Path(whole))
        number, last = first, first + inputs
        while number < last:
            arguments = [sys.executable, "-W", "error", __file__, "--child", name, str(number), str(last), whole]
            with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=whole) as child:
                assert child.stdout is not None
                while number < last:
                    patience = SECONDS + (60 if number == first else 10)
                    if not select.select([child.stdout], [], [], patience)[0] or not (line := child.stdout.readline()):
                        child.kill()
                        outcome, why = "bad", f"died or hung ({child.wait()})"
                        counts[outcome] += 1
                        faults.setdefault(why, (number, why))
                        number += 1
                        break
                    number, outcome, why = json.loads(line)
                    counts[outcome] += 1
                    if outcome == "bad":
                        faults.setdefault(_kind(why), (number, why))
                    number += 1
    seconds = round(time.perf_counter() - begun, 1)
    return {"reader": name, "tried": inputs, **counts, "seconds": seconds, "faults": faults}


def _kind(why: str) -> str:
    """Faults of one kind stand once."""
    return why.partition(":")[0] + why[why.rfind("(") :]


def main() -> None:
    """Count, and print a line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1000, help="for each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--reader", action="append", help="these alone")
    parser.add_argument("--out", type=Path, help="JSON lines")
    parser.add_argument("--child", nargs=4)
    given = parser.parse_args()
    if given.child:
        name, first, last, whole = given.child
        _child(name, int(first), int(last), Path(whole))
        return
    from readers import READERS

    for name in given.reader or READERS:
        found = counted(name, given.inputs, given.first)
        shown = {key: value for key, value in found.items() if key != "faults"}
        print(json.dumps(shown), flush=True)
        for fault in found["faults"].values():
            print("    ", str(fault)[:300], flush=True)
        if given.out:
            with given.out.open("a") as file:
                file.write(json.dumps(shown) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["ENGRAM_MAX_RAM"] = "200MB"
    os.environ.setdefault("ENGRAM_CACHE", tempfile.mkdtemp())
    main()
