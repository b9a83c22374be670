"""What people see while they wait: lines without a terminal, bars with one, all on stderr."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from expunge.app.desk import Silent, duration
from expunge.cli import terminal
from expunge.cli.terminal import Terminal
from expunge.engine.progress import ProgressReport

REPORT = ProgressReport("distance", 3, 10, 1234.0, 62.0, {})


def test_without_a_terminal_there_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "PLAIN_SECONDS", 0.0)
    out = io.StringIO()
    with Terminal(console=Console(file=out)) as desk:
        desk.stage("dlfd")
        desk.progress(REPORT)
        desk.warn("a [b] c")
        assert desk.confirm("sure?")
    text = out.getvalue()
    assert "dlfd, distance: step 3 of 10, 1,234 pictures/s, 1 min 2 s left" in text
    assert "warning: a [b] c" in text


def test_with_a_terminal_there_is_a_bar() -> None:
    out = io.StringIO()
    with Terminal(console=Console(file=out, force_terminal=True, width=120)) as desk:
        desk.stage("dlfd")
        desk.progress(REPORT)
        desk.bars.refresh()
    assert "3/10" in out.getvalue()
    assert "1,234 pictures/s" in out.getvalue()


def test_nobody_at_the_terminal_means_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert Terminal(console=Console(file=io.StringIO(), force_terminal=True)).confirm("sure?")
    assert not Terminal(console=Console(file=io.StringIO(), force_terminal=True)).confirm("sure?", unasked=False)
    assert Terminal(yes=True, console=Console(file=io.StringIO())).confirm("sure?", unasked=False)


@pytest.mark.parametrize(("answer", "said"), [("y", True), ("", False), ("no", False)])
def test_somebody_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str, said: bool) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    console = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(console, "input", lambda _: answer)
    monkeypatch.setattr("sys.stdin", type("Tty", (), {"isatty": lambda self: True})())
    assert Terminal(console=console).confirm("sure?") is said


def test_silence_keeps_warnings() -> None:
    desk = Silent()
    desk.warn("watch out")
    assert desk.warnings == ["watch out"]
    assert desk.confirm("sure?")


def test_durations_are_read_by_people() -> None:
    assert [duration(s) for s in (0.4, 59.4, 60, 7300)] == ["0 s", "59 s", "1 min 0 s", "2 h 1 min"]
