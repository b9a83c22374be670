"""How long a run may take, and how to stop it from outside: steps, seconds, signals."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from expunge.engine.settings import EngineSettings


class Budget:
    """Counts steps and seconds of all phases and sessions of a run against its limits.

    Args:
        settings: holds the limits.
        steps, seconds: already spent, from a checkpoint.
    """

    def __init__(self, settings: EngineSettings, *, steps: int = 0, seconds: float = 0.0) -> None:
        self.max_steps, self.max_seconds = settings.max_steps, settings.max_seconds
        self.steps = steps
        self._before, self._start = seconds, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds spent in all sessions."""
        return self._before + time.monotonic() - self._start

    def plan(self, steps: int) -> int:
        """How many of `steps` fit into what is left, so that a schedule can end where the budget does."""
        return steps if self.max_steps is None else max(0, min(steps, self.max_steps - self.steps))

    def exceeded(self) -> str:
        """Name of the limit that is reached, or ""."""
        if self.max_steps is not None and self.steps >= self.max_steps:
            return "max_steps"
        if self.max_seconds is not None and self.seconds >= self.max_seconds:
            return "max_seconds"
        return ""


class Interrupts:
    """True once SIGINT or SIGTERM arrived; a second one stops at once."""

    def __init__(self) -> None:
        self.name = ""

    def __bool__(self) -> bool:
        return bool(self.name)

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the signal, or give way to the default behaviour if it is the second."""
        if self.name:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name


@contextmanager
def catching_interrupts() -> Iterator[Interrupts]:
    """Listen to SIGINT and SIGTERM for a while; does nothing outside the main thread."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return
    before = {s: signal.signal(s, interrupts.receive) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
