"""Reading the quarantine: counted by table, load and reason, row by row, and as a file to be corrected.

Values are shown masked unless `reveal` is set: a column that is classified above `internal`, or not at all, is replaced
by `MASK`, and so is what no column takes. Whoever reveals answers for it in the audit trail; that is the caller's part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, and_, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB

from groundwork.contracts.contract import TableContract
from groundwork.flow import ledger
from groundwork.flow.json_text import parse
from groundwork.flow.ledger import QUARANTINE
from groundwork.flow.quarantine.row import field_values, is_undivided
from groundwork.flow.source import fillable
from groundwork.model.errors import ConfigError
from groundwork.model.vocabulary import Classification

MASK = "•••"
HELD = "held"
STATES = (HELD, "replayed", "dropped", "evidence")
ABOUT = ("quarantine_id", "load_id", "position", "state", "source", "reasons")  # columns before those of the table
_MOST_GUARDED_SHOWN = Classification.INTERNAL
_FETCH_ROWS = 5_000


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which quarantined rows are meant; null or empty leaves a side open. Rows of drills are never meant.

    `reason` is `rule` or `rule:column`.
    """

    schema: str | None = None
    table: str | None = None
    load_id: int | None = None
    reason: str | None = None
    state: str | None = HELD
    ids: tuple[int, ...] = ()

    def condition(self) -> ColumnElement[bool]:
        """The selection as SQL."""
        column = QUARANTINE.c
        parts: list[ColumnElement[bool]] = [~column.is_trial]
        for name, value in (("schema_name", self.schema), ("table_name", self.table), ("load_id", self.load_id)):
            if value is not None:
                parts.append(column[name] == value)
        if self.state is not None:
            parts.append(column.state == self.state)
        if self.ids:
            parts.append(column.quarantine_id.in_(self.ids))
        if self.reason:
            rule, _, name = self.reason.partition(":")
            wanted = {"rule": rule, **({"column": name} if name else {})}
            parts.append(column.reasons.contains([wanted]))
        return and_(true(), *parts)


def counts(connection: Connection, selection: Selection) -> list[Mapping[str, Any]]:
    """Rows per table, load, reason and state, newest load first; a row with two reasons counts under both.

    Keys: schema_name, table_name, load_id, state, reason, rows, first_id, created_at.
    """
    ledger.ensure(connection)
    reason = func.jsonb_array_elements(QUARANTINE.c.reasons).table_valued("value", joins_implicitly=True)
    told = cast(reason.c.value, JSONB)
    label = func.concat_ws(":", told["rule"].astext, told["column"].astext).label("reason")
    keys = [QUARANTINE.c[name] for name in ("schema_name", "table_name", "load_id", "state")]
    identity = QUARANTINE.c.quarantine_id
    query = (
        select(
            *keys,
            label,
            func.count(identity.distinct()).label("rows"),
            func.min(identity).label("first_id"),
            func.min(QUARANTINE.c.created_at).label("created_at"),
        )
        .where(selection.condition())
        .group_by(*keys, label)
        .order_by(QUARANTINE.c.load_id.desc(), QUARANTINE.c.schema_name, QUARANTINE.c.table_name, label)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def total(connection: Connection, selection: Selection) -> int:
    """How many rows are meant; each counts once."""
    ledger.ensure(connection)
    return connection.scalar(select(func.count()).select_from(QUARANTINE).where(selection.condition())) or 0


def rows(connection: Connection, selection: Selection, limit: int | None = None) -> Iterator[Mapping[str, Any]]:
    """Columns of `quarantine` in order of id, unmasked; bounded memory."""
    ledger.ensure(connection)
    after, left = 0, limit
    while left is None or left > 0:
        size = _FETCH_ROWS if left is None else min(_FETCH_ROWS, left)
        query = (
            select(*(each for each in QUARANTINE.c if each.name != "raw"), cast(QUARANTINE.c.raw, Text).label("raw"))
            .where(selection.condition(), QUARANTINE.c.quarantine_id > after)
            .order_by(QUARANTINE.c.quarantine_id)
            .limit(size)
        )
        found = connection.execute(query).mappings().all()
        yield from ({**row, "raw": parse(row["raw"])} for row in found)  # decimals stay exact
        if len(found) < size:
            return
        after = int(found[-1]["quarantine_id"])
        left = None if left is None else left - len(found)


def row(connection: Connection, quarantine_id: int) -> Mapping[str, Any]:
    """One row, whatever its state; columns of `quarantine`.

    Raises: ConfigError when there is none.
    """
    found = next(rows(connection, Selection(state=None, ids=(quarantine_id,))), None)
    if found is None:
        raise ConfigError(
            "there is no such row in quarantine",
            where="groundwork_flow.quarantine",
            found=quarantine_id,
            next_step="groundwork quarantine list --rows",
        )
    return found


def is_shown(table: TableContract, column: str | None) -> bool:
    """Whether values of a column may be shown to everybody; null is the whole record."""
    known = {each.name: each.classification for each in table.columns}
    wanted = list(known.values()) if column is None else [known.get(column)]
    return all(each is not None and each.rank <= _MOST_GUARDED_SHOWN.rank for each in wanted)


def shown_reasons(
    table: TableContract, reasons: Sequence[Mapping[str, Any]], *, reveal: bool = False
) -> list[Mapping[str, Any]]:
    """The reasons; a message can hold the value it is about, so it is masked as the value is."""
    return [each if reveal or is_shown(table, each.get("column")) else {**each, "message": MASK} for each in reasons]


def shown_raw(table: TableContract, raw: Mapping[str, Any], *, reveal: bool = False) -> dict[str, Any]:
    """The raw record, field by field, masked unless revealed."""
    if reveal:
        return dict(raw)
    fields: Mapping[str, str] = (table.source or {}).get("columns") or {}
    column_of = {field: column for column, field in fields.items()}
    known = {column.name for column in table.columns}
    shown = {}
    for name, value in raw.items():
        meant = {column_of.get(name, name), name} & known  # a field of the source, or the column of that name
        is_open = bool(meant) and all(is_shown(table, column) for column in meant)
        if is_undivided(table, raw):
            is_open = is_shown(table, None)
        shown[name] = value if is_open or value is None else MASK
    return shown


def corrigible(table: TableContract, found: Mapping[str, Any], *, reveal: bool = False) -> dict[str, Any]:
    """One row as an exported file has it: `ABOUT`, then each column a source may fill, then `line`.

    `line` is the text of a record that could not be divided into fields, else null. A file of such rows, corrected,
    can be handed back to a replay; a masked value in it means the value that the quarantine has.
    """
    values = field_values(table, found["raw"], found["reasons"])
    told = {name: found[name] for name in ABOUT[:-1]}
    told["reasons"] = "; ".join(_told(each) for each in shown_reasons(table, found["reasons"], reveal=reveal))
    for column in fillable(table):
        value = values.get(column.name)
        told[column.name] = value if reveal or value is None or is_shown(table, column.name) else MASK
    line = found["raw"].get("line") if is_undivided(table, found["raw"]) else None
    told["line"] = line if reveal or line is None or is_shown(table, None) else MASK
    return told


def _told(reason: Mapping[str, Any]) -> str:
    place = f"{reason['rule']}:{reason['column']}" if reason.get("column") else reason["rule"]
    return f"{place} {reason['message']}"
