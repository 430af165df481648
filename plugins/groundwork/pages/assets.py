"""Static files of the pages, and the headers that every answer carries."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
CACHING = "private, max-age=86400"  # addresses carry the files' digest, so a day is safe
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
_FOLDER = Path(__file__).parent / "static"


def find(name: str) -> Path | None:
    """The static file called `name`, or null when there is none; a path in `name` finds nothing."""
    return _FOLDER / name if name in _names() else None


@cache
def version() -> str:
    """A short digest of all static files, for their addresses."""
    digest = hashlib.sha256()
    for name in _names():
        digest.update((_FOLDER / name).read_bytes())
    return digest.hexdigest()[:12]


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(path.name for path in _FOLDER.iterdir() if path.suffix in TYPES))
