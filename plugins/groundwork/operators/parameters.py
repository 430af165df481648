"""What a templated parameter says: Airflow renders booleans and lists as text."""

from __future__ import annotations

from collections.abc import Sequence

from groundwork.change.stage import Acceptance
from groundwork.model.errors import ConfigError


def is_true(value: object) -> bool:
    """Whether a parameter says yes; a template renders booleans as text."""
    return str(value).strip().lower() in {"true", "1", "yes"}


def names_in(tables: str | Sequence[str]) -> list[str]:
    """The names in a list, or in text with commas as a template renders it; none for empty text."""
    names = tables.split(",") if isinstance(tables, str) else tables
    return [name.strip() for name in names if name.strip()]


def accepted(given: str | Sequence[str]) -> frozenset[Acceptance]:
    """What a migration may do beyond the harmless; raises ConfigError for a word that is none of `Acceptance`."""
    names = names_in(given)
    unknown = sorted(set(names) - {each.value for each in Acceptance})
    if unknown:
        raise ConfigError(
            "there is no such thing to accept",
            where="accept",
            expected=" or ".join(Acceptance),
            found=", ".join(unknown),
        )
    return frozenset(Acceptance(name) for name in names)
