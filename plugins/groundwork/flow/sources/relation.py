"""What is read of another database: a table, or the rows of a query."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, FromClause, MetaData, Table, column, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.types import BigInteger, Integer, NullType, TypeEngine

from groundwork.flow.sources.filling import FoundField
from groundwork.model.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Relation:
    """`table` in `schema` (null: the connection's own), or `query`, a SELECT that was checked.

    `key` are the columns that tell rows apart; null is the table's primary key, empty is none.
    """

    table: str | None = None
    schema: str | None = None
    query: str | None = None
    key: tuple[str, ...] | None = None

    def reflected(self, connection: Connection) -> tuple[tuple[FoundField, ...], FromClause]:
        """The columns with their types as PostgreSQL's, and what to select from."""
        if self.query is not None:
            return self._of_query(connection, self.query)
        name = str(self.table)
        table = Table(name, MetaData(), schema=self.schema, autoload_with=connection, resolve_fks=False)
        fields = tuple(
            FoundField(name=each.name, type=postgres_type(each.type, connection.dialect.name)) for each in table.columns
        )
        return fields, table

    def key_of(self, table: FromClause, where: str) -> tuple[str, ...]:
        """Names of the key's columns, empty when there is none.

        Raises: ConfigError when a declared one does not exist.
        """
        if self.key is None:
            return tuple(each.name for each in table.primary_key)
        for name in self.key:
            if name not in table.c:
                raise ConfigError(
                    "the key of the source is no column of it",
                    where=f"{where}, source.key",
                    expected=", ".join(each.name for each in table.c),
                    found=name,
                    next_step="correct it in the contract",
                )
        return self.key

    def _of_query(self, connection: Connection, query: str) -> tuple[tuple[FoundField, ...], FromClause]:
        plain = text(query.replace(":", "\\:"))
        probe = select(text("*")).select_from(plain.columns().subquery("asked")).where(text("1 = 0"))
        names = list(connection.execute(probe).keys())
        found = plain.columns(*(column(name) for name in names)).subquery("asked")
        return tuple(FoundField(name=name) for name in names), found


def postgres_type(found: TypeEngine[object], dialect: str) -> str | None:
    """The type of a database in PostgreSQL's words; null when there is none for it."""
    if isinstance(found, NullType):
        return None
    if getattr(found, "unsigned", False) and isinstance(found, Integer):
        return "numeric(20,0)" if isinstance(found, BigInteger) else "bigint"
    for each in (found, None) if dialect == "postgresql" else (_generic(found), found):
        try:
            if each is not None:
                return each.compile(dialect=postgresql.dialect()).lower()  # type: ignore[no-untyped-call]
        except (CompileError, NotImplementedError, AttributeError):
            continue
    return None


def _generic(found: TypeEngine[object]) -> TypeEngine[object] | None:
    try:
        return found.as_generic()
    except NotImplementedError:
        return None
