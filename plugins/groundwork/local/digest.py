"""One digest over many files: equal as long as no file came, went or changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_GENERATED = {"target", "logs", "dbt_packages", "__pycache__"}


def digest(root: Path, folders: Iterable[str], salt: str = "") -> str:
    """SHA-256 over the path and content of every file in `folders` of `root`, what tools generate there left out."""
    whole = hashlib.sha256(salt.encode())
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and not _GENERATED & set(path.relative_to(root).parts):
                whole.update(str(path.relative_to(root)).encode() + b"\0")
                whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()
