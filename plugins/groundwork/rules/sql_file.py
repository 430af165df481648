"""A SQL file as statements with their lines; those that do not parse come with the place where the parser stumbled."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundwork.rules.declared import Declared
from groundwork.rules.sql.statement import Statement, parse
from groundwork.rules.subject import SqlSubject

_BLANK = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*", re.DOTALL)


def sql_subject(source: str, *, path: str, declared: Declared) -> SqlSubject:
    """The statements of a file one by one, so that a broken one leaves the others to be checked."""
    is_template = _is_template(source)
    return SqlSubject(
        path=path,
        lines=tuple(source.splitlines()),
        statements=((_first_line(source), parse((source,))),) if is_template else tuple(_statements(source)),
        declared=declared,
        is_template=is_template,
    )


def _first_line(source: str) -> int:
    return source.count("\n", 0, len(source) - len(source.lstrip())) + 1


def _is_template(source: str) -> bool:
    """Whether a text has the marks of Jinja and is in order as such."""
    if "{{" not in source and "{%" not in source:
        return False
    from jinja2 import Environment, TemplateSyntaxError

    try:
        Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True).parse(source)
    except TemplateSyntaxError as error:
        return "unknown tag" in str(error)  # dbt has tags of its own
    return True


def stumbled_line(start: int, statement: Statement) -> int:
    """The line of the file at which the parser stumbled over a statement that begins in line `start`."""
    return start + statement.sql[: statement.offset].count("\n")


def _statements(source: str) -> Iterator[tuple[int, Statement]]:
    for offset, text in _pieces(source):
        bare = text[_end_of_blank(text) :]
        if bare.strip():
            start = offset + len(text) - len(bare)
            yield source.count("\n", 0, start) + 1, parse((bare,))


def _end_of_blank(text: str) -> int:
    found = _BLANK.match(text)
    return found.end() if found else 0


def _pieces(source: str) -> Iterator[tuple[int, str]]:
    """The statements of a text with their offsets in characters; the whole when the scanner cannot tell them apart."""
    from pglast import split
    from pglast.parser import ParseError

    try:
        slices = split(source, with_parser=False, only_slices=True)
    except (ParseError, ValueError):
        slices = (slice(0, len(source)),)
    for each in slices:
        yield each.start, source[each.start : each.stop]
