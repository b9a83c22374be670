"""How a use case talks to whoever started it: stages, progress, warnings, and one question it may ask."""

from __future__ import annotations

from typing import Protocol

from expunge.engine.training import ProgressReport


class Desk(Protocol):
    """Whoever listens: a terminal, a notebook, a test."""

    def stage(self, title: str) -> None:
        """A new stage begins, e.g. `reference 1 of 3`."""

    def progress(self, report: ProgressReport) -> None:
        """How far the running stage is."""

    def say(self, text: str) -> None:
        """Something worth knowing."""

    def warn(self, text: str) -> None:
        """Something that must not be missed."""

    def confirm(self, question: str) -> bool:
        """Whether to go on."""
        ...


class Silent:
    """Nobody listens, and everything that was asked for is wanted; what was warned about is kept."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def stage(self, title: str) -> None:
        """Nobody listens."""

    def progress(self, report: ProgressReport) -> None:
        """Nobody listens."""

    def say(self, text: str) -> None:
        """Nobody listens."""

    def warn(self, text: str) -> None:
        """Keep it."""
        self.warnings.append(text)

    def confirm(self, question: str) -> bool:
        """Go on."""
        return True


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(3.2), duration(75), duration(7300)
        ('3 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
