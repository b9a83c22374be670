"""A company answers three requests, then a fourth: every command as its users type it, in processes that may be killed.

Commands run in processes forked from one that has only imported expunge, so that each takes a fraction of a second.
A command that was killed is typed again, as people do; what they would look up first, they look up here.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import random
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["expunge.cli.main", "tests.story.story"])
VERIFIER = Path(__file__).parents[2] / "docs" / "verify_without_expunge.py"
LEDGER = ("--ledger", "books/ledger.db", "--pseudonym-key", "secret/ledger.key")
KILLED = -9


@dataclass
class Killer:
    """Kills a share of all commands, at moments spread over the time that such a command took so far.

    Args:
        share: of the commands that are killed. seed: of the moments.
    """

    share: float = 0.0
    seed: int = 0
    kills: list[str] = field(default_factory=list)
    _took: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def moment(self, command: str) -> float | None:
        """Seconds to wait before killing, or None."""
        if self._random.random() >= self.share:
            return None
        return self._random.uniform(0, 1.1) * self._took.get(command, 1.0)

    def took(self, command: str, seconds: float) -> None:
        """Learn from a command that was left alone."""
        self._took[command] = seconds


@dataclass(frozen=True)
class Told:
    """How a command ended, and its last line as JSON."""

    code: int
    answer: dict[str, Any]


@dataclass
class Office:
    """A folder with data, an original, a ledger and keys, and whoever works there.

    Args:
        place: the folder; commands run in it. data: flags of the data. method: flags of the method.
        killer: who disturbs them.
    """

    place: Path
    data: Sequence[str]
    method: Sequence[str] = ("--method", "finetune", "--set", "epochs=1", "--set", "batch_size=16")
    killer: Killer = field(default_factory=Killer)

    def type(self, *words: str, killed_when: Path | None = None, ledger: bool = True) -> Told:
        """Run a command until it is not killed.

        Args:
            killed_when: kill it the first time as soon as this exists.
        """
        line = [*words, *(LEDGER if ledger else ()), "--json"]
        while True:
            told = self._once(line, killed_when)
            if told is not None:
                return told
            self.killer.kills.append(" ".join(words[:2]))
            killed_when = None

    def _once(self, line: Sequence[str], killed_when: Path | None) -> Told | None:
        out, start = self.place / f".told-{time.monotonic_ns()}", time.monotonic()
        process = CONTEXT.Process(target=command, args=(list(line), str(self.place), str(out)))
        process.start()
        moment = self.killer.moment(line[0])
        if killed_when is not None:
            while process.is_alive() and not killed_when.exists():
                time.sleep(0.002)
            process.kill()
        elif moment is not None:
            process.join(moment)
            process.kill()
        process.join(300)
        code, told = process.exitcode, out.read_text() if out.exists() else ""
        out.unlink(missing_ok=True)
        assert code is not None, f"{line} never ended"
        if code == KILLED:
            return None
        assert code >= 0, f"{line} died of signal {-code}"
        if moment is None:
            self.killer.took(line[0], time.monotonic() - start)
        lines = told.splitlines()
        assert lines, f"{line} said nothing and ended with {code}"
        return Told(code, dict(json.loads(lines[-1])))

    # what people at this office do

    def open_office(self, *, arch: str, epochs: str) -> None:
        """The original, keys, an empty ledger."""
        training = ("--arch", arch, "--epochs", epochs, "--seed", "0")
        done(self.type("train", *self.data, *training, "--out", "original", ledger=False))
        done(self.type("ledger", "migrate"))
        done(self.type("ledger", "key", "new"))
        done(self.type("keys", "new", "--keys", "keys", ledger=False))

    @property
    def key(self) -> str:
        """The private key."""
        (found,) = (p for p in (self.place / "keys").glob("*.pem") if ".pub." not in p.name)
        return str(found.relative_to(self.place))

    @property
    def public_key(self) -> str:
        return self.key.replace(".pem", ".pub.pem")

    def file(self, ticket: str, person: str) -> None:
        """Enter a request, unless the ledger has this ticket: a killed `add` may have written it."""
        while True:
            if any(item["note"] == ticket for item in done(self.type("ledger", "list"))["items"]):
                return
            line = ("ledger", "add", "--forget-subject", person, "--note", ticket)
            told = self._once([*line, *LEDGER, "--json"], None)
            if told is None:
                self.killer.kills.append("ledger add")
            else:
                done(told)

    def erase_pending(self, out: str, *, killed_when: Path | None = None) -> dict[str, Any]:
        """All open requests as one batch."""
        line = ("erase", *self.data, "--model", "original", *self.method, "--pending", "--out", out)
        return done(self.type(*line, "--checkpoint-seconds", "0", killed_when=killed_when))

    def attest(self, run: str) -> None:
        """Sign, unless a killed command got that far."""
        line = ("attest", run, "--key", self.key, "--request-id", "tickets 1 to 3")
        told = self.type(*line, ledger=False)
        assert told.code == 0 or "attestation.json" in told.answer["error"], told

    def purge(self, run: str) -> Told:
        """Delete what still holds them."""
        return self.type("purge", "--run", run, "--root", ".", "--yes")

    def events(self) -> list[dict[str, Any]]:
        """All events of the ledger, from requests that it lists."""
        numbers = [item["request"] for item in done(self.type("ledger", "list"))["items"]]
        return [e for n in numbers for e in done(self.type("ledger", "show", str(n)))["events"]]


def done(told: Told) -> dict[str, Any]:
    """The answer of a command that must have succeeded."""
    assert told.code == 0, told
    return told.answer


def verified_elsewhere(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The verifier that needs no expunge, where there is none: importing it is an error there."""
    nowhere = place / "elsewhere"
    nowhere.mkdir(exist_ok=True)
    (nowhere / "expunge.py").write_text("raise ImportError('there is no expunge on this machine')\n")
    line = [sys.executable, str(VERIFIER), *words]
    environment = {**os.environ, "PYTHONPATH": str(nowhere)}
    return subprocess.run(line, cwd=place, env=environment, capture_output=True, text=True, check=False)


def command(line: list[str], place: str, out: str) -> None:
    """A command in this process, its last word in a file."""
    from expunge.cli.main import main

    os.chdir(place)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
            code = main(line)
    except BaseException:
        said.write(json.dumps({"error": traceback.format_exc()}) + "\n")
        code = 70
    Path(out).write_text(said.getvalue())
    os._exit(code)
