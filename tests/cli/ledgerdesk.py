"""The command line at a ledger, as tests use it: commands with their answers, erasures, and killed processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from expunge.app import erase as erase_module
from expunge.app import ledgered
from expunge.app.attest import ATTESTATION
from expunge.app.keys import KeyFolder
from expunge.app.ledger import Books
from expunge.cli.main import main
from expunge.evidence.files import hash_file
from tests.app.workbench import Workbench


class Desk:
    """The command line at one ledger."""

    def __init__(self, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.place, self.capsys = place, capsys
        self.ledger, self.key = place / "books" / "ledger.db", place / "keys" / "ledger.key"
        self.key.parent.mkdir()

    @property
    def books(self) -> Books:
        return Books(str(self.ledger), self.key)

    @property
    def where(self) -> list[str]:
        return ["--ledger", str(self.ledger), "--pseudonym-key", str(self.key)]

    def __call__(self, *words: str, code: int = 0, ledger: bool = True) -> dict[str, Any]:
        """Run a command; its answer."""
        self.capsys.readouterr()
        told = main([*(["ledger"] if ledger else []), *words, *self.where, "--json"])
        said = self.capsys.readouterr()
        lines = said.out.splitlines()
        assert len(lines) == 1, f"{words} ended with {told} and said {said}"
        answer = dict(json.loads(lines[0]))
        assert told == answer["exit"] == code, f"{words} ended with {told}, not {code}: {answer}\n{said.err}"
        return answer

    def text(self, *words: str) -> str:
        self.capsys.readouterr()
        assert main(["ledger", *words, *self.where]) == 0
        return self.capsys.readouterr().out


def erase(bench: Workbench, out: Path, who: list[str], number: int, *more: str) -> list[str]:
    names = [word for name in who for word in ("--forget-subject", name)]
    method = ["--method", "finetune", "--set", "epochs=1", "--set", "batch_size=16", "--precision", "fp32"]
    model = ["--model", str(bench.original), "--near-copies", "ignore"]
    return ["erase", *bench.flags, *model, *names, *method, "--out", str(out), "--request-id", str(number), *more]


def add(desk: Desk, who: list[str]) -> None:
    desk("add", *(word for name in who for word in ("--forget-subject", name)))


def attest(run: Path) -> str:
    """Sign a run with a key of its own; the attestation's id."""
    keys = run.with_name(f"{run.name}-keys")
    KeyFolder(keys).new()
    (private,) = (path for path in keys.glob("*.pem") if not path.name.endswith(".pub.pem"))
    assert main(["attest", str(run), "--key", str(private)]) == 0
    return hash_file(run / ATTESTATION, "attestation")


def killed_at(name: str, desk: Desk, words: list[str]) -> None:
    """Run a command in a process of its own that dies where it would call `name` of the erasure."""

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        module = {"run_body": ledgered, "write_results": erase_module}[name]
        setattr(module, name, die)
        main([*words, *desk.where])

    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
