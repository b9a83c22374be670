"""What every command does around its use case: talk on stderr, answer on stdout, and end with the right exit code.

Exit codes: 0 done, 1 a bug in expunge, 2 bad input, 3 interrupted and resumable, 4 done, and the answer is to stop,
5 done, and something is left that should not be there, 6 done, and the answer is to go on with warnings.
"""

from __future__ import annotations

import errno
import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console
from rich.markup import escape

from expunge.cli.terminal import Terminal
from expunge.errors import MOST, ExpungeError, InputError, readable

LINE = 5 * MOST  # characters of a message
DONE, BUG, BAD_INPUT, INTERRUPTED, STOP, LEFT, WARNED = 0, 1, 2, 3, 4, 5, 6
Answer = Mapping[str, Any]


def conclude(work: Callable[[Terminal], Answer], *, as_json: bool, debug: bool, yes: bool = False) -> int:
    """Run `work`, print its answer or its error, and say how to exit.

    Args:
        work: the use case; its answer is printed as one JSON line where `as_json`. An `exit` in it is the exit code.
        as_json: print one final machine-readable line on stdout, errors included.
        debug: show the traceback of a bug.
        yes: answer questions with yes.
    """
    try:
        with _terminated(), Terminal(yes=yes) as terminal:
            answer = work(terminal)
    except ExpungeError as error:
        return failed(str(error), error.exit_code, as_json=as_json, field=getattr(error, "field", None))
    except KeyboardInterrupt:
        return failed("interrupted; continue with --resume", INTERRUPTED, as_json=as_json)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            refused = InputError("path", expected="a name that a disk takes", came=str(error.filename))
            return failed(str(refused), BAD_INPUT, as_json=as_json, field=refused.field)
        if debug:
            traceback.print_exc()
        name = type(error).__name__
        text = f"this is a bug in expunge: {name}: {error}" + ("" if debug else " (--debug shows where)")
        return failed(text, BUG, as_json=as_json)
    if as_json:
        answer_line({"status": "done", "exit": DONE, **answer})
    return int(answer.get("exit", DONE))


def failed(text: str, code: int, *, as_json: bool, field: str | None = None) -> int:
    """Print an error as one line; answer with its exit code."""
    line = readable(" ".join(text.split()), LINE)
    word = "interrupted" if code == INTERRUPTED else "error"
    Console(stderr=True).print(f"[bold red]{word}:[/] {escape(line)}", soft_wrap=True, highlight=False)
    if as_json:
        named = {"field": field} if field else {}
        answer_line({"status": word, "exit": code, word: line, **named})
    return code


def answer_line(answer: Answer) -> None:
    """One line of JSON on stdout."""
    print(json.dumps(answer, allow_nan=False), file=sys.stdout, flush=True)


def bad_field(field: str, expected: str, came: str) -> InputError:
    """Shorthand for commands without a job."""
    return InputError(field, expected=expected, came=came)


@contextmanager
def _terminated() -> Iterator[None]:
    """SIGTERM outside the engine (which checkpoints on it) ends a command as Ctrl-C does."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
