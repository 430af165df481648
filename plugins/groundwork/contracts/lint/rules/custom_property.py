"""Custom properties that are read, once, under the name they are known by.

The standard allows any custom property, so a slip of the pen (`indxes`) would silently mean nothing. A name close to
one that Groundwork reads at this place is taken for a slip; other names are left to other tools. A value has the form
that is read: a list, a mapping, or one of a few words (`identity: always`, `generatedKind: virtual`, …).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from groundwork.contracts.custom_properties import PROPOSED
from groundwork.contracts.lint.subject import DomainPart, Part, Problem
from groundwork.model.vocabulary import Severity

SEVERITY = Severity.ERROR
ON_CONTRACT = ("databaseSchema", "residency", "enumTypes", "sequences")
ON_TABLE = (
    "indexes",
    "uniqueKeys",
    "checks",
    "partitioning",
    "accessPatterns",
    "source",
    "retentionColumn",
    "primaryKeyName",
    "primaryKeyInclude",
    "primaryKeyDeferrable",
)
ON_COLUMN = (
    "default",
    "identity",
    "sequence",
    "generated",
    "generatedKind",
    "collation",
    "personalData",
    "masking",
)
ON_RELATIONSHIP = ("onDelete", "onUpdate", "deferrable", "name", "match")
ON_ROLE = ("clearance",)
_LISTS = ("indexes", "uniqueKeys", "checks", "accessPatterns", "enumTypes", "sequences")
_LONGEST_VALUE = 63  # bytes of an enum type's value
_NAMES = ("primaryKeyInclude",)
_MAPPINGS = ("partitioning", "source", "sequence")
_COLLATION = re.compile(r"[\w.@-]{1,63}", re.ASCII)
_WORDS = {
    "identity": ("always", "by default", "serial"),
    "generatedKind": ("stored", "virtual"),
    "deferrable": ("initially deferred", "initially immediate", "true", "false"),
    "primaryKeyDeferrable": ("initially deferred", "initially immediate", "true", "false"),
    "match": ("simple", "full"),
}


def check(domain: DomainPart) -> Iterator[Problem]:
    """Every misspelt, repeated or misshapen custom property."""
    for contract in domain.contracts:
        yield from _properties(contract, ON_CONTRACT)
        yield from _named(contract)
        for role in contract.parts("roles"):
            yield from _properties(role, ON_ROLE)
    for table in domain.tables:
        yield from _properties(table, ON_TABLE)
        for column in table.columns:
            yield from _properties(column, ON_COLUMN)
        for relationship in table.relationships:
            yield from _properties(relationship, ON_RELATIONSHIP)


def _named(contract: Part) -> Iterator[Problem]:
    """Enum types need a name and values, each once; sequences a name."""
    for name in ("enumTypes", "sequences"):
        for entry in contract.custom_parts(name):
            if not entry.text("name"):
                yield entry.problem("", f"an entry of `{name}` has no name", "add `name:`")
    for entry in contract.custom_parts("enumTypes"):
        values = entry.data.get("values")
        texts = [str(value) for value in values] if isinstance(values, list) else []
        repeated = next((value for place, value in enumerate(texts) if value in texts[:place]), None)
        too_long = next((value for value in texts if len(value.encode()) > _LONGEST_VALUE), None)
        if not texts:
            yield entry.problem("", "the enum type has no values", "add `values: [<first>, <second>]` in their order")
        elif repeated is not None:
            yield entry.problem("/values", f"the value `{repeated}` is declared twice", "keep one of the two")
        elif too_long is not None:
            yield entry.problem(
                "/values", f"the value `{too_long}` has more than {_LONGEST_VALUE} bytes", "write a shorter one"
            )


def _properties(part: Part, known: tuple[str, ...]) -> Iterator[Problem]:
    seen = set()
    for entry in part.parts("customProperties"):
        name = entry.text("property")
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        if name in seen:
            yield entry.problem("/property", f"`{name}` is declared twice", "keep one of the two")
        elif name == PROPOSED:
            if not _is_list_of_mappings(entry.data.get("value")):
                fix = "write `- {what: …, evidence: …, confidence: …}`, or remove it"
                yield entry.problem("/value", f"the value of `{PROPOSED}` is not a list of guesses", fix)
        elif name not in known and close:
            edit = entry.setting("/property", close[0]) if part.custom(close[0]) is None else None
            yield entry.problem(
                "/property", f"no custom property `{name}` is read here", f"write `{close[0]}`", edit=edit
            )
        elif name in known and not _fits(name, entry.data.get("value")):
            yield entry.problem("/value", f"the value of `{name}` is not {_form(name)}", f"write {_form(name)}")
        elif name == "collation" and not _COLLATION.fullmatch(str(entry.data.get("value"))):
            yield entry.problem("/value", "this is no name of a collation", 'write one of `pg_collation`, e.g. `"C"`')
        elif name in known and name in _WORDS:
            yield from _word(entry, name)
        seen.add(name)


def _word(entry: Part, name: str) -> Iterator[Problem]:
    written = " ".join(str(entry.data.get("value")).lower().split())
    if written not in _WORDS[name]:
        close = difflib.get_close_matches(written, _WORDS[name], n=1)
        allowed = ", ".join(_WORDS[name])
        yield entry.problem(
            "/value",
            f"`{name}` is not `{written}`",
            f"write {f'`{close[0]}`' if close else f'one of {allowed}'}",
            edit=entry.setting("/value", close[0]) if close else None,
        )


def _form(name: str) -> str:
    if name in _LISTS:
        return "a list of mappings"
    return "a mapping" if name in _MAPPINGS else "a list of names" if name in _NAMES else "one value"


def _fits(name: str, value: object) -> bool:
    if name in _LISTS:
        return _is_list_of_mappings(value)
    if name in _NAMES:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, dict) if name in _MAPPINGS else not isinstance(value, dict | list)


def _is_list_of_mappings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)
