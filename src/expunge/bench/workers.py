"""Several jobs side by side, each in a process of its own that may die without taking the others along.

Jobs flow in; what workers say flows to the desk. Results travel through files, never through here.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from expunge.app.desk import Desk, ProgressReport
from expunge.bench.jobs import Job, Place
from expunge.bench.work import run_job
from expunge.engine.settings import EngineSettings
from expunge.errors import ExpungeError, Interrupted

TOLD_SECONDS = 1.0
GRACE_SECONDS = 60.0


class Sending:
    """The desk of a worker: what it hears is sent to the parent."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.told = connection, 0.0

    def stage(self, title: str) -> None:
        """The parent knows which row is under way."""

    def progress(self, report: ProgressReport) -> None:
        """Now and then."""
        if time.monotonic() - self.told > TOLD_SECONDS:
            self.told = time.monotonic()
            self.connection.send(("progress", report.rate))

    def say(self, text: str) -> None:
        """Pass on."""
        self.connection.send(("say", text))

    def warn(self, text: str) -> None:
        """Pass on."""
        self.connection.send(("warn", text))

    def confirm(self, question: str, *, unasked: bool = True) -> bool:  # noqa: ARG002  (the signature is the desk's)
        """Nobody can be asked."""
        return unasked


class Workers:
    """At most `count` processes at a time.

    Args:
        count: how many. place, settings: handed to every job. desk: who listens.
    """

    def __init__(self, count: int, place: Place, settings: EngineSettings, desk: Desk) -> None:
        self.count, self.place, self.settings, self.desk = count, place, settings, desk
        self.running: dict[Connection, tuple[Job, BaseProcess]] = {}
        self.rates: dict[Connection, float] = {}
        self.began = time.monotonic()

    def run(self, jobs: Sequence[Job], finished: Callable[[int, float], None]) -> list[str]:
        """Do all jobs; `finished(count, rate)` is called with the number done and the pictures/s of all workers.

        Returns:
            One line for every job that was not done.
        """
        waiting, problems, ended = list(jobs), list[str](), 0
        try:
            while waiting or self.running:
                while waiting and len(self.running) < self.count:
                    self._start(waiting.pop(0))
                for connection in wait(list(self.running)):
                    problem = self._hear(connection)  # type: ignore[arg-type]
                    if problem is not None:
                        ended += 1
                        problems += [problem] if problem else []
                finished(ended, sum(self.rates.values()))
        finally:
            self._stop()
        return problems

    def _start(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_worker, args=(job, self.place, self.settings, theirs), name=job.row)
        process.start()
        theirs.close()
        self.running[ours] = (job, process)

    def _hear(self, connection: Connection) -> str | None:
        """Handle one message; the problem (or "") of a job that ended, None while it goes on."""
        job, process = self.running[connection]
        try:
            kind, value = connection.recv()
        except EOFError:  # it is gone without a word
            process.join()
            kind, value = "ended", f"its process died (exit code {process.exitcode})"
        if kind == "progress":
            self.rates[connection] = value
        elif kind in ("say", "warn"):
            getattr(self.desk, kind)(f"{job.protocol} seed {job.seed}: {value}")
        else:
            process.join()
            connection.close()
            del self.running[connection]
            self.rates.pop(connection, None)
            return f"{job.protocol} seed {job.seed}: {job.row}: {value}" if value else ""
        return None

    def _stop(self) -> None:
        """Ask whatever still runs to keep what it has, and wait for it."""
        for _, process in self.running.values():
            process.terminate()
        for _, process in self.running.values():
            process.join(GRACE_SECONDS)
            process.kill()
        self.running.clear()


def _worker(job: Job, place: Place, settings: EngineSettings, connection: Connection) -> None:
    def stop(_number: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    problem = ""
    try:
        run_job(job, place, settings, Sending(connection))
    except (KeyboardInterrupt, Interrupted):
        problem = "interrupted"
    except ExpungeError as error:
        problem = str(error)
    except Exception as error:  # a bug in one job is told, and the others go on
        problem = f"{type(error).__name__}: {error}"
    try:
        connection.send(("ended", problem))
    except OSError:  # nobody listens any more
        return
