"""Uses that Dags make: tables they name in operators and assets, and the queries they hold. Nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.contracts.consumers.consumer import Consumer, Side, Use, shown
from groundwork.contracts.consumers.sql_reading import read_sql
from groundwork.contracts.contract import Domain, TableContract

_TABLE_WORDS = ("table", "asset", "dataset", "relation")  # in the name of a function, an argument or a key
_SQL_WORDS = ("select", "insert", "update", "delete", "merge", "copy", "truncate")


@dataclass(frozen=True, kw_only=True)
class _Text:
    """A string of a module; `context` is the name of the argument, key or function it is given to."""

    value: str
    context: str
    line: int


@dataclass(kw_only=True)
class _Module:
    """What a module says of its Dag, and its strings."""

    name: str
    owner: str | None = None
    texts: list[_Text] = field(default_factory=list)


def dag_uses(domain: Domain, project: Path) -> Iterator[Use]:
    """Every use of a table of `domain` in the Python files below `project/dags`."""
    for path in sorted((project / "dags").rglob("*.py")):
        try:
            tree = ast.parse(path.read_bytes(), filename=str(path))
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue  # Airflow tells of Dags that do not parse
        module = _Module(name=path.stem)
        _read(tree, module)
        for text in module.texts:
            yield from _text_uses(text, module, domain, path, project)


def _text_uses(text: _Text, module: _Module, domain: Domain, path: Path, project: Path) -> Iterator[Use]:
    where = shown(path, project, text.line)
    named = {word.strip() for word in text.value.split(",")}
    for table in domain.tables:
        if _names(text, named, table):
            how = f"names it in `{text.context}`" if text.context else "names it"
            consumer = Consumer(kind="dag", name=module.name, where=where, how=how, owner=module.owner, side=Side.BOTH)
            yield Use(consumer=consumer, table=table.name, is_whole=True)
    if not any(word in text.value.lower() for word in _SQL_WORDS) or " " not in text.value.strip():
        return
    known = {(table.schema, table.name): [column.name for column in table.columns] for table in domain.tables}
    reading = read_sql(text.value, known)
    if reading is None:
        return
    is_read = text.value.lstrip().lower().startswith(("select", "with"))
    side = Side.READS if is_read else Side.BOTH
    consumer = Consumer(
        kind="dag", name=module.name, where=where, how="holds a query of it", owner=module.owner, side=side
    )
    for address in reading.tables & known.keys():
        yield Use(consumer=consumer, table=address[1], is_whole=address in reading.whole)
    for schema, name, column in reading.columns:
        if (schema, name) in known:
            yield Use(consumer=consumer, table=name, column=column)


def _names(text: _Text, named: set[str], table: TableContract) -> bool:
    """Whether a string names a table: with its schema or as an asset anywhere, by its name where a table is due."""
    if table.qualified_name in named or text.value.endswith(f"/{table.schema}/{table.name}"):
        return True
    return table.name in named and any(word in text.context.lower() for word in _TABLE_WORDS)


def _read(tree: ast.Module, module: _Module) -> None:
    """Collect the strings of a module with what each is given to; docstrings are left out."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, context = waiting.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            module.texts.append(_Text(value=node.value, context=context, line=node.lineno))
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
            module.texts.append(_Text(value="".join(map(str, parts)), context=context, line=node.lineno))
        elif isinstance(node, ast.Call):
            _read_dag(node, module)
            function = _function(node)
            waiting += [(argument, context if function == "Param" else function) for argument in node.args]
            waiting += [(keyword.value, keyword.arg or context) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                said = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else context
                waiting.append((value, said))
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            waiting += [(child, context) for child in ast.iter_child_nodes(node)]
    module.texts.sort(key=lambda text: text.line)


def _read_dag(call: ast.Call, module: _Module) -> None:
    """Note the name and owner of a Dag from the call that makes it."""
    if _function(call) not in ("DAG", "dag"):
        return
    first = call.args[0] if call.args else None
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    identifier = given.get("dag_id", first)
    if isinstance(identifier, ast.Constant) and isinstance(identifier.value, str):
        module.name = identifier.value
    defaults = given.get("default_args")
    if isinstance(defaults, ast.Dict):
        for key, value in zip(defaults.keys, defaults.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "owner" and isinstance(value, ast.Constant):
                module.owner = str(value.value)


def _function(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""
