"""Contracts as they stood when a database was brought to what they declare.

Grain: one row per contract, target database and content; recording the same content again moves it to the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Engine, Index, Table, Text, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import JSONB, distinct_on, insert

from groundwork.store.base import METADATA, identity, moment, utc_now

CONTRACT_VERSION = Table(
    "contract_version",
    METADATA,
    identity(),
    Column("domain", Text, nullable=False),
    Column("contract_id", Text, nullable=False),
    Column("target", Text, nullable=False, comment="Airflow connection id of the database"),
    Column("version", Text, nullable=False, comment="as the contract says"),
    Column("file", Text, nullable=False, comment="name of the contract's file in its domain"),
    Column("digest", Text, nullable=False, comment="SHA-256 of the document as canonical JSON"),
    Column("document", JSONB, nullable=False),
    moment("recorded_at"),
    UniqueConstraint("contract_id", "target", "digest"),
    Index(None, "domain", "target", "recorded_at"),
)


class ContractVersions:
    """Repository of the contracts that were carried out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def record(self, domain: str, target: str, contracts: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> None:
        """Keep contracts as (id, version, file, document) that the database `target` agrees with now."""
        with self._engine.begin() as connection:
            for contract_id, version, file, document in contracts:
                statement = insert(CONTRACT_VERSION).values(
                    domain=domain,
                    contract_id=contract_id,
                    target=target,
                    version=version,
                    file=file,
                    digest=digest(document),
                    document=dict(document),
                    recorded_at=utc_now(),
                )
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["contract_id", "target", "digest"],
                        set_={"recorded_at": statement.excluded.recorded_at, "file": statement.excluded.file},
                    )
                )

    def newest(self, domain: str, target: str) -> list[Mapping[str, Any]]:
        """The contracts that the database agreed with last, one row per contract, in order of file."""
        query = (
            select(CONTRACT_VERSION)
            .where(CONTRACT_VERSION.c.domain == domain, CONTRACT_VERSION.c.target == target)
            .ext(distinct_on(CONTRACT_VERSION.c.contract_id))
            .order_by(CONTRACT_VERSION.c.contract_id, CONTRACT_VERSION.c.recorded_at.desc())
        )
        with self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return sorted(rows, key=lambda row: str(row["file"]))

    def before(self, domain: str, target: str) -> list[Mapping[str, Any]]:
        """The contracts that the database agreed with before the newest ones, one row per contract that had another
        form, in order of file.
        """
        place = func.row_number().over(
            partition_by=CONTRACT_VERSION.c.contract_id, order_by=CONTRACT_VERSION.c.recorded_at.desc()
        )
        condition = (CONTRACT_VERSION.c.domain == domain) & (CONTRACT_VERSION.c.target == target)
        ranked = select(CONTRACT_VERSION, place.label("place")).where(condition).subquery()
        with self._engine.connect() as connection:
            rows = connection.execute(select(ranked).where(ranked.c.place == 2)).mappings()
            return sorted((dict(row) for row in rows), key=lambda row: str(row["file"]))


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of a document, the same for the same content in whatever order of keys."""
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
