"""An index of what every event is about, filled from the events that are there."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from expunge.evidence.ledger.events import mentions

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
EVENTS = sa.table("events", sa.column("sequence"), sa.column("kind"), sa.column("body"))


def upgrade() -> None:
    """Make the table and fill it."""
    made = op.create_table(
        "mentions",
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("sequence", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("name", "sequence", name="pk_mentions"),
        sa.ForeignKeyConstraint(["sequence"], ["events.sequence"], name="fk_mentions_sequence"),
    )
    op.create_index("ix_mentions_sequence", "mentions", ["sequence"])
    connection = op.get_bind()
    for sequence, kind, body in connection.execute(sa.select(EVENTS.c.sequence, EVENTS.c.kind, EVENTS.c.body)).all():
        rows = [{"name": name, "sequence": sequence} for name in set(mentions(kind, json.loads(body)))]
        if rows:
            connection.execute(made.insert(), rows)
