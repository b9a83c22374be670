"""What a use case says, on a terminal: progress bars with rates and time left, warnings, one question; all on stderr.

Standard output belongs to results, so that it can be piped.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from expunge.app.desk import ProgressReport, duration

PLAIN_SECONDS = 10.0


class Terminal:
    """The desk of the command line.

    Args:
        yes: questions are answered with yes.
        console: where to write; standard error where None.
    """

    def __init__(self, *, yes: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.yes = yes
        self.bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.title, self.task, self.told = "", self.bars.add_task("", total=None, rate="", visible=False), 0.0

    def __enter__(self) -> Terminal:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def stage(self, title: str) -> None:
        """Show what is being done."""
        self.title, self.told = title, time.monotonic()
        if self.console.is_terminal:
            self.bars.reset(self.task, description=escape(title), total=None, rate="", visible=True)
        else:
            self._plain(title)

    def progress(self, report: ProgressReport) -> None:
        """Move the bar; without a terminal, write a line now and then."""
        left = f", {duration(report.seconds_left)} left" if report.seconds_left else ""
        rate = f"{report.rate:,.0f} pictures/s{left}"
        if self.console.is_terminal:
            title = escape(f"{self.title} · {report.phase}")
            self.bars.update(self.task, description=title, completed=report.step, total=report.steps, rate=rate)
        elif time.monotonic() - self.told > PLAIN_SECONDS:
            self.told = time.monotonic()
            self._plain(f"{self.title}, {report.phase}: step {report.step} of {report.steps}, {rate}")

    def say(self, text: str) -> None:
        """Write a line."""
        self._plain(text)

    def warn(self, text: str) -> None:
        """Write a line that stands out."""
        self.console.print(f"[bold yellow]warning:[/] {escape(text)}", soft_wrap=True, highlight=False)

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        """Ask, where somebody can answer."""
        if self.yes:
            return True
        if not (self.console.is_terminal and sys.stdin.isatty()):
            return unasked
        self.bars.stop()
        answer = self.console.input(f"{escape(question)} [y/N] ")
        self.bars.start()
        return answer.strip().lower() in ("y", "yes")

    def _plain(self, text: str) -> None:
        self.console.print(escape(text), soft_wrap=True, highlight=False)
