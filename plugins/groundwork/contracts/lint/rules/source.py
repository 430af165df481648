"""Sources that can be loaded.

`kind: file` has a `path` (inside the project, or in `package`), a `format` csv or jsonl, and maps declared columns;
`kind: computed` has a `callable` (`groundwork.market.module:function`) and declared tables as `inputs`, and may have
another as `decisions`, which tells the decisions behind its rows. `mode` is append or merge; a watermark names declared
columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity, WriteMode

SEVERITY = Severity.ERROR
_CALLABLE = re.compile(r"^groundwork\.market(\.[a-z_][a-z0-9_]*)+:[a-z_][a-z0-9_]*$")
_FORMATS = ("csv", "jsonl")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Everything that keeps a source from being loaded."""
    for table in domain.tables:
        part = table.custom_part("source")
        if part is None:
            continue
        kind = part.text("kind")
        if kind == "file":
            yield from _file(table, part)
        elif kind == "computed":
            yield from _computed(domain, part)
        else:
            yield part.problem("/kind", f"the kind of source `{kind}` is not known", "write `file` or `computed`")
        if part.text("mode") and part.text("mode") not in list(WriteMode):
            yield part.problem("/mode", f"the mode `{part.text('mode')}` is not known", "write `append` or `merge`")
        yield from _watermark(table, part)


def _file(table: TablePart, part: Part) -> Iterator[Problem]:
    path = part.text("path")
    if not path:
        yield part.problem("", "a file source has no path", "add `path:`")
    elif path.startswith("/") or ".." in path.split("/"):
        yield part.problem("/path", f"`{path}` leaves the project", "write a path below the project's folder")
    if part.text("format") not in _FORMATS:
        yield part.problem(
            "/format", f"the format `{part.text('format')}` is not known", f"write one of {', '.join(_FORMATS)}"
        )
    if part.data.get("compression") not in (None, "gzip"):
        yield part.problem(
            "/compression", f"the compression `{part.data['compression']}` is not known", "write `gzip`, or remove it"
        )
    columns = part.data.get("columns")
    if isinstance(columns, Mapping):
        for name in columns:
            yield from _declared(table, part, f"/columns/{name}", str(name))


def _computed(domain: DomainPart, part: Part) -> Iterator[Problem]:
    for key in ("callable", "decisions"):
        if (key == "callable" or key in part.data) and not _CALLABLE.match(part.text(key)):
            yield part.problem(
                f"/{key}",
                f"`{part.text(key)}` is no function that sources may call",
                "write `groundwork.market.<module>:<function>`",
            )
    for position, name in enumerate(part.texts("inputs")):
        if domain.table(name) is None:
            tables = ", ".join(table.name for table in domain.tables)
            yield part.problem(
                f"/inputs/{position}", f"no table `{name}` is declared in this domain", f"name one of {tables}"
            )


def _watermark(table: TablePart, part: Part) -> Iterator[Problem]:
    watermark = part.data.get("watermark")
    if not isinstance(watermark, Mapping):
        return
    names = [watermark.get("column"), *(watermark.get("per") or ())]
    for name in names:
        yield from _declared(table, part, "/watermark", str(name))


def _declared(table: TablePart, part: Part, pointer: str, name: str) -> Iterator[Problem]:
    if table.column(name) is None:
        declared = ", ".join(table.column_names)
        yield part.problem(pointer, f"`{table.name}` has no column `{name}`", f"name one of {declared}")
