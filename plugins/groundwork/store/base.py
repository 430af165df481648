"""The metadata that all tables of the store share, and the column shapes that recur."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, MetaData, text

SCHEMA = "groundwork"
METADATA = MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def identity() -> Column[int]:
    """A surrogate key that grows in order of insertion."""
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def moment(name: str, *, nullable: bool = False, **options: Any) -> Column[datetime]:
    """A UTC timestamp column; when it is required the server fills it with the time of the transaction."""
    default = None if nullable else text("now()")
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=default, **options)


def utc_now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)
