"""A small domain with every kind of check, and tables without constraints in which defects can be planted."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, text

from groundwork.contracts.contract import Domain
from groundwork.contracts.document import read_document
from groundwork.contracts.read import read_contract

CASES = Path(__file__).parent / "cases"
NO_SUITES = CASES / "none"
SUITES = CASES / "expectations"

_TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.customers (customer_id bigint, email text, country text, created_at timestamptz DEFAULT now());
CREATE TABLE shop.orders (order_id bigint, line integer, customer_id bigint, amount numeric(10,2), placed_date date,
                          shipped_date date, status text);
"""
_DEFECTS = """
INSERT INTO shop.customers VALUES
  (1, 'a@example.org', 'DE', now() - interval '3 days'),
  (1, 'b@example.org', 'DE', now() - interval '3 days'),
  (2, 'secret-not-an-address', 'XX', now() - interval '2 days'),
  (3, 'b@example.org', NULL, now() - interval '2 days'),
  (NULL, NULL, 'FR', now() - interval '2 days');
INSERT INTO shop.orders VALUES
  (1, 1, 1, 10.00, '2024-01-01', '2024-01-02', 'paid'),
  (1, 1, 2, 20.25, '2024-01-01', NULL, 'paid'),
  (2, 1, 99, -5.00, '2019-12-31', NULL, 'open'),
  (3, 1, 1, 1000.50, '2024-01-01', '2023-12-31', 'n/a'),
  (4, 1, NULL, NULL, NULL, NULL, 'lost'),
  (5, NULL, 98, NULL, '2024-01-01', NULL, NULL);
"""
# Failing rows of each check on the defects above, counted by hand; null for checks on the whole table.
FAILING = {
    "shop.customers.customer_id.unique": 2,
    "shop.customers.email.unique": 2,
    "shop.customers.customer_id.not_null": 1,
    "shop.customers.email.length": 1,
    "shop.customers.email.matches": 1,
    "shop.customers.country.not_null": 1,
    "shop.customers.country.in_set": 1,
    "shop.customers.created_at.freshness": None,
    "shop.orders.order_id+line.unique": 2,
    "shop.orders.order_id.not_null": 0,
    "shop.orders.line.not_null": 1,
    "shop.orders.amount.between": 2,
    "shop.orders.amount.expression": 1,
    "shop.orders.placed_date.between": 1,
    "shop.orders.customer_id.references": 2,
    "shop.orders.orders_dates_check.expression": 1,
    "shop.orders.enough.quality_rowCount": None,
    "shop.orders.pairs.quality_duplicateValues": 2,
    "shop.orders.paid_orders.quality_query": None,
    "shop.orders.amount.quality_nullValues": 2,
    "shop.orders.status.quality_missingValues": 2,
    "shop.orders.status.quality_invalidValues": 2,
}
HOLDING = {"shop.orders.order_id.not_null", "shop.orders.status.quality_invalidValues"}  # two invalid are allowed


def shop() -> Domain:
    return Domain(name="shop", contracts=(read_contract(read_document(CASES / "shop.odcs.yaml")),))


def create(engine: Engine, *, with_defects: bool) -> None:
    with engine.begin() as connection:
        connection.execute(text(_TABLES))
        if with_defects:
            connection.execute(text(_DEFECTS))
