"""The Python modules of a project by dotted name, read and parsed when something asks for them.

Libraries that the rules know by name are never looked for among the files, so that a folder called `pandas` cannot
hide the library, and reading stays within the project.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from groundwork.rules.code.module import Module, parse_module

_SOURCE_FOLDERS = ("", "plugins", "dags", "src")  # where a project's own modules can be imported from
_LARGEST_BYTES = 2_000_000  # a larger module is data, and no part of what names are resolved through


@dataclass(eq=False)
class Project:
    """The modules below `root`; `known` are libraries (or modules of them) that are not looked for."""

    root: Path
    known: frozenset[str]
    _loaded: dict[Path, Module | None] = field(default_factory=dict)
    _is_file: dict[str, bool] = field(default_factory=dict)
    _roots: dict[Path, Path] = field(default_factory=dict)
    _found: dict[tuple[str, Path], Path | None] = field(default_factory=dict)

    def module(self, dotted: str, near: Module) -> Module | None:
        """The module called `dotted` as `near` imports it; null when it is none of the project's."""
        if (
            self.known & {dotted.partition(".")[0], dotted}
            or not dotted
            or not all(part.isidentifier() for part in dotted.split("."))
        ):
            return None
        folder = Path(near.path).parent
        key = (dotted, folder)
        if key not in self._found:
            self._found[key] = self._file(dotted, folder, near)
        path = self._found[key]
        return self._load(path) if path is not None else None

    def parsed(self, source: str, path: Path) -> Module:
        """The module that the file `path` is; raises as `parse_module` does."""
        known = self._loaded.get(path)
        if known is not None and known.source == source:
            return known
        name, is_package = module_name(path, self.root)
        made = parse_module(source, path=str(path), name=name, is_package=is_package)
        self._loaded[path] = made
        return made

    def _file(self, dotted: str, folder: Path, near: Module) -> Path | None:
        relative = dotted.replace(".", "/")
        if folder not in self._roots:
            self._roots[folder] = package_root(folder)
        roots = [self._roots[folder], folder, *(self.root / name for name in _SOURCE_FOLDERS)]
        own = near.name.partition(".")[0]
        for root in dict.fromkeys(roots):
            if not root.is_relative_to(self.root) and dotted.partition(".")[0] != own:
                continue
            for file in (f"{root}/{relative}.py", f"{root}/{relative}/__init__.py"):
                if file not in self._is_file:
                    self._is_file[file] = os.path.isfile(file)  # noqa: PTH113 - a hundred thousand times
                if self._is_file[file]:
                    return Path(file)
        return None

    def _load(self, path: Path) -> Module | None:
        if path not in self._loaded:
            self._loaded[path] = None
            try:
                if path.stat().st_size <= _LARGEST_BYTES:
                    self.parsed(path.read_text(encoding="utf-8"), path)
            except (OSError, SyntaxError, ValueError, RecursionError):
                pass  # what cannot be read is told where that file itself is checked
        return self._loaded[path]


def package_root(folder: Path) -> Path:
    """The folder that the package around `folder` is imported from; the folder itself when it is in none."""
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        folder = folder.parent
    return folder


def module_name(path: Path, root: Path) -> tuple[str, bool]:
    """The dotted name of a file and whether it is a package; by its package, else by its place below `root`."""
    start = package_root(path.parent)
    if start == path.parent and path.is_relative_to(root):
        start = root
    parts = path.relative_to(start).with_suffix("").parts
    is_package = path.name == "__init__.py"
    return ".".join(parts[:-1] if is_package else parts), is_package
