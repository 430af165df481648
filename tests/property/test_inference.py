"""For random schemas: the contract that is inferred from the live tables has no difference to them, rows or not."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql

from groundwork.catalog.session import run
from groundwork.change.apply import migrate_domain
from groundwork.contracts.diff import compare_domain
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import assembled, read_contract
from groundwork.infer.database import infer_schema
from groundwork.infer.document import to_yaml
from tests.fix_postgres import Database
from tests.property.schemas import Schema, domain_of, schemas
from tests.property.test_migrations import fill

pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(1800)]
_EXPLORED = int(os.environ.get("GROUNDWORK_EXPLORE", "0"))


@settings(
    max_examples=_EXPLORED or 20,
    phases=(Phase.explicit, Phase.generate),
    derandomize=not _EXPLORED,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(schema=schemas(), has_rows=st.booleans())
def test_what_is_inferred_is_what_is_there(module_database: Database, schema: Schema, has_rows: bool) -> None:
    engine, name = module_database.engine, f"w_{uuid.uuid4().hex[:12]}"
    try:
        migrate_domain(engine, domain_of(schema, name))
        if has_rows:
            fill(engine, schema, name)
        with engine.connect() as connection:
            proposal = infer_schema(connection, name, domain="shop", profile=has_rows)
            text = to_yaml(proposal)
            found = assembled("shop", [read_contract(parse_document(text, Path("shop/all.odcs.yaml")))])
            diff = compare_domain(connection, found)
        assert diff.is_empty, diff.to_text()
        assert proposal.left_out == ()
    finally:
        with engine.begin() as connection:
            run(connection, sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)).as_string())
