"""The database type behind a `physicalType` that may be anything, for rules that compare types."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from groundwork.contracts.derive.metadata import column_type
from groundwork.model.errors import ConfigError

_LENGTH = re.compile(r"\s*\([^)]*\)")


def built_type(physical_type: str) -> TypeEngine[Any] | None:
    """The type, or null when contracts cannot declare such a one."""
    try:
        return column_type(physical_type)
    except ConfigError:
        return None


def type_text(physical_type: str) -> str | None:
    """PostgreSQL's text of the type without length or precision, null when it is not known."""
    found = built_type(physical_type)
    if found is None:
        return None
    text = str(found.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    return _LENGTH.sub("", text).strip()
