"""The words of the launcher: what a job is given, how it ended, and by whom jobs are done.

Only names and outcomes here; who runs what, and when, is in `launch.py`.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from expunge.errors import ExpungeError, InputError, Interrupted

Tell = Callable[[Any], None]
# what is to be done, the same for all jobs; called as do(spec, tell), it may tell something on its way
Do = Callable[[Any, Tell], Any]
Heard = Callable[[str, Any], None]
Kind = Literal["in-process", "pool", "ray"]
Ending = Literal["done", "failed", "died", "interrupted"]


@dataclass(frozen=True)
class Ended:
    """One job, and how it ended.

    Args:
        name: of the job.
        how: `done`; `failed` with an error; `died` with its process; `interrupted` from outside.
        value: what the job answered; None unless it is done.
        error: why it is not done, in one line; "" where it is.
        seconds: that the job itself took, without the start of its process.
    """

    name: str
    how: Ending
    value: Any = None
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Workers:
    """By whom jobs are done. Their numbers do not depend on it, as long as the threads of each worker are the same.

    Args:
        kind: one after the other in this process; in processes of this machine; or wherever Ray puts them.
        count: how many at a time; 0 for one per thread. In this process always one.
        threads: CPU threads of all workers together, shared out evenly; 0 for torch's own choice.
        address: of a Ray cluster that is running; "" starts one on this machine, for as long as the jobs take.

    Example:
        >>> Workers(count=2, threads=5).each
        2
    """

    kind: Kind = "pool"
    count: int = 0
    threads: int = 0
    address: str = ""

    def __post_init__(self) -> None:
        if self.count < 0 or self.threads < 0 or self.count > self.all_threads:
            raise InputError(
                "workers",
                expected=f"at most one worker per CPU thread ({self.all_threads})",
                came=str(self.count),
            )

    @property
    def all_threads(self) -> int:
        """CPU threads of all workers together."""
        return self.threads if self.threads > 0 else torch.get_num_threads()

    @property
    def at_once(self) -> int:
        """How many jobs are done at the same time."""
        return 1 if self.kind == "in-process" else self.count or self.all_threads

    @property
    def each(self) -> int:
        """CPU threads of one worker: small convolutions gain more from a second worker than from a second thread."""
        return self.all_threads // self.at_once


def attempt(load: Callable[[], Do], name: str, spec: Any, tell: Tell, *, threads: int) -> Ended:
    """Do one job; whatever goes wrong in it becomes a line of text, since errors do not travel between processes.

    Args:
        load: gives what is to be done; may fail as the job itself may.
        name, spec: of the job. tell: hears what the job tells. threads: of the CPU.
    """
    start = time.monotonic()
    torch.set_num_threads(threads)
    try:
        value = load()(spec, tell)
    except (KeyboardInterrupt, Interrupted) as error:
        return Ended(name, "interrupted", error=str(error) or "interrupted", seconds=time.monotonic() - start)
    except Exception as error:  # a bug in one job is told, and the others go on
        reason = str(error) if isinstance(error, ExpungeError) else f"{type(error).__name__}: {error}"
        return Ended(name, "failed", error=reason, seconds=time.monotonic() - start)
    return Ended(name, "done", value, seconds=time.monotonic() - start)


def death(exit_code: int | None) -> str:
    """Why a process is gone, as far as its exit code tells.

    Example:
        >>> death(-9)
        'its process was killed by SIGKILL, as it is where memory runs out'
    """
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return f"its process was killed by {name}" + (", as it is where memory runs out" if name == "SIGKILL" else "")
    return f"its process died (exit code {exit_code})"
