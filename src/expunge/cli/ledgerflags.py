"""The flags of `expunge ledger ...` and of erasing for one of its requests; which ledger they name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from expunge.app.ledger import Books
from expunge.cli.flags import parameter

ADDRESS = "EXPUNGE_LEDGER"
LEDGER_FILE, KEY_FILE = "ledger.db", "ledger.key"


def is_named(values: Mapping[str, Any]) -> bool:
    """Whether flags or environment name a ledger."""
    return bool(values["ledger"] or os.environ.get(ADDRESS))


def books_of(values: Mapping[str, Any]) -> Books:
    """The ledger that flags or environment name."""
    address = values["ledger"] or os.environ.get(ADDRESS) or LEDGER_FILE
    return Books(address, Path(values["pseudonym_key"] or os.environ.get("EXPUNGE_LEDGER_KEY") or KEY_FILE))


def option(annotation: Any, flag: str, help: str, metavar: str | None = None) -> Any:
    """A flag, as typer reads it."""
    return Annotated[annotation, typer.Option(flag, help=help, metavar=metavar, rich_help_panel="Ledger")]


def argument(annotation: Any, name: str, help: str) -> Any:
    """An argument without a flag."""
    return Annotated[annotation, typer.Argument(metavar=name, help=help)]


LEDGER = parameter(
    "ledger",
    option(
        str | None,
        "--ledger",
        f"SQLite file, or postgresql://USER@HOST/DATABASE ($EXPUNGE_LEDGER, else {LEDGER_FILE}).",
        "PATH",
    ),
)
PSEUDONYM_KEY = parameter(
    "pseudonym_key",
    option(
        str | None,
        "--pseudonym-key",
        f"File with the keys of the pseudonyms; keep it away from the ledger ($EXPUNGE_LEDGER_KEY, else {KEY_FILE}).",
        "PATH",
    ),
)
REQUEST_ID = parameter(
    "request_id",
    option(int | None, "--request-id", "Number of the request in the ledger: enter the run for it.", "INT"),
)
PENDING = parameter(
    "pending",
    option(
        bool,
        "--pending",
        "Erase for all open requests of the ledger in one run, from the last model of the line, and close them. "
        "The same command again continues.",
    ),
    False,
)
ONE_BY_ONE = parameter(
    "one_by_one",
    option(bool, "--one-by-one", "With --pending: one run after the other, each in a folder of its own below --out."),
    False,
)
WHERE = [LEDGER, PSEUDONYM_KEY]
FOR_A_REQUEST = [REQUEST_ID, PENDING, ONE_BY_ONE, *WHERE]
NUMBER = parameter("number", argument(int, "REQUEST", "Number of the request."), Parameter.empty)
NAMES = [
    parameter("subjects", option(list[str] | None, "--forget-subject", "Name of a subject; repeatable.")),
    parameter("pictures", option(list[str] | None, "--forget-picture", "Id of a picture; repeatable.")),
    parameter("file", option(str | None, "--request", "CSV or JSON file of subjects and pictures.", "PATH")),
]


def reason(help: str, default: Any = "") -> Parameter:
    """Why something is done."""
    return parameter(
        "reason", option(str, "--reason", f"{help} Not a name: whoever reads the ledger reads it."), default
    )
