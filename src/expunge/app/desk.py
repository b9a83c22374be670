"""How a use case talks to whoever started it: stages, progress, warnings, and one question it may ask."""

from __future__ import annotations

from typing import Protocol

from expunge.engine.progress import ProgressReport as ProgressReport


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

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        """A yes or no; `unasked` is the answer where nobody can be asked."""
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

    def confirm(self, question: str, *, unasked: bool = True) -> bool:  # noqa: ARG002  (the signature is the desk's)
        """Nobody can be asked."""
        return unasked


class Both:
    """Two listeners; the first one is asked."""

    def __init__(self, first: Desk, second: Desk) -> None:
        self.first, self.second = first, second

    def stage(self, title: str) -> None:
        """Tell both."""
        self.first.stage(title)
        self.second.stage(title)

    def progress(self, report: ProgressReport) -> None:
        """Tell both."""
        self.first.progress(report)
        self.second.progress(report)

    def say(self, text: str) -> None:
        """Tell both."""
        self.first.say(text)
        self.second.say(text)

    def warn(self, text: str) -> None:
        """Tell both."""
        self.first.warn(text)
        self.second.warn(text)

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        """Ask the first."""
        return self.first.confirm(question, unasked=unasked)


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
