"""What Alembic runs to bring the tables up to date, on the connection that it is handed."""

from __future__ import annotations

from alembic import context

from expunge.evidence.ledger.tables import METADATA


def run() -> None:
    """Take every step that is missing."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=METADATA,
        render_as_batch=True,  # SQLite changes a table by making it anew
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # what Alembic calls this file when it runs it
    run()
