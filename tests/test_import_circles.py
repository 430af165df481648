"""No module of the library imports one that imports it back, not inside of functions and not for types either."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

_PACKAGE = Path(__file__).parents[1] / "plugins" / "groundwork"


def _modules(package: Path) -> dict[str, Path]:
    found = {}
    for path in package.rglob("*.py"):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imported(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """What each import names, the likeliest module first: `from a import b` is of `a.b` where that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.name,) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.level == 0:
            yield from ((f"{node.module}.{each.name}", node.module) for each in node.names)


def _graph(package: Path) -> Mapping[str, set[str]]:
    modules = _modules(package)
    graph: dict[str, set[str]] = {}
    for name, path in modules.items():
        named = _imported(ast.parse(path.read_text(encoding="utf-8")))
        found = {next((each for each in names if each in modules), None) for names in named}
        graph[name] = {each for each in found if each is not None and each != name}
    return graph


def test_no_module_imports_back() -> None:
    graph = _graph(_PACKAGE)
    assert "groundwork.operators.tries.try_end" in graph["groundwork.operators.retry_policy"], "lazy imports count"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("imports in a circle: " + " <- ".join(error.args[1]))


@pytest.mark.parametrize(
    "back",
    [
        "from shop import prices",
        "def load():\n    from shop.prices import newest",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import shop.prices",
    ],
)
def test_a_circle_is_found_wherever_its_import_stands(tmp_path: Path, back: str) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    for name, source in {"__init__": "", "prices": "import shop.orders", "orders": back}.items():
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.raises(CycleError):
        TopologicalSorter(_graph(package)).prepare()
