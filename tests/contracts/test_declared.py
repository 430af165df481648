"""The declared shapes come from the server, and nothing of how they were found stays behind."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from groundwork.contracts.declared import declared_shapes
from groundwork.model.errors import ConfigError
from groundwork.model.shape import TableShape
from tests.contracts.samples import market, shop
from tests.fix_postgres import Database

pytestmark = pytest.mark.postgres


def _table(shapes: tuple[TableShape, ...], name: str) -> TableShape:
    return next(shape for shape in shapes if shape.name == name)


def _leftovers(connection: Connection) -> list[str]:
    query = text("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'groundwork_scratch%'")
    return list(connection.execute(query).scalars())


def test_texts_are_the_servers_own(database: Database) -> None:
    with database.engine.connect() as connection:
        customers = _table(declared_shapes(connection, shop()), "customers")
    columns = {column.name: column for column in customers.columns}
    assert columns["label"].type == "character varying(40)"
    assert columns["label"].default == "'none'::character varying"
    assert columns["settings"].default == "'{\"a\": 1}'::jsonb"
    assert columns["label_length"].generated == "length((label)::text)"
    assert columns["customer_id"].identity == "always"
    assert customers.comment == "People who buy; 100 % of them, it's said, with a \\ in the comment."
    assert [index.keys for index in customers.indexes] == [
        ("joined_date DESC",),
        ("lower(label::text) DESC",),
        ("settings jsonb_path_ops",),
    ]
    assert customers.indexes[0].include == ("label",)
    assert customers.indexes[0].predicate == "is_active"


def test_partitions_are_listed_in_their_parent(database: Database) -> None:
    with database.engine.connect() as connection:
        shapes = declared_shapes(connection, shop())
    assert [shape.name for shape in shapes] == ["customers", "sales"]
    sales = _table(shapes, "sales")
    assert sales.partition_key == "RANGE (sold_date)"
    assert [part.name for part in sales.partitions] == [
        "sales_default",
        "sales_y2024m01",
        "sales_y2024m02",
        "sales_y2024m03",
    ]
    assert sales.partitions[3].bounds == "FOR VALUES FROM ('2024-03-01') TO ('2024-04-01')"
    assert [index.name for index in sales.indexes] == ["sales_customer_id_idx"]


def test_foreign_keys_point_at_the_real_schema(database: Database) -> None:
    with database.engine.connect() as connection:
        (key,) = _table(declared_shapes(connection, shop()), "sales").foreign_keys
    assert (key.target_schema, key.target_table, key.on_delete) == ("shop", "customers", "CASCADE")


def test_nothing_stays_behind_and_the_callers_transaction_lives_on(database: Database) -> None:
    with database.engine.connect() as connection:
        connection.execute(text("CREATE TABLE kept (a int)"))
        declared_shapes(connection, market())
        connection.commit()
        assert connection.execute(text("SELECT count(*) FROM kept")).scalar_one() == 0
        assert _leftovers(connection) == []


def test_outside_a_transaction_none_is_left_open(database: Database) -> None:
    with database.engine.connect() as connection:
        declared_shapes(connection, shop())
        assert not connection.in_transaction()
        assert _leftovers(connection) == []


def test_a_connection_that_commits_by_itself_is_undone_as_well(database: Database) -> None:
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        assert len(declared_shapes(connection, shop())) == 2
        assert _leftovers(connection) == []


def test_the_search_path_is_given_back(database: Database) -> None:
    with database.engine.begin() as connection:
        before = connection.execute(text("SHOW search_path")).scalar_one()
        declared_shapes(connection, shop())
        assert connection.execute(text("SHOW search_path")).scalar_one() == before


def test_what_the_server_refuses_names_table_and_cause(database: Database) -> None:
    wrong = shop(a="length(label) => no_such_function(label)")
    with pytest.raises(ConfigError) as caught, database.engine.connect() as connection:
        declared_shapes(connection, wrong)
    assert caught.value.where == "shop.customers"
    assert "no_such_function" in str(caught.value.found)
    assert "scratch" not in str(caught.value)
    with database.engine.connect() as connection:
        assert _leftovers(connection) == []


def test_a_role_that_may_not_create_is_told_so(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f'CREATE ROLE "{database.name}_reader"'))
        connection.execute(text(f'GRANT "{database.name}_reader" TO CURRENT_USER'))
    with database.engine.begin() as connection:
        connection.execute(text(f'SET LOCAL ROLE "{database.name}_reader"'))
        with pytest.raises(ConfigError, match="may not create a scratch schema"):
            declared_shapes(connection, shop())
    with database.engine.begin() as connection:
        connection.execute(text(f'DROP ROLE "{database.name}_reader"'))
