"""A table against a backup that stands beside it: rows only in the one, only in the other, and different, by key."""

# groundwork: allow-file raw_sql,direct_driver compares two tables; identifiers are quoted by the driver

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql
from sqlalchemy import Connection

from groundwork.catalog.session import run
from groundwork.contracts.contract import TableContract
from groundwork.flow.quarantine.live_row import LiveColumn, live_columns
from groundwork.flow.quarantine.read import MASK, is_shown

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Rows by where they are; without a key a changed row counts as one on each side.

    `examples` are primary keys, masked as their columns are classified. `columns_left_out` are on one side only.
    """

    table: str
    backup: str
    only_in_backup: int
    only_in_table: int
    differing: int
    same: int
    examples: tuple[str, ...] = ()
    columns_left_out: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether table and backup hold the same rows."""
        return not (self.only_in_backup or self.only_in_table or self.differing)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, without values of guarded columns."""
        return {**asdict(self), "agrees": self.agrees}

    def __str__(self) -> str:
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        left = f"; not compared: {', '.join(self.columns_left_out)}" if self.columns_left_out else ""
        return (
            f"{self.table} against {self.backup}: {self.only_in_backup} rows only in the backup, {self.only_in_table} "
            f"only in the table, {self.differing} different, {self.same} the same{shown}{left}"
        )


def compare_with_backup(connection: Connection, table: TableContract, side: str) -> Comparison:
    """Compare `table` with the table of its name in the schema `side`; reads only."""
    live = {each.name: each for each in live_columns(connection, table.schema, table.name) if not each.is_generated}
    kept = {each.name: each for each in live_columns(connection, side, table.name)}
    common = [name for name in kept if name in live]
    key = table.primary_key if table.primary_key and set(table.primary_key) <= set(common) else ()
    words = {
        "live": sql.Identifier(table.schema, table.name),
        "side": sql.Identifier(side, table.name),
        "live_row": _texts("held", common),
        "side_row": _texts("kept", common),
    }
    if key:
        same_key = sql.SQL(" AND ").join(_equal(name, live[name], kept[name]) for name in key)
        found: Any = run(connection, _BY_KEY.format(**words, same_key=same_key).as_string()).one()
        examples = _examples(connection, table, key, words, same_key)
    else:
        found, examples = run(connection, _WHOLE.format(**words).as_string()).one(), ()
    return Comparison(
        table=table.qualified_name,
        backup=f"{side}.{table.name}",
        only_in_backup=int(found[0]),
        only_in_table=int(found[1]),
        differing=int(found[2]),
        same=int(found[3]),
        examples=examples,
        columns_left_out=tuple(sorted(live.keys() ^ kept.keys())),
    )


def _examples(
    connection: Connection, table: TableContract, key: Sequence[str], words: dict[str, Any], same_key: sql.Composed
) -> tuple[str, ...]:
    names = sql.SQL(", ").join(
        sql.SQL("coalesce(kept.{name}::text, held.{name}::text)").format(name=sql.Identifier(name)) for name in key
    )
    query = _APART.format(**words, same_key=same_key, key=names, limit=sql.Literal(_EXAMPLES))
    found: list[Any] = list(run(connection, query.as_string()).all())
    return tuple(f"{row[0]}: {_key_text(table, key, row[1:])}" for row in found)


def _key_text(table: TableContract, key: Sequence[str], values: Sequence[Any]) -> str:
    pairs = zip(key, values, strict=True)
    return ", ".join(f"{name}={value if is_shown(table, name) else MASK}" for name, value in pairs)


def _equal(name: str, live: LiveColumn, kept: LiveColumn) -> sql.Composed:
    cast = "" if live.type == kept.type else "::text"
    return sql.SQL("held.{name}{cast} = kept.{name}{cast}").format(name=sql.Identifier(name), cast=sql.SQL(cast))


def _texts(row: str, names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(row, name)) for name in names)


_BY_KEY = sql.SQL(
    """
    SELECT count(*) FILTER (WHERE held.tableoid IS NULL), count(*) FILTER (WHERE kept.tableoid IS NULL),
           count(*) FILTER (WHERE held.tableoid IS NOT NULL AND kept.tableoid IS NOT NULL AND is_apart),
           count(*) FILTER (WHERE held.tableoid IS NOT NULL AND kept.tableoid IS NOT NULL AND NOT is_apart)
    FROM {side} AS kept FULL JOIN {live} AS held ON {same_key}
    CROSS JOIN LATERAL (SELECT ROW({live_row}) IS DISTINCT FROM ROW({side_row}) AS is_apart) AS compared
    """
)
_APART = sql.SQL(
    """
    SELECT CASE WHEN held.tableoid IS NULL THEN 'only in the backup' WHEN kept.tableoid IS NULL THEN 'only in the table'
                ELSE 'different' END AS what, {key}
    FROM {side} AS kept FULL JOIN {live} AS held ON {same_key}
    WHERE ROW({live_row}) IS DISTINCT FROM ROW({side_row}) ORDER BY 1, 2 LIMIT {limit}
    """
)
_WHOLE = sql.SQL(
    """
    WITH lost AS (SELECT {side_row} FROM {side} AS kept EXCEPT ALL SELECT {live_row} FROM {live} AS held),
         new AS (SELECT {live_row} FROM {live} AS held EXCEPT ALL SELECT {side_row} FROM {side} AS kept),
         counted AS (SELECT (SELECT count(*) FROM lost) AS lost, (SELECT count(*) FROM new) AS new)
    SELECT lost, new, 0, (SELECT count(*) FROM {side}) - lost FROM counted
    """
)
