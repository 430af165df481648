"""SQL with gaps and parameters as text that the parser can read.

Drivers, templates and Python each have their own marks (`%s`, `:name`, `?`, `{name}`, `{{ jinja }}`), and a gap can
stand for a value, a name, a clause or nothing. Each becomes an identifier of its own; where that does not parse, other
readings are offered in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

GAP = "groundwork_gap_"
_QUIET = r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$"""
_MARKS = (
    r"%\((?P<percent>\w+)\)[sbt]?|%[sbtd]|\{\{(?P<jinja>.*?)\}\}|\{%.*?%\}|\{\#.*?\#\}|\{(?P<brace>\w*)[^{}]*\}"
    r"|(?<![:\w]):(?P<colon>[A-Za-z_]\w*)|(?<![@\w<])@(?P<at>[A-Za-z_]\w*)|\$(?P<dollar>[A-Za-z_]\w*)|\$\{(?P<shell>\w+)\}"
)
_PLAIN = re.compile(f"(?P<quiet>{_QUIET})|{_MARKS}", re.DOTALL)
_WITH_QUESTION = re.compile(rf"(?P<quiet>{_QUIET})|{_MARKS}|(?P<question>\?)(?![|&])", re.DOTALL)
_NEEDS_PARENTHESES = re.compile(rf"\b(IN|VALUES|ANY|ALL)\s+({GAP}\d+)\b", re.IGNORECASE)
_MOST_GAPS = 8  # gaps that are tried without, one by one


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """One reading of a text. `codes` says what stands in the source for each gap's name.

    `is_partial` means that a gap was left out, so that more may stand there than the parser saw.
    """

    sql: str
    codes: dict[str, str]
    is_partial: bool = False


def readings(parts: Sequence[str | tuple[str]]) -> Iterator[Rendered]:
    """The readings of a text in order of likelihood; a gap is a tuple with its code."""
    codes: dict[str, str] = {}
    whole = ""
    for part in parts:
        if isinstance(part, str):
            whole += part
        else:
            whole += _gap(codes, part[0])
    if not any(mark in whole for mark in "%{:@$?") and not codes:
        yield Rendered(sql=whole, codes=codes)
        return
    for pattern in (_PLAIN, _WITH_QUESTION) if "?" in whole else (_PLAIN,):
        found = dict(codes)
        yield from _variants(Rendered(sql=_marked(pattern, whole, found), codes=found))


def _gap(codes: dict[str, str], code: str) -> str:
    name = f"{GAP}{len(codes)}"
    codes[name] = code
    return name


def _marked(pattern: re.Pattern[str], whole: str, codes: dict[str, str]) -> str:
    counter = 0

    def replacement(found: re.Match[str]) -> str:
        nonlocal counter
        if found["quiet"] is not None:
            return found[0]
        if found[0].startswith(("{%", "{#")):
            return " " + "\n" * found[0].count("\n")
        name = next(
            (found[each] for each in ("percent", "jinja", "brace", "colon", "at", "dollar", "shell") if found[each]),
            None,
        )
        if name is None:
            name, counter = f"parameter {counter + 1}", counter + 1
        return _gap(codes, name.strip())

    return pattern.sub(replacement, whole)


def _variants(first: Rendered) -> Iterator[Rendered]:
    yield first
    wrapped = _NEEDS_PARENTHESES.sub(r"\1 (\2)", first.sql)
    if wrapped != first.sql:
        first = replace(first, sql=wrapped)
        yield first
    gaps = sorted(first.codes, key=first.sql.find)
    if not gaps:
        return
    if first.sql.lstrip().startswith(GAP):
        yield replace(first, sql=_without(first.sql, gaps[:1], f"select {GAP}x "), is_partial=True)
    for name in list(reversed(gaps))[:_MOST_GAPS]:
        yield replace(first, sql=_without(first.sql, [name]), is_partial=True)
    for start in range(1, min(len(gaps), _MOST_GAPS)):
        yield replace(first, sql=_without(first.sql, gaps[start:]), is_partial=True)
    yield replace(first, sql=_without(first.sql, gaps), is_partial=True)


def _without(sql: str, names: Sequence[str], instead: str = "") -> str:
    for name in names:
        sql = re.sub(rf"\b{name}\b", instead, sql)
    return sql
