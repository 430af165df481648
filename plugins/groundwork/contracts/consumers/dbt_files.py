"""A dbt project as files: its queries with what they refer to, and its YAML. dbt itself is not started.

Templates are rendered in Jinja's sandbox with stand-ins for what dbt provides: `source` and `ref` become table names,
all else nothing. What they refer to is read from the template's own tokens, so it is known of files that do not render.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundwork.contracts.document import Document, read_document
from groundwork.model.errors import ConfigError

MODELS = "dbt models"  # the made-up schema that `ref` points into; no database has one of this name
_FOLDERS = {
    "model-paths": ("dbt model", "models"),
    "snapshot-paths": ("dbt snapshot", "snapshots"),
    "test-paths": ("dbt test", "tests"),
    "analysis-paths": ("dbt analysis", "analyses"),
    "macro-paths": ("dbt macro", "macros"),
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A call of `source` (two names) or `ref` (the last name counts) in a template."""

    function: str
    names: tuple[str, ...]
    line: int


@dataclass(frozen=True, kw_only=True)
class Query:
    """One SQL file; `sql` is null when the template does not render."""

    kind: str
    name: str
    path: Path
    references: tuple[Reference, ...]
    sql: str | None


@dataclass(frozen=True, kw_only=True)
class DbtFiles:
    """The queries of a project, and its YAML documents."""

    queries: tuple[Query, ...]
    documents: tuple[Document, ...]

    def entries(self, key: str) -> Iterator[tuple[Document, Mapping[str, Any], str]]:
        """Each mapping of the list `key` of each document, with its pointer."""
        for document in self.documents:
            for index, entry in enumerate(document.data.get(key) or ()):
                if isinstance(entry, Mapping) and "name" in entry:
                    yield document, entry, f"/{key}/{index}"

    def sources(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Source and table as `source()` names them → database schema and table."""
        found = {}
        for _, source, _ in self.entries("sources"):
            schema = str(source.get("schema") or source["name"])
            for table in source.get("tables") or ():
                found[str(source["name"]), str(table["name"])] = schema, str(table.get("identifier") or table["name"])
        return found


def read_dbt(folder: Path) -> DbtFiles:
    """The files of the dbt project in `folder`; nothing when there is none."""
    project = folder / "dbt_project.yml"
    settings = _document(project)
    if settings is None:
        return DbtFiles(queries=(), documents=())
    queries: list[tuple[str, Path]] = []
    documents: list[Document] = []
    for key, (kind, usual) in _FOLDERS.items():
        for name in settings.data.get(key) or [usual]:
            root = folder / str(name)
            queries += [(kind, path) for path in sorted(root.rglob("*.sql"))]
            yaml = sorted([*root.rglob("*.yml"), *root.rglob("*.yaml")])
            documents += [document for document in map(_document, yaml) if document]
    files = DbtFiles(queries=(), documents=tuple(documents))
    sources = files.sources()
    return DbtFiles(queries=tuple(_query(kind, path, sources) for kind, path in queries), documents=files.documents)


def references(template: str) -> tuple[Reference, ...]:
    """Every call of `source` and `ref` with literal names, in order."""
    import jinja2

    try:
        tokens = [token for token in _environment().lex(template) if token[1] != "whitespace"]
    except jinja2.TemplateSyntaxError:
        return ()
    found = []
    for start, (line, kind, value) in enumerate(tokens):
        if kind == "name" and value in ("source", "ref"):
            names = _literals(tokens[start + 1 :])
            if names:
                found.append(Reference(function=value, names=names, line=line))
    return tuple(found)


def _literals(tokens: list[tuple[int, str, str]]) -> tuple[str, ...]:
    """The leading string arguments of a call whose opening bracket comes first."""
    names: list[str] = []
    if not tokens or tokens[0][2] != "(":
        return ()
    for _, kind, value in tokens[1:]:
        if kind == "string":
            names.append(value[1:-1])
        elif value != ",":
            break
    return tuple(names)


def _query(kind: str, path: Path, sources: Mapping[tuple[str, str], tuple[str, str]]) -> Query:
    try:
        template = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        template = ""
    sql = _rendered(template, path.stem, sources) if kind not in ("dbt macro", "dbt snapshot") else None
    return Query(kind=kind, name=path.stem, path=path, references=references(template), sql=sql)


def _rendered(template: str, name: str, sources: Mapping[tuple[str, str], tuple[str, str]]) -> str | None:
    import jinja2

    def source(first: str, second: str, **_: Any) -> str:
        return _named(*sources.get((first, second), (first, second)))

    def setting(_: str, default: Any = "") -> Any:
        return default

    known = {
        "source": source,
        "ref": lambda *names, **_: _named(MODELS, str(names[-1])),
        "this": _named(MODELS, name),
        "config": lambda **_: "",
        "is_incremental": lambda: False,  # as in the first run, which reads everything
        "var": setting,
        "env_var": setting,
        "execute": False,
    }
    try:
        return str(_environment().from_string(template).render(known))
    except (jinja2.TemplateError, TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RecursionError):
        return None


def _environment() -> Any:
    from jinja2 import ChainableUndefined
    from jinja2.sandbox import SandboxedEnvironment

    class _Nothing(ChainableUndefined):
        """What dbt or a package would provide: any call of it gives nothing."""

        def __call__(self, *_: Any, **__: Any) -> str:  # type: ignore[override]  # the base only raises
            return ""

    return SandboxedEnvironment(undefined=_Nothing, extensions=["jinja2.ext.do"])


def _named(schema: str, table: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in (schema, table))


def _document(path: Path) -> Document | None:
    try:
        return read_document(path)
    except ConfigError:
        return None  # not there, or dbt's own business to complain about
