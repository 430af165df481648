"""A project of one table whose contract follows its source: the files, the table, the store, and ways to load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from groundwork.contracts.contract import Domain, TableContract
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.document import parse_document
from groundwork.contracts.lint import lint_domain
from groundwork.contracts.read import read_domain
from groundwork.flow.books import LoadResult
from groundwork.flow.loads.load import load_table
from groundwork.flow.resources import ConnectionFacts, Resources
from groundwork.foundation.evolution.change import Followed
from groundwork.foundation.evolution.follow import follow_source
from groundwork.foundation.evolution.means import Means, Subject
from groundwork.model.vocabulary import Severity
from groundwork.settings import Settings
from groundwork.store.migrate import migrate

EVENTS = (
    "SELECT outcome, policy, added, widened, missing, from_version, to_version, migration_id, reason "
    "FROM groundwork_flow.source_change ORDER BY source_change_id"
)
COLUMNS = {"item_id": "bigint", "name": "text"}
_LOGICAL = {"bigint": "integer", "integer": "integer", "smallint": "integer", "date": "date", "text": "string"}
_HEAD = """# The yard's items; ask team-yard before you change them.
apiVersion: v3.2.0
kind: DataContract
id: yard-items
name: Items
version: {version}  # raised by hand
status: active
domain: yard
team: {{name: team-yard}}
roles:
  - role: yard_reader_{suffix}
    access: read
    customProperties: [{{property: clearance, value: internal}}]
schema:
  - name: items
    physicalType: table
    description: What lies in the yard.
    customProperties:
      - {{property: source, value: {source}}}
    properties:
"""
_COLUMN = """      # about {name}
      - name: {name}
        logicalType: {logical}
        physicalType: {physical}
        {key}classification: public
        description: What | it is.
"""


@dataclass(frozen=True, kw_only=True)
class Yard:
    """The table `yard.items` in `engine`, which is the store as well, and the project in `folder`."""

    engine: Engine
    folder: Path
    connections: Mapping[str, ConnectionFacts]

    @property
    def settings(self) -> Settings:
        """The project's folders."""
        return Settings(project=self.folder, home=self.folder / "home")

    @property
    def contract_file(self) -> Path:
        """The contract."""
        return self.settings.contracts / "yard" / "items.odcs.yaml"

    @property
    def document(self) -> dict[str, Any]:
        """The contract as data."""
        return parse_document(self.contract_file.read_text(encoding="utf-8"), self.contract_file).data

    @property
    def domain(self) -> Domain:
        """The domain as it is on disk now."""
        return read_domain("yard", self.settings.contracts)

    @property
    def table(self) -> TableContract:
        """The table's contract as it is on disk now."""
        return self.domain.table("items")

    @property
    def means(self) -> Means:
        """What following may use."""
        return Means(
            warehouse=self.engine,
            store=self.engine,
            settings=self.settings,
            resources=Resources(project=self.folder, connection=self.connections.__getitem__),
            target="warehouse",
            run_id="test",
            actor="test",
        )

    def write(self, *lines: str, name: str = "items.csv") -> Path:
        """A file of the source."""
        path = self.folder / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def follow(self) -> tuple[Followed, ...]:
        """Let the contract follow its source."""
        return follow_source(self.means, Subject(domain=self.domain, table=self.table))

    def load(self) -> LoadResult:
        """Load by the contract as it is now."""
        means = self.means
        return load_table(
            self.engine, self.domain, self.table, project=self.folder, run_id="test", resources=means.resources
        )

    def follow_and_load(self, *lines: str) -> LoadResult:
        """As every way to load does it."""
        if lines:
            self.write(*lines)
        self.follow()
        return self.load()

    def rows(self, query: str = "SELECT * FROM yard.items ORDER BY 1") -> Sequence[Any]:
        """What a query returns, as tuples."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def run(self, statement: str) -> None:
        """Run one statement and commit it."""
        with self.engine.begin() as connection:
            connection.execute(text(statement))

    def types(self) -> dict[str, str]:
        """The columns of the table in the database with their types, in order."""
        return dict(
            self.rows(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = 'yard.items'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
            )
        )

    def declared(self) -> dict[str, str]:
        """The columns of the contract with their types, in order."""
        return {column.name: column.type for column in self.table.columns}

    def errors(self) -> list[str]:
        """What `validate-schema` finds wrong."""
        found = lint_domain("yard", self.settings.contracts)
        return [str(finding) for finding in found if finding.severity is Severity.ERROR]

    def events(self) -> list[dict[str, Any]]:
        """The events of the source, the oldest first."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(EVENTS)).mappings()]


def make_yard(
    engine: Engine,
    folder: Path,
    columns: Mapping[str, str] = COLUMNS,
    *,
    version: str = "1.4.0",
    mapping: Mapping[str, str] | None = None,
    connections: Mapping[str, ConnectionFacts] | None = None,
    required: Sequence[str] = (),
    with_database: bool = True,
    **source: Any,
) -> Yard:
    """Write the contract, whose first column is the key, and make store and table."""
    declared = {
        "kind": "file",
        "path": "items.csv",
        "format": "csv",
        "on_schema_change": "evolve",
        "columns": mapping,
        **source,
    }
    declared = {name: value for name, value in declared.items() if value is not None}
    head = _HEAD.format(version=version, source=json.dumps(declared), suffix=engine.url.database)
    text_of_columns = ""
    for place, (name, physical) in enumerate(columns.items()):
        key = "primaryKey: true\n        primaryKeyPosition: 1\n        " if not place else ""
        key += "required: true\n        " if not place or name in required else ""
        base = physical.partition("(")[0]
        logical = "number" if base == "numeric" else _LOGICAL.get(base, "string")
        text_of_columns += _COLUMN.format(name=name, logical=logical, physical=physical, key=key)
    yard = Yard(engine=engine, folder=folder, connections=connections or {})
    yard.contract_file.parent.mkdir(parents=True, exist_ok=True)
    yard.contract_file.write_text(head + text_of_columns, encoding="utf-8")
    if with_database:
        migrate(engine)
        with engine.begin() as connection:
            for statement in statements(yard.domain):
                connection.exec_driver_sql(statement.sql)
    return yard
