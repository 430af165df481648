"""Which database stands behind a connection id: remembered at the first use, compared before any change.

Grain: one row per Airflow connection id.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import BigInteger, Column, Engine, Table, Text, select
from sqlalchemy.dialects.postgresql import insert

from groundwork.store.base import METADATA, moment, utc_now

TARGET_IDENTITY = Table(
    "target_identity",
    METADATA,
    Column("target", Text, primary_key=True, comment="Airflow connection id"),
    Column("database", Text, nullable=False),
    Column("database_oid", BigInteger, nullable=False),
    Column("system_identifier", Text, comment="of the cluster; null where the role may not read it"),
    Column("trusted_by", Text, nullable=False, comment="orbt at the first use, else who said so"),
    moment("trusted_at"),
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A database, wherever its server runs: a replica that took over has the same, a restored copy has not."""

    database: str
    database_oid: int
    system_identifier: str | None = None

    def is_same(self, other: Identity) -> bool:
        """Whether both are one database, as far as both tell."""
        both = (self.system_identifier, other.system_identifier)
        is_same_cluster = None in both or both[0] == both[1]
        return is_same_cluster and (self.database, self.database_oid) == (other.database, other.database_oid)

    def __str__(self) -> str:
        return f"`{self.database}` (oid {self.database_oid}) of cluster {self.system_identifier or 'unknown'}"


class TargetIdentities:
    """Repository of identities."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, target: str) -> Identity | None:
        """What is remembered of a connection id."""
        names = ("database", "database_oid", "system_identifier")
        query = select(*(TARGET_IDENTITY.c[name] for name in names)).where(TARGET_IDENTITY.c.target == target)
        with self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return Identity(**row) if row else None

    def remember(self, target: str, identity: Identity) -> Identity:
        """Keep the identity unless one is known; the one that counts from now on."""
        added = insert(TARGET_IDENTITY).values(target=target, trusted_by="orbt", **asdict(identity))
        with self._engine.begin() as connection:
            connection.execute(added.on_conflict_do_nothing())
        return self.of(target) or identity

    def trust(self, target: str, identity: Identity, by: str) -> None:
        """Replace what is remembered, because a person says that the connection leads elsewhere now."""
        values = {"trusted_by": by, "trusted_at": utc_now(), **asdict(identity)}
        added = insert(TARGET_IDENTITY).values(target=target, **values)
        with self._engine.begin() as connection:
            connection.execute(added.on_conflict_do_update(index_elements=["target"], set_=values))
