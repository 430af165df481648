"""Files of a small shop for tests: customers with personal data, and orders that refer to them."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

CUSTOMERS = 60
ORDERS = 300
_FIRST = ("Ada", "Grace", "Alan", "Edsger")
_LAST = ("Hopper", "Turing", "Noether")


def shop_files(folder: Path) -> tuple[Path, Path]:
    """`customers.csv` and `orders.csv`, written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    customers, orders = folder / "customers.csv", folder / "orders.csv"
    with customers.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["customer_id", "full_name", "email", "segment"])
        writer.writerows([n, full_name(n), email(n), ("retail", "trade")[n % 2]] for n in range(1, CUSTOMERS + 1))
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with orders.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["order_id", "customer_id", "placed_at", "amount"])
        for n in range(1, ORDERS + 1):
            at = (start + timedelta(hours=n)).isoformat()
            writer.writerow([1000 + n, n % CUSTOMERS + 1, at, f"{n * 1.37:.2f}"])
    return customers, orders


def full_name(number: int) -> str:
    """The name of a customer."""
    return f"{_FIRST[number % len(_FIRST)]} {_LAST[number % len(_LAST)]}"


def email(number: int) -> str:
    """The address of a customer."""
    return f"person{number}@example.com"
