"""The command line: the only place that prints, parses arguments or picks a device. One file per command."""

import codecs
import os
import pkgutil
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from .. import __version__
from ..errors import EngramError

__all__ = ["main"]


class _Commands(click.Group):
    """Finds its commands by file name, so that asking for help loads nothing heavy."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name for name in found if not name.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"{__name__}.{name}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="engram")
def _program() -> None:
    """Compress a learning process on a large dataset into a few synthetic samples, and replay it.

    Start with: engram distill digits --per-class 1
    """
    # Only where a command follows: help stays quick.
    from ..engines.allocation import keep_freed_memory

    keep_freed_memory()


def main(arguments: list[str] | None = None) -> None:
    """Run one command; an error of the user's is one line and exit code 2, never a traceback."""
    from ._terminal import listen

    listen()
    if sys.stdout is None:
        # Closed by whoever called: what is printed goes nowhere.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_PLAIN)
    # As Ctrl-C does, these leave time to save what was done.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, _leave)
    try:
        code: Any = _program.main(arguments, prog_name="engram", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except EngramError as error:
        _stop(str(error), 2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop("interrupted", 130)
    except BrokenPipeError:
        _silence()
        sys.exit(141)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate" not in str(error) and "out of memory" not in str(error):
            raise
        _stop("out of memory: use a smaller --network, fewer items, or fewer rows", 2)
    except OSError as error:
        if error.filename is None:
            _silence()
        place = error.filename or "standard output"
        _stop(f"{place}: {error.strerror or error}: check the path, its permissions and free space", 2)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)


def _silence() -> None:
    """Let nothing more be written to a standard output that takes nothing: not even what Python flushes at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What a terminal without these characters is shown instead."""
    assert isinstance(error, UnicodeEncodeError)
    shown = {"±": "+-", "–": "-", "—": "-", "…": "...", "→": "->", "×": "x"}
    return "".join(shown.get(c, "?") for c in error.object[error.start : error.end]), error.end


_PLAIN = "engram.plain"
codecs.register_error(_PLAIN, _plain)


def _stop(message: str, code: int) -> None:
    click.echo(f"engram: {' '.join(message.split())}", err=True)
    sys.exit(code)
