"""Hostile flags, fields of books and addresses: numbers that are none, texts that nobody can read, other databases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from expunge.app.ledger import Books
from expunge.data.requests import ErasureRequest
from tests.hostile.table import HTML, LONG, NUL, SQL, TERMINAL, TURNED, Case, Place

Prepared = Callable[[], object]
WHERE = ("--pseudonym-key", "pseudonyms.key", "--ledger", "ledger.db")
ERASE = ("erase", "--data", "faces.parquet", "--model", "model", "--forget-subject", "Ana", "--out", "out")


def erase(*more: str) -> Callable[[Place], Prepared]:
    return lambda place: place.command(*ERASE, *more)


def at(address: str) -> Callable[[Place], Prepared]:
    return lambda place: place.command("ledger", "list", "--ledger", address)


def books(*words: object) -> Callable[[Place], Prepared]:
    """A command on a ledger with one request."""

    def prepare(place: Place) -> Prepared:
        for name, content in one_request().items():
            os.chmod(place.file(name, content), 0o600)
        return place.command("ledger", *words, *WHERE)

    return prepare


def long_path(words: tuple[str, ...]) -> Callable[[Place], Prepared]:
    return lambda place: place.command(*words)


@cache
def one_request() -> dict[str, bytes]:
    """The files of a ledger with one request, and of its key."""
    with tempfile.TemporaryDirectory() as folder:
        made = Books(f"{folder}/ledger.db", Path(folder, "pseudonyms.key"))
        made.migrate()
        made.new_key()
        made.add(ErasureRequest(subjects=("Ana",)))
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def key(content: str | bytes, mode: int = 0o600) -> Callable[[Place], Prepared]:
    """A ledger whose key file holds something else."""

    def prepare(place: Place) -> Prepared:
        command = books("add", "--forget-subject", "Bo")(place)
        os.chmod(place.file("pseudonyms.key", content), mode)
        return command

    return prepare


def foreign(content: bytes) -> Callable[[Place], Prepared]:
    """A file that is no ledger."""
    return lambda place: place.command("ledger", "check", "--ledger", place.file("other.db", content))


NUMBERS: Mapping[str, tuple[str, ...]] = {
    "a seed that is no number": ("--seed", "nan"),
    "a seed of 400 digits": ("--seed", "9" * 400),
    "a seed of 5,000 digits": ("--seed", "9" * 5000),
    "a size that is no number": ("--size", "nan"),
    "a size of infinity": ("--size", "inf"),
    "a size of a thousand million": ("--size", "1000000000"),
    "a size below nothing": ("--size", "-16"),
    "a budget that is no number": ("--max-seconds", "nan"),
    "a budget of infinity": ("--max-seconds", "inf"),
    "steps beyond all": ("--max-steps", "1e999"),
    "threads beyond all": ("--threads", "99999999999999999999"),
    "a rate that is no number": ("--set", "lr=nan"),
    "a rate of infinity": ("--set", "lr=inf"),
    "a rate of minus infinity": ("--set", "lr=-inf"),
    "epochs beyond all": ("--set", "epochs=1e999"),
    "epochs of 400 digits": ("--set", f"epochs={'9' * 400}"),
    "a recipe's rate that is no number": ("--recipe-lr", "nan"),
    "a recipe's epochs of infinity": ("--recipe-epochs", "inf"),
    "references beyond all": ("--reference", f"train:{'9' * 400}"),
    "references that are no number": ("--reference", "train:nan"),
}
PATH = "x" * 100_000  # more does not fit into an argument
TEXTS = {"HTML": HTML, "SQL": SQL, "NUL": NUL, "marks that turn": TURNED, "orders to the terminal": TERMINAL}
FLAGS: Mapping[str, Case] = {
    **{
        f"{what}": Case("expunge erase", erase(*words), rf"{words[0]}|{words[1].partition('=')[0]}")
        for what, words in NUMBERS.items()
    },
    **{
        f"a method called {what}": Case("expunge erase", erase("--method", text), "method")
        for what, text in TEXTS.items()
    },
    **{
        f"a device called {what}": Case("expunge erase", erase("--device", text), "device|data")
        for what, text in TEXTS.items()
    },
    **{
        f"a job file called {what}": Case("expunge erase", erase("--job", text), "--job")
        for what, text in TEXTS.items()
    },
    **{
        f"a path of 100 kB for {what}": Case(" ".join(["expunge", words[0]]), long_path(words), "expected|No such")
        for what, words in {
            "verify": ("verify", PATH, "--public-key", "key.pem"),
            "the model of verify": ("verify", "attestation.json", "--public-key", "key.pem", "--model", PATH),
            "the run of attest": ("attest", PATH, "--key", "key.pem"),
            "the run of report": ("report", PATH),
            "the run of figures": ("figures", PATH, "--out", "out"),
            "the run of purge": ("purge", "--run", PATH),
            "the folder of keys": ("keys", "new", "--keys", PATH),
            "the opening of disclose": ("disclose", PATH, "--picture", "p", "--out", "out"),
            "the pictures of bench": ("bench", "mufac-age", "--data", PATH, "--out", "out"),
            "the request of draw-request": ("draw-request", "--data", PATH, "--out", "out.csv"),
            "the model of audit": ("audit", "--data", "x", "--model", PATH, "--out", "out"),
            "a command": (PATH,),
            "a flag": ("erase", f"--{PATH}"),
        }.items()
    },
    "a command that gives orders to the terminal": Case("expunge", lambda p: p.command(TERMINAL), r"\\x1b"),
    "a job file without end": Case("expunge erase", erase("--job", "/dev/zero"), "at most"),
    "a job file of 10 MB of name": Case("expunge erase", erase("--job", LONG), "--job"),
    "a request file of 10 MB of name": Case("expunge erase", erase("--request", LONG), "request|data"),
    "a directory of 10 MB of name": Case("expunge erase", erase("--out", LONG), "out|data"),
    "a model of 10 MB of name": Case("expunge erase", erase("--model", LONG), "model|data"),
    **{
        f"a {what} of a request": Case("expunge ledger", books(*words), says)
        for what, words, says in (
            ("note with NUL", ("add", "--forget-subject", "Bo", "--note", NUL), r"U\+0000"),
            ("note that turns around", ("add", "--forget-subject", "Bo", "--note", TURNED), r"U\+202E"),
            ("note with orders to the terminal", ("add", "--forget-subject", "Bo", "--note", TERMINAL), r"U\+001B"),
            ("note of 10 MB", ("add", "--forget-subject", "Bo", "--note", LONG), "at most 200"),
            ("reason of 10 MB", ("close", "1", "--reason", LONG), "at most 2000"),
            ("reason with orders to the terminal", ("withdraw", "1", "--reason", TERMINAL), r"U\+001B"),
            ("day of SQL", ("add", "--forget-subject", "Bo", "--received", SQL), "a day like"),
            ("day in other digits", ("add", "--forget-subject", "Bo", "--received", "\uff12026-03-01"), "a day like"),
            ("day of 10 MB", ("add", "--forget-subject", "Bo", "--received", LONG), "a day like"),
            ("day after all days", ("add", "--forget-subject", "Bo", "--received", "9999-12-31"), "a day"),
            ("number of SQL", ("close", "1; DROP TABLE events"), "integer|number"),
            ("number of 400 digits", ("close", "9" * 400), "number"),
            ("number beyond a database's", ("show", str(2**63)), "number of a request"),
            ("number of 5,000 digits", ("show", "9" * 5000), "number"),
            ("number in other digits", ("show", "²"), "number"),
            ("name of SQL", ("show", SQL), "0 of them"),
            ("name with a wildcard", ("show", "%%%%"), "0 of them"),
            ("name with NUL", ("show", "abcd\0"), "0 of them"),
            ("name of 10 MB", ("show", LONG), "0 of them"),
            ("list of SQL", ("list", SQL), "requests, runs, audits"),
            ("key of SQL", ("key", "drop", "--key-id", SQL), "id of a key"),
            ("key with NUL", ("key", "drop", "--key-id", NUL), "id of a key"),
        )
    },
    **{
        f"a ledger {what}": Case("expunge ledger", at(address), "ledger")
        for what, address in (
            ("in memory", "sqlite://"),
            ("with orders to the driver", "sqlite:///ledger.db?mode=memory&uri=true"),
            ("on another driver", "sqlite+pysqlcipher://:x@/ledger.db"),
            ("on another database", "mysql://root:secret@localhost/x"),
            ("that is a device", "/dev/zero"),
            ("that is a folder", "."),
            ("with NUL in its name", "ledger\0.db"),
            ("of 10 MB of name", LONG),
            ("on no machine", "postgresql://ana:secret@localhost:1/x"),
            ("on a port beyond all", "postgresql://ana:secret@localhost:99999999/x"),
        )
    },
    "a ledger that is a pickle": Case("expunge ledger", lambda p: foreign(p.pickled())(p), "ledger"),
    "a ledger of zeros": Case("expunge ledger", foreign(bytes(8192)), "ledger"),
    "a ledger with a damaged page": Case("expunge ledger", foreign(b"SQLite format 3\0" + b"\xff" * 8176), "ledger"),
    "a key that others may read": Case("expunge ledger", key("", 0o644), "mode 600|for you alone"),
    "a key that is empty": Case("expunge ledger", key(""), "key"),
    "a key of HTML": Case("expunge ledger", key(HTML), "key"),
    "a key with a name twice": Case(
        "expunge ledger", key(f'{{"made":"x","made":"x","secret":"{"ab" * 32}"}}\n'), "key"
    ),
    "a key of 10 MB": Case("expunge ledger", key(LONG), "at most"),
}
