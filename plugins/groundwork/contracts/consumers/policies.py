"""Uses that policies make: tables and columns that a policy names, and rules for a kind of personal data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from groundwork.contracts.consumers.consumer import Consumer, Side, Use, shown
from groundwork.contracts.contract import Domain
from groundwork.contracts.document import Document, read_document
from groundwork.model.errors import ConfigError


def policy_uses(domain: Domain, project: Path) -> Iterator[Use]:
    """Every use of a table of `domain` in the files `project/governance/policies/*.yaml`."""
    for path in sorted((project / "governance" / "policies").glob("*.yaml")):
        try:
            document = read_document(path)
        except ConfigError:
            continue  # reading the policies tells
        yield from _named(document, domain, project)
        yield from _personal_data(document, domain, project)


def _named(document: Document, domain: Domain, project: Path) -> Iterator[Use]:
    """Texts that are `schema.table` or `schema.table.column`."""
    addresses: dict[str, tuple[str, str | None]] = {}
    for table in domain.tables:
        addresses[table.qualified_name] = (table.name, None)
        addresses.update(
            {f"{table.qualified_name}.{column.name}": (table.name, column.name) for column in table.columns}
        )
    for text, pointer in _texts(document.data, ""):
        if text in addresses:
            table_name, column_name = addresses[text]
            consumer = _consumer(document, project, pointer, f"names {text}")
            yield Use(consumer=consumer, table=table_name, column=column_name, is_whole=column_name is None)


def _personal_data(document: Document, domain: Domain, project: Path) -> Iterator[Use]:
    """What a policy rules for the kind of personal data that a column holds."""
    rules = document.data.get("personal_data")
    if not isinstance(rules, Mapping):
        return
    for table in domain.tables:
        for column in table.columns:
            kind = str(column.personal_data) if column.personal_data else None
            if kind in rules:
                consumer = _consumer(document, project, f"/personal_data/{kind}", f"rules {kind}: {rules[kind]}")
                yield Use(consumer=consumer, table=table.name, column=column.name)


def _consumer(document: Document, project: Path, pointer: str, how: str) -> Consumer:
    where = shown(document.path, project, document.position(pointer).line)
    return Consumer(
        kind="policy", name=str(document.data.get("kind", document.path.stem)), where=where, how=how, side=Side.BOTH
    )


def _texts(node: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every text of a document, keys too, with its pointer."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield str(key), f"{pointer}/{key}"
            yield from _texts(value, f"{pointer}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, f"{pointer}/{index}")
    elif isinstance(node, str):
        yield node, pointer
