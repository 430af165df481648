"""Sources that can be loaded.

`kind: file` has a `path` (inside the project, in `package`, or the URL of an object storage) and a `format`: csv,
jsonl, json or parquet; `kind: http` a `connection` and a `path`; `kind: table` a `connection` and a `table` or `query`;
`kind: computed` a `callable` (`groundwork.market.module:function`) and declared tables as `inputs`, and may have
another as `decisions`, which tells the decisions behind its rows. `columns` and a watermark name declared columns,
`mode` is one that loads know, and a key that the kind does not have is an error, because it would be ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from groundwork.contracts import source_keys
from groundwork.contracts.lint.subject import DomainPart, Part, Problem, TablePart
from groundwork.model.vocabulary import Severity, WriteMode

SEVERITY = Severity.ERROR
_CALLABLE = re.compile(r"^groundwork\.market(\.[a-z_][a-z0-9_]*)+:[a-z_][a-z0-9_]*$")


def check(domain: DomainPart) -> Iterator[Problem]:
    """Everything that keeps a source from being loaded."""
    for table in domain.tables:
        part = table.custom_part("source")
        if part is None:
            continue
        kind = part.text("kind")
        if kind in source_keys.KIND_KEYS:
            yield from _words(part, kind)
        elif kind not in source_keys.OTHER_KINDS:
            kinds = [*source_keys.KIND_KEYS, *sorted(source_keys.OTHER_KINDS)]
            yield part.problem("/kind", f"the kind of source `{kind}` is not known", f"write one of {', '.join(kinds)}")
        if kind == "file":
            yield from _path(part)
        elif kind == "computed":
            yield from _computed(domain, part)
        if part.text("mode") and part.text("mode") not in list(WriteMode):
            modes = ", ".join(WriteMode)
            yield part.problem("/mode", f"the mode `{part.text('mode')}` is not known", f"write one of {modes}")
        columns = part.data.get("columns")
        for name in columns if isinstance(columns, Mapping) else ():
            yield from _declared(table, part, f"/columns/{name}", str(name))
        yield from _watermark(table, part)


def _words(part: Part, kind: str) -> Iterator[Problem]:
    """Keys that are strange, missing or out of place, and words that a key may not have."""
    for key, nearest in source_keys.unknown_keys(part.data):
        fix = f"write `{nearest}`" if nearest else "remove it"
        yield part.problem(f"/{key}", f"a source of kind `{kind}` has no key `{key}`", fix)
    for key in source_keys.missing_keys(part.data):
        if "|" in key:
            names = key.replace("|", "` or a `")
            yield part.problem("", f"a {kind} source has either a `{names}`", "write one of the two")
        else:
            yield part.problem("", f"a {kind} source has no {key}", f"add `{key}:`")
    for key, words in source_keys.wrong_words(part.data):
        yield part.problem(
            f"/{key}" if key in part.data else "",
            f"the {key} `{part.text(key)}` is not known",
            f"write one of {', '.join(words)}",
        )
    for key in source_keys.misplaced_keys(part.data):
        yield part.problem(f"/{key}", f"`{key}` means nothing for this source", "remove it")


def _path(part: Part) -> Iterator[Problem]:
    path = part.text("path")
    if path.startswith("/") or ".." in path.split("/"):
        yield part.problem("/path", f"`{path}` leaves the project", "write a path below the project's folder")


def _computed(domain: DomainPart, part: Part) -> Iterator[Problem]:
    for key in ("callable", "decisions"):
        if part.text(key) and not _CALLABLE.match(part.text(key)):
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
