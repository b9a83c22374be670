"""Brings the tables of a ledger up to date, and says whether they are."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from expunge.errors import InputError
from expunge.evidence.ledger.engine import FIELD, writing

STEPS = Path(__file__).parent / "migrations"
REMEDY = "expunge ledger migrate"


def config(connection: Connection | None = None) -> Config:
    """Alembic's settings, with the connection that it shall use."""
    found = Config()
    found.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    found.attributes["connection"] = connection
    return found


def newest() -> str:
    """The revision to which this version of expunge brings a ledger."""
    return str(ScriptDirectory.from_config(config()).get_current_head())


def revision(connection: Connection) -> str | None:
    """The revision of a ledger's tables; None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def migrate(engine: Engine, target: str = "head") -> tuple[str | None, str | None]:
    """Bring the tables up to date, all steps or none; the revisions before and after.

    Raises:
        InputError: they were made by a newer expunge, or cannot be written.
    """
    with writing(engine) as connection:
        before = revision(connection)
        _check_known(before)
        command.upgrade(config(connection), target)
        return before, revision(connection)


def check_revision(connection: Connection) -> None:
    """Refuse tables that are not those of this version.

    Raises:
        InputError: saying what to do.
    """
    found = revision(connection)
    _check_known(found)
    if found != newest():
        came = "no ledger" if found is None else f"revision {found}"
        raise InputError(FIELD, expected=f"a ledger of revision {newest()}", came=came, remedy=REMEDY)


def _check_known(found: str | None) -> None:
    known = [step.revision for step in ScriptDirectory.from_config(config()).walk_revisions()]
    if found is not None and found not in known:
        remedy = "install the version of expunge that made it"
        raise InputError(FIELD, expected=f"a revision up to {newest()}", came=found[:40], remedy=remedy)
