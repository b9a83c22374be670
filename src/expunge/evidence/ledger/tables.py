"""The two tables of a ledger: the events, and an index of what each of them is about."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers rows by itself only in a column that is called INTEGER; here they come with their numbers
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", NUMBER, primary_key=True, autoincrement=False),
    Column("time", String(20), nullable=False),
    Column("kind", String(40), nullable=False, index=True),
    Column("body", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
)

# An index, not a truth: `check` derives it anew from the events and compares.
MENTIONS = Table(
    "mentions",
    METADATA,
    Column("name", String(100), primary_key=True),
    Column("sequence", NUMBER, ForeignKey("events.sequence"), primary_key=True),
    Index("ix_mentions_sequence", "sequence"),
)
