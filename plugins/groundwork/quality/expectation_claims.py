"""What a suite of expectations carries of a contract: what became an entry, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from groundwork.contracts.contract import Domain
from groundwork.contracts.derive.checks import derive_checks
from groundwork.contracts.derive.claims import SHARED, TABLES, is_no_key
from groundwork.contracts.derive.column_checks import Untranslated, column_checks
from groundwork.contracts.derive.losses import Claims, Leaf
from groundwork.contracts.derive.quality_entries import quality_checks
from groundwork.model.checks import Check
from groundwork.model.vocabulary import CheckKind
from groundwork.quality.expectation_suite import as_entry

_TOLD = ("id", "name", "description", "severity", "dimension")  # of a quality rule: what stands in an entry's `meta`
_ASKED = ("type", "metric", "rule", "mustBe", "mustNotBe", "arguments", "unit", "query", "engine", "implementation")


def expectation_claims(domain: Domain) -> Claims:
    """The claims for suites of `domain`."""
    mentioned = _mentioned(domain)

    def is_mentioned(leaf: Leaf) -> bool:
        table, column = leaf.table, leaf.column
        return table is not None and column is not None and (table.qualified_name, column.name) in mentioned

    return Claims(
        carried=(
            *TABLES,
            ("table/uniqueKeys/*/columns/*", None),
            ("table/indexes/*/columns/*", _is_plain_key),
            ("table/indexes/*/unique", _is_plain_key),
            ("table/checks/*", None),
            ("column/name", is_mentioned),
            ("column/physicalName", is_mentioned),
            ("column/required", is_no_key),
            ("column/primaryKey", None),
            ("column/unique", None),
            ("column/enum/*/value", None),
            ("column/logicalTypeOptions/*", _is_check),
            ("quality/*", _is_entry),
            ("relationship/from*", None),
            ("relationship/to*", None),
        ),
        reasons=(
            ("quality/*", "no expectation says the same, or nobody but people and schedulers reads it"),
            ("column/logicalTypeOptions/*", "no expectation says the same"),
            ("contract/sla/freshness/*", "an expectation does not know what time it is"),
            *SHARED,
        ),
        default_reason="an expectation is about values, not about how they are stored",
    )


def _mentioned(domain: Domain) -> set[tuple[str, str]]:
    """Columns that an entry names; a condition's own text carries those in it."""
    checks = derive_checks(domain)
    return {
        (table.qualified_name, name)
        for table in domain.tables
        for check in checks.of_table(table.schema, table.name)
        if check.kind is not CheckKind.EXPRESSION and as_entry(check, table) is not None
        for name in check.columns
    }


def _is_plain_key(leaf: Leaf) -> bool:
    return bool(leaf.owner.get("unique")) and not leaf.owner.get("where")


def _is_check(leaf: Leaf) -> bool:
    """Whether the option by itself makes an entry."""
    if leaf.table is None or leaf.column is None:
        return False
    name = leaf.path.split("/")[2]
    only = replace(
        leaf.column,
        options={name: leaf.column.options.get(name)},
        is_required=False,
        allowed_values=(),
        enum_type=None,
    )
    return _has_entry(leaf, column_checks(leaf.table, only))


def _is_entry(leaf: Leaf) -> bool:
    """Whether the quality rule makes an entry that holds this part of it."""
    word = leaf.path.split("/")[1]
    if leaf.table is None or not (word.startswith(_ASKED) or word in _TOLD):
        return False
    entry = leaf.owner
    bare = tuple(replace(column, quality=()) for column in leaf.table.columns)
    if leaf.column is None:
        rules = replace(leaf.table, quality=(entry,), columns=bare)
    else:
        rules = replace(leaf.table, quality=(), columns=(replace(leaf.column, quality=(entry,)),))
    return _has_entry(leaf, quality_checks(rules))


def _has_entry(leaf: Leaf, found: Iterable[Check | Untranslated]) -> bool:
    return leaf.table is not None and any(
        isinstance(each, Check) and as_entry(each, leaf.table) is not None for each in found
    )
