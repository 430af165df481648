"""A small domain with every kind of personal data and names that try to break out of SQL."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, text

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.ddl import statements
from groundwork.contracts.document import parse_document
from groundwork.contracts.read import read_contract, read_domain
from groundwork.governance.policy import Policies, read_policies

PROJECT = Path(__file__).parents[2]
CONTRACT = Path(__file__).parent / "cases" / "clinic.odcs.yaml"
ODD = 'Odd "table"; --%s :x'
ROLES = ("clinic_reader", "clinic_nurse", "clinic_clerk", "clinic_engineer")
PATIENTS = [
    {
        "patient_id": f"0b8f7a9e-2f63-4f4e-9a7f-0c5f2f1d8a{number:02x}",
        "full_name": f"{first} Berg",
        "email": f"{first.lower()}.berg@example.com",
        "phone": f"+49 30 90182{number}",
        "home_address": f"{number} High Street",
        "card_number": "4111 1111 1111 1111",
        "iban": "DE89370400440532013000",
        "ssn": f"536-90-43{number:02d}",
        "last_login_ip": f"192.0.2.{number}",
        "date_of_birth": f"1980-05-{number + 10}",
        "diagnosis": "Asthma",
        "insurance_ref": f"5b0c1b4c-7d1e-4c59-8a86-3f5a5d9d7c{number:02x}",
        "balance": 100 + number,
        "extra": '{"note": "private"}',
        "labels": ["private"],
        "city": "Berlin",
    }
    for number, first in enumerate(("Anna", "Ben", "Chiara", "David", "Elif", "Fatima"))
]


def market() -> Domain:
    """The contracts that ship with the project."""
    return read_domain("market", PROJECT / "governance" / "contracts")


def policies() -> Policies:
    """The policies that ship with the project."""
    return read_policies(PROJECT / "governance" / "policies")


def clinic(**replacements: str) -> Domain:
    """The domain, with pieces of the contract's text replaced (`old__new` as value: `old=>new`)."""
    content = CONTRACT.read_text(encoding="utf-8")
    for old, new in (replacement.split("=>") for replacement in replacements.values()):
        assert old in content
        content = content.replace(old, new)
    return Domain(name="clinic", contracts=(read_contract(parse_document(content, CONTRACT)),))


def make_clinic(engine: Engine, domain: Domain, *, with_rows: bool = True) -> None:
    """The domain's tables, with a few rows unless told otherwise."""
    with engine.begin() as connection:
        for statement in statements(domain):
            connection.exec_driver_sql(statement.sql, execution_options={"no_parameters": True})
        if not with_rows:
            return
        columns = list(PATIENTS[0])
        slots = ", ".join(f"CAST(:{column} AS jsonb)" if column == "extra" else f":{column}" for column in columns)
        connection.execute(text(f"INSERT INTO clinic.patients ({', '.join(columns)}) VALUES ({slots})"), PATIENTS)
        connection.execute(
            text("INSERT INTO clinic.visits VALUES (:id, :day, :patient, 'Cough')"),
            [
                {"id": number, "day": f"202{number}-03-01", "patient": PATIENTS[number]["patient_id"]}
                for number in range(6)
            ],
        )
