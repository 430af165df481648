"""SQL that describes tables to a proposed contract: made in a scratch schema, observed like live tables, taken back.

What the server makes of the SQL is what counts, so synonyms, habits and defaults are its own. Statements that describe
nothing are not run; functions that could do something are refused.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import text as statement_text
from sqlalchemy.exc import DBAPIError

from groundwork.catalog.postgres import observe_schemas
from groundwork.catalog.session import run, undone
from groundwork.contracts.declared import returned
from groundwork.contracts.derive.metadata import quote
from groundwork.infer.ddl_statements import Described, chosen, functions_in, is_harmless, schemas_in
from groundwork.infer.ddl_text import script_of
from groundwork.infer.domain_types import domain_types
from groundwork.infer.profile import Proposal
from groundwork.infer.shape_document import shape_contract
from groundwork.model.errors import ConfigError, RetriableError

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlglot.expressions import Expression

_POSTGRES = "postgres"
_VOLATILE = """
SELECT DISTINCT proname FROM pg_proc WHERE proname = ANY(:names) AND provolatile = 'v'
"""
_UNDEFINED = ("42883", "42704", "3F000", "42P01")  # function, type, schema, table


def infer_ddl(
    connection: Connection, text: str, *, dialect: str = _POSTGRES, domain: str, where: str = "SQL"
) -> Proposal:
    """The contract of the tables that `text` describes; the connection's database is left as it was.

    Other dialects than PostgreSQL's are translated first, and the proposal says so. `where` names the source in errors.
    Raises: ConfigError for SQL that does not parse or that the server refuses (with the line), for tables in several
    schemas, and for functions that do more than make a value.
    """
    place = where or "SQL"
    translated, notes = (text, []) if dialect == _POSTGRES else _translated(text, dialect, place)
    script = script_of(translated)
    statements, left_out = chosen(script.sql, place)
    schema = _one_schema(statements, domain, place)
    _require_harmless(connection, statements, place)
    scratch = f"groundwork_scratch_{uuid.uuid4().hex}"
    with undone(connection):
        run(connection, f"CREATE SCHEMA {quote(scratch)}")
        run(connection, f"SET LOCAL search_path = {quote(scratch)}")
        missed = _make_all(connection, statements, scratch, schema, place)
        found = observe_schemas(connection, [scratch])
        bases = {name.replace(scratch, quote(schema)): base for name, base in domain_types(connection).items()}
    shapes = returned(found, {scratch: schema})
    purpose = f"Proposed from {place}; to be reviewed."
    proposal = shape_contract(shapes, schema, domain=domain, purpose=purpose, domain_types=bases)
    return Proposal(
        document=proposal.document,
        guesses=proposal.guesses,
        left_out=(*proposal.left_out, *missed, *script.taken_out, *left_out, *notes),
    )


def _translated(text: str, dialect: str, where: str) -> tuple[str, list[str]]:
    """What describes tables, in PostgreSQL's words, and what is left out."""
    import sqlglot
    from sqlglot import expressions
    from sqlglot.errors import SqlglotError

    describes = (expressions.Create, expressions.Alter, expressions.Comment)
    try:
        parsed = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
        kept = [each for each in parsed if isinstance(each, describes)]
        for each in kept:
            _without_foreign_words(each)
        written = ";\n".join(each.sql(dialect=_POSTGRES) for each in kept)
    except SqlglotError as error:
        raise ConfigError(
            f"the SQL does not parse as {dialect}'s",
            where=where,
            found=str(error).partition("\n")[0],
            next_step="correct it, or name the dialect it is written in",
        ) from error
    others = Counter(each.key.upper() for each in parsed if not isinstance(each, describes))
    left_out = [f"{count:,} statements {kind}" for kind, count in others.items()]
    return f"{written};\n", [f"types and words of {dialect} were translated to PostgreSQL's: review them", *left_out]


def _without_foreign_words(statement: Expression) -> None:
    """Take out what PostgreSQL has no words for: storage engines, display widths of whole numbers."""
    from sqlglot import expressions

    if isinstance(statement, expressions.Create):
        statement.set("properties", None)
    for kind in statement.find_all(expressions.DataType):
        if kind.this in expressions.DataType.INTEGER_TYPES:
            kind.set("expressions", [])


def _one_schema(statements: Sequence[Described], domain: str, where: str) -> str:
    schemas = schemas_in(tuple(statements))
    if not schemas:
        raise ConfigError(
            "no statement makes a table", where=where, expected="CREATE TABLE …", next_step="name another file"
        )
    if len(schemas) > 1:
        raise ConfigError(
            "the tables are in several schemas, and a contract is about one",
            where=where,
            found=", ".join(name or "(none)" for name in schemas),
            next_step="split the file by schema",
        )
    return schemas[0] or domain


def _require_harmless(connection: Connection, statements: Sequence[Described], where: str) -> None:
    """Functions of the server that change or read something outside must not stand in a description."""
    calls = list(functions_in(tuple(statements)))
    names = sorted({name for _, name, _ in calls})
    volatile: set[str] = set(connection.execute(statement_text(_VOLATILE), {"names": names}).scalars())
    for _, name, line in calls:
        if name in volatile and not is_harmless(name):
            raise ConfigError(
                f"the function {name}() does more than make a value",
                where=f"{where}:{line}",
                expected="functions without effects, nextval(), random() or gen_random_uuid()",
                found=name,
                next_step="remove it from the description",
            )


def _make_all(
    connection: Connection, statements: Sequence[Described], scratch: str, schema: str, where: str
) -> list[str]:
    """Make everything, in the order that works; what needs something that is not there is told and left out."""
    waiting = list(statements)
    while waiting:
        missed = {each: words for each in waiting if (words := _make(connection, each, scratch, schema, where))}
        if len(missed) == len(waiting):
            return [f"line {each.line}: {words}" for each, words in missed.items()]
        waiting = list(missed)
    return []


def _make(connection: Connection, described: Described, scratch: str, schema: str, where: str) -> str | None:
    """Run one statement; what it lacks, if it names something that is not there (yet)."""
    run(connection, "SAVEPOINT groundwork_description")
    try:
        run(connection, described.sql({None: scratch, schema: scratch}))
    except DBAPIError as error:
        if error.connection_invalidated:
            raise RetriableError("the connection was lost while tables were described", found=error.orig) from error
        words = str(error.orig).strip().partition("\n")[0].replace(scratch, schema)
        if getattr(error.orig, "sqlstate", None) not in _UNDEFINED:
            raise ConfigError(
                "the server refuses a statement of the description",
                where=f"{where}:{described.line}",
                expected="SQL that PostgreSQL accepts",
                found=words,
                next_step="correct the statement",
            ) from error
        run(connection, "ROLLBACK TO SAVEPOINT groundwork_description")
        return words
    run(connection, "RELEASE SAVEPOINT groundwork_description")
    return None
