"""Processes of this machine, each of which does one job at a time and may die without taking the others along.

Packed work flows out to them, packed outcomes flow back. They are spawned, never forked: a fork would copy the threads
and devices of the parent in whatever state they are.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from expunge.engine.budget import catching_interrupts
from expunge.engine.jobs import Do, Ended, Heard, Workers, attempt, death
from expunge.errors import InputError, Interrupted

POLL_SECONDS, GRACE_SECONDS = 0.5, 60.0
TOLD, ENDED = "told", "ended"


@dataclass(frozen=True)
class _Child:
    process: BaseProcess
    connection: Connection


class Pool:
    """Does jobs in processes that are started as they are needed, and replaced where they die.

    Args:
        do: what is to be done. workers: how many, and their threads. heard: who listens.

    Raises:
        InputError: `do` cannot be sent to another process.
    """

    def __init__(self, do: Do, workers: Workers, heard: Heard) -> None:
        self.packed, self.workers, self.heard = packed(do), workers, heard
        self.idle: list[_Child] = []
        self.busy: dict[Connection, tuple[_Child, str]] = {}

    def run(self, jobs: Mapping[str, Any]) -> Iterator[Ended]:
        """Do all jobs; every outcome is given as soon as it is there."""
        waiting = list(jobs.items())
        try:
            with catching_interrupts() as interrupts:
                while waiting or self.busy:
                    while waiting and len(self.busy) < self.workers.at_once:
                        self._hand_out(*waiting.pop(0))
                    for connection in wait(list(self.busy), POLL_SECONDS):
                        ended = self._hear(connection)  # type: ignore[arg-type]
                        if ended is not None:
                            yield ended
                    if interrupts:
                        raise Interrupted(f"stopped by {interrupts.name}; what was finished is kept")
        finally:
            self._stop()

    def _hand_out(self, name: str, spec: Any) -> None:
        job = packed((name, spec))
        while self.idle:
            child = self.idle.pop()
            try:
                child.connection.send_bytes(job)
            except OSError:  # it died while nobody needed it
                self._bury(child)
                continue
            self.busy[child.connection] = (child, name)
            return
        child = self._start()
        self.busy[child.connection] = (child, name)
        try:
            child.connection.send_bytes(self.packed)
            child.connection.send_bytes(job)
        except OSError:  # dead already: it is heard when the connection is read
            return

    def _start(self) -> _Child:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs, self.workers.each))
        process.start()
        theirs.close()  # so that the end of the process is the end of the connection
        return _Child(process, ours)

    def _hear(self, connection: Connection) -> Ended | None:
        """Take one message; the outcome of a job that ended, None while it goes on."""
        child, name = self.busy[connection]
        try:
            kind, value = pickle.loads(connection.recv_bytes())
        except (EOFError, OSError):  # it is gone without a word
            del self.busy[connection]
            self._bury(child)
            return Ended(name, "died", error=death(child.process.exitcode))
        if kind == TOLD:
            self.heard(name, value)
            return None
        del self.busy[connection]
        self.idle.append(child)
        ended: Ended = value
        return ended

    def _bury(self, child: _Child) -> None:
        child.connection.close()
        child.process.join()

    def _stop(self) -> None:
        """Ask whatever still runs to keep what it has, and wait for it."""
        children = [*self.idle, *(child for child, _ in self.busy.values())]
        for child in children:
            child.process.terminate()
        for child in children:
            child.connection.close()  # nobody listens: what it would still say must not hold it up
            child.process.join(GRACE_SECONDS)
            child.process.kill()
            child.process.join()
        self.idle.clear()
        self.busy.clear()


def packed(work: Any, *, dumps: Callable[[Any], bytes] = pickle.dumps) -> bytes:
    """`work` as bytes. Tensors are copied: those of a process that dies must not lie in memory shared with it.

    Args:
        work: what to send. dumps: another way to pickle.

    Raises:
        InputError: it holds something that no other process can be given.
    """
    try:
        return dumps(work)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise InputError(
            "workers",
            expected="work that can be sent to another process",
            came=str(error),
            remedy="define functions and networks in a module, or use the workers 'in-process'",
        ) from error


def sendable(ended: Ended) -> Ended:
    """The same outcome, or that of a job whose answer cannot be sent."""
    try:
        packed(ended)
        return ended
    except InputError as error:
        return Ended(ended.name, "failed", error=f"its answer: {error}", seconds=ended.seconds)


def _work(connection: Connection, threads: int) -> None:
    """The life of a child: one job after the other until nobody has any."""
    os.setsid()  # a Ctrl-C at the terminal is for the parent, which then asks its children to stop
    signal.signal(signal.SIGTERM, _stop_working)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        content = connection.recv_bytes()
        load = functools.cache(lambda: pickle.loads(content))
        while True:
            name, spec = pickle.loads(connection.recv_bytes())
            ended = attempt(load, name, spec, lambda message: _send(connection, TOLD, message), threads=threads)
            _send(connection, ENDED, sendable(ended))
    except (EOFError, OSError, KeyboardInterrupt):  # nobody has work, or nobody listens any more
        return


def _stop_working(_number: int, _frame: Any) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    """Orphans would go on for hours and get in the way of whoever starts the same again."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _send(connection: Connection, kind: str, value: Any) -> None:
    connection.send_bytes(packed((kind, value)))
