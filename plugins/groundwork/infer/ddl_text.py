"""SQL scripts as people and dump tools write them, made ready for the grammar: rows and commands of psql are taken out.

Everything keeps its place: what is taken out becomes empty lines, so that a line number is that of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_COPY = re.compile(r"^\s*COPY\b.*\bFROM\s+stdin\b.*;\s*$", re.IGNORECASE)
_COPY_ENDS = "\\."
_MARKS = re.compile(r"--|/\*|\*/|'|\$(?:[A-Za-z_]\w*)?\$")  # where texts and comments begin and end
_COMMAND = re.compile(r"^\s*\\")


@dataclass(frozen=True, kw_only=True)
class Script:
    """SQL alone, and what was taken out of it, each with its line."""

    sql: str
    taken_out: tuple[str, ...]


def script_of(text: str) -> Script:
    """`text` without blocks of rows (`COPY … FROM stdin`) and commands of psql, in one pass.

    Both are only taken for what they look like between statements, never in a text of several lines.
    """
    kept: list[str] = []
    taken_out: list[str] = []
    rows_since = 0
    inside, is_between = "", True
    for number, line in enumerate(text.split("\n"), 1):
        if rows_since:
            kept.append("")
            if line.rstrip() == _COPY_ENDS:
                taken_out.append(f"line {rows_since}: rows of COPY ({number - rows_since - 1:,} lines)")
                rows_since = 0
            continue
        if is_between and _COPY.match(line):
            rows_since = number
            kept.append("")
        elif is_between and _COMMAND.match(line):
            taken_out.append(f"line {number}: the command of psql {line.strip().split()[0]}")
            kept.append("")
        else:
            kept.append(line)
            inside = _inside(line, inside)
            bare = line.strip()
            if bare and not bare.startswith("--"):
                is_between = not inside and bare.endswith(";")
    if rows_since:
        taken_out.append(f"line {rows_since}: rows of COPY to the end of the file")
    return Script(sql="\n".join(kept), taken_out=tuple(taken_out))


def _inside(line: str, inside: str) -> str:
    """What the end of the line is in: a text (its quote), a comment (`/*`), or nothing; `inside` is where it begins."""
    for match in _MARKS.finditer(line):
        mark = match[0]
        if not inside:
            if mark == "--":
                return ""
            inside = "" if mark == "*/" else mark
        elif mark == inside or (inside == "/*" and mark == "*/"):
            inside = ""
    return inside
