"""What tests of the ledger share: a real PostgreSQL of their own, a clock, keys, and a ledger with a story in it."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from expunge.evidence.ledger.pseudonyms import PseudonymKey
from expunge.evidence.ledger.store import Ledger, View, make_ledger, open_ledger

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
KEY = PseudonymKey(bytes(range(32)), "2026-01-01T00:00:00Z")
NUMBERS = count()


def binary(name: str) -> str | None:
    """A program of PostgreSQL; Debian keeps them off the path."""
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, BINARIES)]))


@contextmanager
def postgres() -> Iterator[str]:
    """A server on a socket of its own; the answer is its address."""
    initdb, server = binary("initdb"), binary("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed")
    # the server refuses to run as root, and its user cannot enter pytest's own folders
    owner = pwd.getpwnam("postgres" if os.geteuid() == 0 else getpass.getuser())
    folder = Path(tempfile.mkdtemp(prefix="expunge-pg-"))
    as_owner: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.geteuid() == 0:
        as_owner |= {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    try:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        subprocess.run([initdb, "-D", folder / "data", "-U", "expunge", "-A", "trust", "-N"], check=True, **as_owner)
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"]
        process = subprocess.Popen([server, "-D", folder / "data", "-k", folder, *settings], **as_owner)
        try:
            address = f"postgresql://expunge@/postgres?host={folder}"
            _wait(address, process)
            yield address
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nothing here is worth keeping
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(address: str, process: subprocess.Popen[bytes]) -> None:
    until = datetime.now(UTC) + timedelta(seconds=30)
    while True:
        try:
            psycopg.connect(address).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or datetime.now(UTC) > until:
                raise


def new_schema(server: str) -> str:
    """The address of a fresh, empty schema; a whole database for each test would take longer than the test."""
    name = f"ledger{next(NUMBERS)}"
    with psycopg.connect(server) as connection:
        connection.execute(f"CREATE SCHEMA {name}".encode())
    return f"{server}&options=-csearch_path%3D{name}"


@dataclass
class Clock:
    """Says a time that tests set."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    @property
    def text(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")


def digest(number: int) -> str:
    return f"{number:064x}"


def received(number: int, *names: str, day: str = "2026-03-01", due: str = "2026-04-01") -> dict[str, Any]:
    """The body of a request."""
    subjects = KEY.pseudonyms("subject", names)
    return {"request": number, "received": day, "due": due, "subjects": subjects, "pictures": [], "note": ""}


def finished(run: int, requests: list[int], before: int, after: int, **other: Any) -> dict[str, Any]:
    """The body of an erase run from one model to another."""
    body = {"run": digest(run), "kind": "erase", "requests": requests, "out": f"/runs/{run}"}
    models = {"data": digest(9), "before": [digest(before)], "after": digest(after), "method": "finetune"}
    return {**body, **models, **other}


def drift(run: int, before: str = "0.8", after: str = "0.79", forget: int = 5, retain: int = 95) -> dict[str, Any]:
    """The body of what an erase run cost."""
    accuracies = {"tuning_before": before, "tuning_after": after}
    limits = {"limit_accuracy_lost": "0.02", "limit_share_erased": "0.1"}
    return {"run": digest(run), **accuracies, "forget": forget, "retain": retain, **limits}


def opened(address: str) -> Ledger:
    """The ledger at an address, made if need be."""
    make_ledger(address)
    return open_ledger(address, lambda: "2026-03-02T00:00:00Z")


def fill(ledger: Ledger) -> None:
    """A story with every kind of event."""
    with ledger.writing() as writer:
        for number, name in enumerate(("Ana", "Bo", "Cai", "Dee"), start=1):
            writer.append("request-received", received(number, name))
        writer.append("request-extended", {"request": 1, "due": "2026-06-01", "reason": "many at once"})
        writer.append("request-withdrawn", {"request": 2, "reason": ""})
        began = {name: finished(1, [1], 11, 12)[name] for name in ("out", "data", "before")}
        writer.append("run-began", {"request": 1, "job": KEY.pseudonym("job", "1"), **began})
        writer.append("run-finished", finished(1, [1], 11, 12))
        writer.append("attested", {"run": digest(1), "attestation": digest(7)})
        writer.append("drift-measured", drift(1))
        writer.append("request-closed", {"request": 1, "reason": ""})
        writer.append("already-erased", {"request": 3, "runs": [digest(1)]})
        removed = KEY.pseudonyms("file", ["cache/faces"])
        kept = [{"file": KEY.pseudonym("file", "reference model"), "why": "never saw anybody asked for"}]
        writer.append("purged", {"requests": [1, 3], "removed": removed, "kept": kept})
        writer.append("request-closed", {"request": 4, "reason": "nothing held"})
        writer.append("key-dropped", {"key": "0" * 16})


def kinds(view: View) -> list[str]:
    return [event.kind for event in view.events()]
