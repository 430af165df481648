"""The messages of PostgreSQL's logical decoding plugin `pgoutput`, protocol version 1, decoded.

Owns bytes → values and nothing else: no connection, no position. Values stay text as the server printed them.
Source: PostgreSQL documentation, "Logical Replication Message Formats".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from groundwork.flow.capture.event import Row
from groundwork.model.errors import FatalError

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # from which PostgreSQL counts microseconds
_CASCADE, _RESTART = 1, 2  # bits of a truncation


@dataclass(frozen=True, kw_only=True)
class Begin:
    """A transaction begins; only committed ones are told."""

    final_lsn: int
    committed_at: datetime
    transaction: int


@dataclass(frozen=True, kw_only=True)
class Commit:
    """It ends; `end_lsn` is behind the commit record, where reading goes on."""

    commit_lsn: int
    end_lsn: int
    committed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Another server that the transaction came from."""

    name: str


@dataclass(frozen=True, kw_only=True)
class TypeName:
    """A type that is not built in."""

    oid: int
    schema: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table as it was when the changes behind this message were made.

    `replica_identity` is `d` (primary key), `i` (an index), `f` (the whole row) or `n` (nothing).
    """

    oid: int
    schema: str
    name: str
    replica_identity: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    type_oids: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Insert:
    """A new row."""

    relation: Relation
    after: Row


@dataclass(frozen=True, kw_only=True)
class Update:
    """A changed row; `before` is its old identity when that changed or is the whole row, else null."""

    relation: Relation
    before: Row | None
    after: Row
    unchanged: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Delete:
    """A row that is gone, by its identity or whole."""

    relation: Relation
    before: Row


@dataclass(frozen=True, kw_only=True)
class Truncate:
    """Tables that were emptied."""

    relations: tuple[Relation, ...]
    is_cascade: bool
    restarts_identity: bool


@dataclass(frozen=True, kw_only=True)
class Note:
    """A message that an application wrote into the log."""

    prefix: str
    content: bytes
    is_transactional: bool


Message = Begin | Commit | Origin | TypeName | Relation | Insert | Update | Delete | Truncate | Note


@dataclass(kw_only=True)
class Decoder:
    """Decodes the messages of one connection in order; it remembers the tables it was told of."""

    _relations: dict[int, Relation] = field(default_factory=dict)

    def decode(self, payload: bytes) -> Message:
        """The message in `payload`. Raises: FatalError when the bytes are not one of protocol version 1."""
        reader = _Reader(payload)
        kind = reader.letter()
        decode = _KINDS.get(kind)
        if decode is None:
            raise _broken("a message of a kind that protocol version 1 does not have", kind)
        message = decode(self, reader)
        if reader.left:
            raise _broken("a message that is longer than it should be", f"{kind} with {reader.left} bytes too many")
        return message

    def _begin(self, reader: _Reader) -> Begin:
        return Begin(final_lsn=reader.int64(), committed_at=reader.moment(), transaction=reader.int32())

    def _commit(self, reader: _Reader) -> Commit:
        reader.int8()
        return Commit(commit_lsn=reader.int64(), end_lsn=reader.int64(), committed_at=reader.moment())

    def _origin(self, reader: _Reader) -> Origin:
        reader.int64()
        return Origin(name=reader.text())

    def _type(self, reader: _Reader) -> TypeName:
        return TypeName(oid=reader.int32(), schema=reader.text() or "pg_catalog", name=reader.text())

    def _relation(self, reader: _Reader) -> Relation:
        oid, schema, name, identity = reader.int32(), reader.text() or "pg_catalog", reader.text(), reader.letter()
        columns = [(reader.int8(), reader.text(), reader.int32(), reader.int32()) for _ in range(reader.int16())]
        found = Relation(
            oid=oid,
            schema=schema,
            name=name,
            replica_identity=identity,
            columns=tuple(column for _, column, _, _ in columns),
            key=tuple(column for flags, column, _, _ in columns if flags & 1),
            type_oids=tuple(type_oid for _, _, type_oid, _ in columns),
        )
        self._relations[oid] = found
        return found

    def _insert(self, reader: _Reader) -> Insert:
        relation = self._known(reader.int32())
        reader.expect("N")
        after, _ = reader.row(relation.columns)
        return Insert(relation=relation, after=after)

    def _update(self, reader: _Reader) -> Update:
        relation, before = self._known(reader.int32()), None
        letter = reader.letter()
        if letter in "KO":
            before = self._old(reader, relation, letter)
            letter = reader.letter()
        if letter != "N":
            raise _broken("an update without its new row", letter)
        after, unchanged = reader.row(relation.columns)
        if before is not None and unchanged:  # the whole old row has what did not change
            after = {**{name: before[name] for name in unchanged if name in before}, **after}
            unchanged = frozenset(unchanged - before.keys())
        return Update(relation=relation, before=before, after=after, unchanged=unchanged)

    def _delete(self, reader: _Reader) -> Delete:
        relation, letter = self._known(reader.int32()), reader.letter()
        if letter not in "KO":
            raise _broken("a deletion without its old row", letter)
        return Delete(relation=relation, before=self._old(reader, relation, letter))

    def _old(self, reader: _Reader, relation: Relation, letter: str) -> Row:
        row, _ = reader.row(relation.columns)
        return row if letter == "O" else {name: row[name] for name in relation.key}

    def _truncate(self, reader: _Reader) -> Truncate:
        count, options = reader.int32(), reader.int8()
        relations = tuple(self._known(reader.int32()) for _ in range(count))
        return Truncate(
            relations=relations, is_cascade=bool(options & _CASCADE), restarts_identity=bool(options & _RESTART)
        )

    def _note(self, reader: _Reader) -> Note:
        flags, _, prefix = reader.int8(), reader.int64(), reader.text()
        return Note(prefix=prefix, content=reader.take(reader.int32()), is_transactional=bool(flags & 1))

    def _known(self, oid: int) -> Relation:
        if oid not in self._relations:
            raise _broken("a change of a table that was not told of", oid)
        return self._relations[oid]


class _Reader:
    """Bytes taken from the front, never beyond the end."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._payload) - self._at

    def take(self, count: int) -> bytes:
        if count < 0 or count > self.left:
            raise _broken("a message that ends too early", f"{self.left} bytes where {count} should be")
        self._at += count
        return self._payload[self._at - count : self._at]

    def letter(self) -> str:
        return self.take(1).decode("latin-1")

    def expect(self, letter: str) -> None:
        found = self.letter()
        if found != letter:
            raise _broken(f"a message without the part `{letter}`", found)

    def int8(self) -> int:
        return self.take(1)[0]

    def int16(self) -> int:
        return int(struct.unpack(">h", self.take(2))[0])

    def int32(self) -> int:
        return int(struct.unpack(">I", self.take(4))[0])

    def int64(self) -> int:
        return int(struct.unpack(">Q", self.take(8))[0])

    def moment(self) -> datetime:
        return _EPOCH + timedelta(microseconds=int(struct.unpack(">q", self.take(8))[0]))

    def text(self) -> str:
        end = self._payload.find(b"\0", self._at)
        if end < 0:
            raise _broken("a name without an end", self._payload[self._at :][:40])
        found = self._payload[self._at : end].decode("utf-8")
        self._at = end + 1
        return found

    def row(self, columns: tuple[str, ...]) -> tuple[dict[str, str | None], frozenset[str]]:
        """Column → text, and the columns that were not sent because they did not change."""
        count = self.int16()
        if count != len(columns):
            raise _broken(f"a row of {count} values for a table of {len(columns)} columns", count)
        values: dict[str, str | None] = {}
        unchanged = set()
        for name in columns:
            kind = self.letter()
            if kind == "t":
                values[name] = self.take(self.int32()).decode("utf-8")
            elif kind == "n":
                values[name] = None
            elif kind == "u":
                unchanged.add(name)
            else:
                raise _broken("a value that is neither text nor null", kind)
        return values, frozenset(unchanged)


_KINDS: dict[str, Callable[[Decoder, _Reader], Message]] = {
    "B": Decoder._begin,
    "C": Decoder._commit,
    "O": Decoder._origin,
    "Y": Decoder._type,
    "R": Decoder._relation,
    "I": Decoder._insert,
    "U": Decoder._update,
    "D": Decoder._delete,
    "T": Decoder._truncate,
    "M": Decoder._note,
}


def _broken(what: str, found: object) -> FatalError:
    return FatalError(
        f"the replication stream has {what}",
        expected="pgoutput, protocol version 1, text values",
        found=found,
        next_step="report this with the version of the source's PostgreSQL",
    )
