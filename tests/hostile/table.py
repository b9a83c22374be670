"""What the tables of hostile input are written in: a case, its place, commands, and code that must not run."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from expunge.cli.main import main

HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>"
SQL = "'; DROP TABLE events; --"
TRAVERSAL = "../../../../etc/passwd"
NUL = "Ana\0.png"
TURNED = "\u202egnp.exe"
TERMINAL = "\x1b[2J\x1b]0;owned\x07"
LONG = "x" * 10_000_000
NAMES = {
    "HTML": HTML,
    "SQL": SQL,
    "a path that leads away": TRAVERSAL,
    "NUL": NUL,
    "marks that turn the text": TURNED,
    "orders to the terminal": TERMINAL,
    "10 MB": LONG,
}


@dataclass(frozen=True)
class Place:
    """Where a case is prepared.

    Args:
        folder: of all inputs; must be afterwards as it was before.
        canary: a file that hostile code makes, if it runs.
        capture: what commands print.
    """

    folder: Path
    canary: Path
    capture: pytest.CaptureFixture[str]

    def file(self, name: str, data: bytes | str) -> Path:
        """A file with these bytes, or this text in UTF-8."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def json(self, name: str, value: object) -> Path:
        return self.file(name, json.dumps(value))

    def pickled(self) -> bytes:
        """A pickle that makes the canary when it is read."""
        return pickle.dumps({"weight": Executable(self.canary)}, protocol=2)

    def run(self, *words: object) -> int:
        """What a command that prepares a case ends with."""
        return main([*map(str, words), "--json"])

    def command(self, *words: object) -> Command:
        """A command, to be run in this process."""
        return Command(tuple(map(str, words)), self.capture)


@dataclass(frozen=True)
class Executable:
    """A pickle that runs a program when it is read."""

    canary: Path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


@dataclass(frozen=True)
class Command:
    """A command line; calling it answers with the one line that it refused with."""

    words: tuple[str, ...]
    capture: pytest.CaptureFixture[str]

    def __call__(self) -> str:
        self.capture.readouterr()
        code = main([*self.words, "--json"])
        out, err = self.capture.readouterr()
        assert code == 2, (code, err[-400:])
        (line,) = out.splitlines()
        answer: dict[str, str] = json.loads(line)
        shown = [part for part in err.splitlines() if part.startswith("error:")]
        assert shown == [f"error: {answer['error']}"] == err.splitlines()[-1:]
        return answer["error"]


@dataclass(frozen=True)
class Case:
    """A hostile input.

    Args:
        entry: what reads it: a function of the library, or a command.
        prepare: writes the input; what it answers is called then, and must refuse.
        says: what the one line of the error must hold (regular expression).
    """

    entry: str
    prepare: Callable[[Place], Callable[[], object]]
    says: str
