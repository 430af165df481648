"""The Python source of tables: executed by itself it gives the same tables; nothing in a contract becomes code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import MetaData
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import render
from groundwork.contracts.derive.metadata import metadata
from groundwork.contracts.derive.source_code import source_code
from tests.access.check_samples import everything
from tests.contracts.samples import market, shop

_SERIAL = "customProperties: [{property: identity, value: always}]"
_OTHERS = {
    "serial": shop(a=f"{_SERIAL} => customProperties: [{{property: identity, value: serial}}]"),
    "numbered": shop(
        a=f"{_SERIAL} => customProperties: [{{property: identity, value: by default}}, "
        "{property: sequence, value: {start: 7, increment: 2, cache: 5}}]"
    ),
    "hostile": shop(
        a='name: customers\n => name: "cus\')\\"; import os #"\n',
        b='to: customers.customer_id => to: "cus\')\\"; import os #.customer_id"',
        c='description: What was bought. => description: "\'\'\'\\"\\"\\" + 1 \\\\"',
    ),
    "plain types": shop(a='physicalType: "numeric(12,2)" => physicalType: xml'),
    "collated": shop(
        a="{name: code, logicalType: integer, physicalType: integer, => {name: code, logicalType: string, "
        'physicalType: "varchar(9)", customProperties: [{property: collation, value: C}],',
        b="code % 10 <> 9 AND  => ",
    ),
}


@pytest.mark.parametrize("domain", [shop(), everything(), market(), *_OTHERS.values()])
def test_executed_it_gives_the_same_tables(domain: Domain) -> None:
    namespace: dict[str, MetaData] = {}
    exec(source_code(domain), namespace)  # noqa: S102  what it is for
    assert _told(namespace["metadata"]) == _told(metadata(domain))


def test_it_stands_by_itself(tmp_path: Path) -> None:
    """In a process that cannot import Groundwork."""
    (tmp_path / "tables.py").write_text(source_code(market()))
    program = "import sys, tables; assert 'groundwork' not in sys.modules; print(len(tables.metadata.tables))"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(len(market().tables)), "")


def test_one_table_brings_those_it_refers_to() -> None:
    namespace: dict[str, MetaData] = {}
    exec(source_code(market(), ["market.orders"]), namespace)  # noqa: S102
    found = set(namespace["metadata"].tables)
    assert found == {"market.orders", "market.strategies", "market.trading_signals", "market.stock_prices"}


def _told(built: MetaData) -> list[str]:
    found = []
    for _, table in sorted(built.tables.items()):
        found.append(render(CreateTable(table, include_foreign_key_constraints=[])))
        found += [render(CreateIndex(each)) for each in sorted(table.indexes, key=lambda each: str(each.name))]
        keys = sorted(table.foreign_key_constraints, key=lambda each: str(each.name))
        found += [render(AddConstraint(each)) for each in keys]
        found += [f"{each.name} {each.comment} {each.autoincrement}" for each in (*table.columns,)]
        found.append(str(table.comment))
    return found
