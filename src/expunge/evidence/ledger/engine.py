"""Connections: a ledger's address becomes an engine whose transactions keep what two processes write apart.

SQLite writes under `BEGIN IMMEDIATE`, PostgreSQL under an advisory lock; either way one process writes at a time, and
what it read before it wrote is still so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError
from sqlalchemy.pool import NullPool

from expunge.errors import InputError, Unavailable

FIELD = "ledger (--ledger)"
EXPECTED = "a SQLite file or postgresql://USER@HOST/DATABASE"
PATIENCE_SECONDS = 60
LOCK = 0x65787075  # "expu": whoever writes to a ledger in a PostgreSQL database holds this lock there
PRAGMAS = (
    "foreign_keys=ON",
    "journal_mode=WAL",
    "synchronous=FULL",  # what was answered must survive a power cut
)


def read_address(text: str) -> URL:
    """The address of a ledger: a path means a SQLite file.

    Raises:
        InputError: it is neither a file nor a PostgreSQL address.

    Example:
        >>> str(read_address("books/ledger.db"))
        'sqlite:///books/ledger.db'
    """
    if "://" not in text:
        url = URL.create("sqlite", database=text)
    else:
        try:
            url = make_url(text)
        except ArgumentError:
            # never the text itself: a password may stand in it
            raise InputError(FIELD, expected=EXPECTED, came="another address") from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite" or not url.database or url.database == ":memory:" or url.query:
        raise InputError(FIELD, expected=EXPECTED, came=url.drivername if url.database else "nothing")
    return url


def connect(url: URL, *, new: bool = False) -> Engine:
    """An engine for a ledger that is there, or with `new` for one that may have to be made.

    Raises:
        InputError: there is none.
        Unavailable: the driver of PostgreSQL is not installed.
    """
    if url.get_backend_name() == "sqlite":
        _check_file(Path(str(url.database)), new)
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": PATIENCE_SECONDS})
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
        return engine
    try:
        # whatever the database's own default: the lock must come before the snapshot of what is read under it
        return create_engine(url, poolclass=NullPool, isolation_level="READ COMMITTED")
    except ImportError:
        raise Unavailable("a ledger on PostgreSQL needs its driver: pip install 'expunge[postgres]'") from None


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One unchanging view of the ledger, whoever writes meanwhile.

    Raises:
        InputError: it cannot be read.
    """
    level = {"isolation_level": "REPEATABLE READ"} if _is_postgres(engine) else {}
    with told(engine.url), engine.connect().execution_options(**level) as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction in which nobody else writes; all of it is kept, or nothing.

    Raises:
        InputError: it cannot be written.
    """
    with told(engine.url), engine.connect().execution_options(expunge_writes=True) as connection, connection.begin():
        if _is_postgres(engine):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
        yield connection


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Say in one line what the database refused; passwords are not shown."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        why = str(error.orig or error).splitlines()[0][:200]
        place = url.render_as_string(hide_password=True)
        raise InputError(FIELD, expected="a ledger that can be used", came=f"{place} ({why})") from None


def _is_postgres(engine: Engine) -> bool:
    return engine.dialect.name == "postgresql"


def _check_file(path: Path, new: bool) -> None:
    """Make the file for its owner alone, or refuse where there is none: a slip of the pen shall make no new ledger."""
    if os.path.exists(path):  # also answers where a name is longer than any file's
        return
    if not new:
        remedy = "make one: expunge ledger migrate"
        raise InputError(FIELD, expected="a ledger", came=f"{path}, where nothing is", remedy=remedy)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    except OSError as error:
        came = f"{path} ({str(error.strerror).lower()})"
        raise InputError(FIELD, expected="a place that can be written", came=came) from None


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says, not where the driver guesses
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("expunge_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
