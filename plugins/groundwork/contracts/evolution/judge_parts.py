"""What it means that a key, index, check, relationship, quality rule or access pattern of a table changed."""

from __future__ import annotations

from groundwork.contracts.evolution.change import Audience
from groundwork.contracts.evolution.difference import Difference
from groundwork.contracts.evolution.judgement import (
    WORDS,
    Verdict,
    Verdicts,
    World,
    allowed,
    asked,
    breaks,
    compatible,
    unknown,
    wording,
)
from groundwork.contracts.evolution.subject import Subject
from groundwork.model.errors import ConfigError

_UPPER = frozenset(["mustBeLessThan", "mustBeLessOrEqualTo"])
_LOWER = frozenset(["mustBeGreaterThan", "mustBeGreaterOrEqualTo"])


def judge_unique_key(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a unique key."""
    if difference.what == "added":
        yield asked("no two rows may agree in these columns")
    elif difference.what == "removed":
        yield _repeats()
    elif difference.what == "renamed":
        yield compatible(Audience.WRITERS, "errors, and upserts that name the constraint, know it by its name")
    elif difference.attribute == "columns":
        yield breaks(
            Audience.BOTH, "rows are told apart by other columns: some are refused, and upserts on the old ones fail"
        )
    elif difference.attribute == "nullsNotDistinct":
        yield asked("nulls count as equal") if difference.new_value else allowed("nulls never count as equal")
    else:
        yield unknown(difference)


def judge_index(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of an index; a unique one is a key as well."""
    was, will = (bool(side and side.get("unique")) for side in (difference.old, difference.new))
    if difference.attribute in WORDS:
        yield wording()
    elif difference.what == "renamed":
        yield compatible(Audience.NOBODY, "queries do not name indexes")
    elif will and not was:
        yield asked("no two rows may agree in these columns")
    elif was and not will:
        yield _repeats()
    elif was and difference.attribute in ("columns", "where", "nullsNotDistinct"):
        yield breaks(Audience.BOTH, "other rows count as the same: some are refused, others may repeat")
    else:
        yield compatible(Audience.READERS, "queries give the same rows; which of them are fast may change")


def judge_check(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a check."""
    if difference.what == "added":
        yield asked("the condition must hold for every row")
    elif difference.what == "removed":
        yield allowed("the condition need not hold")
    elif difference.what == "renamed":
        yield compatible(Audience.WRITERS, "errors know it by its name")
    elif difference.attribute == "condition" and _is_same_sql(difference):
        yield wording("the same condition in another spelling")
    elif difference.attribute == "condition":
        yield breaks(Audience.WRITERS, "the condition is another one: rows it accepted before may be refused")
    else:
        yield unknown(difference)


def judge_relationship(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a foreign key."""
    if difference.what == "added":
        yield asked("every value must be there in the other table")
    elif difference.what == "removed":
        yield breaks(Audience.READERS, "values may point at nothing: joins can lose rows")
    elif difference.attribute == "onDelete":
        yield breaks(Audience.WRITERS, "deleting from the other table does something else")
    elif difference.attribute == "onUpdate":
        yield breaks(Audience.WRITERS, "changing a key of the other table does something else")
    elif difference.attribute == "deferrable":
        if difference.new_value is None:
            yield breaks(Audience.WRITERS, "it is checked at once: transactions that put things right later fail")
        else:
            yield compatible(Audience.WRITERS, "a transaction may put things right before it ends")
    else:
        yield unknown(difference)


def judge_access_pattern(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of an access pattern."""
    if difference.what == "added":
        yield compatible(Audience.READERS, "the query is promised to be fast")
    elif difference.what == "removed":
        yield compatible(Audience.READERS, "the query works, but nothing keeps it fast any more")
    elif difference.what == "renamed" or difference.attribute in WORDS:
        yield wording("known by another name or in other words")
    elif difference.attribute == "query" and _is_same_sql(difference):
        yield wording("the same query in another spelling, or with other values")
    else:
        yield compatible(
            Audience.READERS, "another query is promised to be fast; the old one works, but nothing keeps it fast"
        )


def judge_quality(difference: Difference, _: World) -> Verdicts:
    """The verdicts on one difference of a quality rule: a promise to readers that writers have to keep."""
    if difference.what == "added":
        yield compatible(Audience.WRITERS, "rows are judged by one more rule")
    elif difference.what == "removed":
        yield from _weaker(difference.old, "the rule holds no more")
    elif difference.what == "renamed" or difference.attribute in WORDS:
        yield wording("known by another name or in other words")
    elif difference.attribute == "severity":
        yield _severity(difference)
    elif difference.attribute in _UPPER | _LOWER:
        yield from _limit(difference)
    else:
        yield compatible(Audience.BOTH, "the rule is another one: see that it promises what it promised")


def _limit(difference: Difference) -> Verdicts:
    old, new = difference.old_value, difference.new_value
    if isinstance(old, int | float) and isinstance(new, int | float):
        is_weaker = new > old if difference.attribute in _UPPER else new < old
        if is_weaker:
            yield from _weaker(difference.old, f"the limit went from {old} to {new}")
            return
        yield compatible(Audience.WRITERS, f"stricter: the limit went from {old} to {new}")
    else:
        yield compatible(Audience.BOTH, "the rule is another one: see that it promises what it promised")


def _weaker(rule: Subject | None, what: str) -> Verdicts:
    is_promise = str(rule.get("severity") if rule and rule.get("severity") else "error").lower() == "error"
    if is_promise:
        yield breaks(Audience.READERS, f"{what}: readers meet what they were promised not to")
    else:
        yield compatible(Audience.READERS, f"{what}; it was a hint only")


def _severity(difference: Difference) -> Verdict:
    if str(difference.old_value or "error").lower() == "error":
        return breaks(Audience.READERS, "breaking the rule stops nothing any more")
    return compatible(Audience.WRITERS, "breaking the rule weighs differently")


def _repeats() -> Verdict:
    return breaks(Audience.BOTH, "rows may repeat: joins can double them, and an upsert on these columns fails")


def _is_same_sql(difference: Difference) -> bool:
    """Whether two statements or expressions have one syntax tree but for spelling and literal values of queries."""
    from pglast.parser import ParseError, fingerprint

    old, new = (str(value) for value in (difference.old_value, difference.new_value))
    if difference.attribute == "condition":
        return _printed(old) == _printed(new) is not None
    try:
        return bool(fingerprint(old) == fingerprint(new))
    except (ParseError, ValueError):
        return False


def _printed(condition: str) -> str | None:
    """A condition as PostgreSQL's grammar reads it; null when it does not."""
    from pglast import parse_sql
    from pglast.stream import RawStream

    from groundwork.contracts.fragment import parse_expression

    try:
        parse_expression(condition)
        return str(RawStream()(parse_sql(f"SELECT {condition}\n")))
    except ConfigError:
        return None
