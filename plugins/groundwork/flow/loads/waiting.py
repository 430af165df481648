"""Rows that wait to be published, as they are shown to whoever judges a load before readers see it.

A load calls its judge between the last record read and the transaction that publishes. A judge that raises stops the
publication: the table stays as it was, and the rows go on waiting, so that the next try of the same load only judges
and publishes. What is judged are the records that passed the contract's own checks; records that are rejected only
together (a key that comes twice) are still among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from groundwork.contracts.contract import TableContract
from groundwork.flow.window import Window


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """The waiting rows of one load: all columns that a source may fill, one row per good record.

    `relation` is schema and table where they wait, committed, so that any connection can read them; `connection` is in
    a transaction and is the load's own. `schema` is where the table stands that they are for.
    """

    connection: Connection
    relation: tuple[str, str]
    contract: TableContract
    schema: str
    run_id: str
    window: Window | None


BeforePublish = Callable[[Waiting], None]
