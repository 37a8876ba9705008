"""What a long call tells while it runs: progress to a callback, words to `logging`."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

__all__ = ["LOGGER", "Progress", "Watch", "brief", "never_fatal", "of_rows", "stage"]

LOGGER = logging.getLogger("engram")
"""Notes at level INFO, what went wrong without stopping the run at WARNING."""


@dataclass(frozen=True)
class Progress:
    """How far one stage is.

    Args:
        stage: encoding, forecasting, choosing, preparing, distilling, wording, judging or comparing.
        done: share of the stage, in [0, 1].
        state: what it is at, in words; may be empty.
    """

    stage: str
    done: float
    state: str = ""


Watch = Callable[[Progress], None]
"""Called with the progress of a stage, often."""


def stage(name: str, watch: Watch) -> Callable[[float], None]:
    """The progress of one stage by the share of it that is done."""
    return lambda done: watch(Progress(name, done))


def of_rows(count: int, watch: Watch) -> Callable[[str, float], None]:
    """The progress of an evaluation of so many rows: those that are done, and how much of the one under way."""
    finished: set[str] = set()

    def tell(name: str, share: float) -> None:
        if share >= 1:
            finished.add(name)
        part = 0.0 if name in finished else share
        watch(Progress("judging", (len(finished) + part) / count, name.replace("_", " ")))

    return tell


def brief(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


@contextmanager
def never_fatal(what: str) -> Iterator[None]:
    """What is not the work itself may fail: it costs a warning."""
    try:
        yield
    except Exception as error:
        LOGGER.warning("%s (%s)", what, brief(error))
        LOGGER.debug("", exc_info=error)
