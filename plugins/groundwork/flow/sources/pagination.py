"""How an API's pages follow one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from groundwork.flow.record import Mark
from groundwork.flow.sources.objects import pointed
from groundwork.model.errors import ConfigError, DataQualityError

PAGINATIONS = ("none", "page", "offset", "cursor", "link")
_KEYS = {"kind", "param", "size_param", "size", "first", "next", "ends_at_status"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """A page: path and parameters; `is_whole`: the path is that of the host, not the one below the connection's."""

    path: str
    params: Mapping[str, str]
    is_whole: bool = False

    def to_mark(self) -> dict[str, Any]:
        """What brings the request back."""
        return {"path": self.path, "params": dict(self.params), "is_whole": self.is_whole}

    @classmethod
    def from_mark(cls, mark: Mark) -> Request | None:
        """The request of a mark; null when that is the end."""
        if mark.get("end"):
            return None
        return cls(path=str(mark["path"]), params=dict(mark["params"]), is_whole=bool(mark["is_whole"]))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One page as it came; `link` is the address of the next page that its header names."""

    body: bytes
    value: Any
    address: str
    link: str | None


@dataclass(frozen=True, kw_only=True)
class Pagination:
    """`kind` is one of `PAGINATIONS`; `next` is a JSON pointer to the next cursor or address.

    Pages by number or offset end with the first empty one, because an API may give less than it was asked for.
    """

    kind: str = "none"
    param: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    start: int = 0
    next: str = ""
    ends_at_status: int | None = None

    def first(self, path: str, params: Mapping[str, str]) -> Request:
        """The first page."""
        own = {self.param: str(self.start)} if self.kind in ("page", "offset") else {}
        return Request(path=path, params={**params, **self.extra, **own})

    def following(self, request: Request, answer: Answer, count: int) -> Request | None:
        """The page behind `answer`, which had `count` records; null when it was the last.

        Raises: DataQualityError when the next page lies at another host.
        """
        if self.kind in ("page", "offset"):
            if not count:
                return None
            step = 1 if self.kind == "page" else count
            return replace(request, params={**request.params, self.param: str(int(request.params[self.param]) + step)})
        if self.kind == "cursor":
            cursor = pointed(answer.value, self.next)
            if cursor in (None, "", False):
                return None
            return replace(request, params={**request.params, self.param: str(cursor)})
        if self.kind == "link":
            address = pointed(answer.value, self.next) if self.next else answer.link
            return _request(answer.address, str(address)) if address else None
        return None


def _request(base: str, address: str) -> Request:
    found, own = urlsplit(urljoin(base, address)), urlsplit(base)
    if (found.scheme, found.netloc) != (own.scheme, own.netloc):
        raise DataQualityError(
            "the API leads to another host for its next page",
            where=f"{own.scheme}://{own.hostname}",
            expected="the same host, because the credentials are for it alone",
            found=f"{found.scheme}://{found.hostname}",
            next_step="check the connection's host, or choose another pagination",
        )
    return Request(path=found.path + (f"?{found.query}" if found.query else ""), params={}, is_whole=True)


def declared_pagination(declared: Any, where: str) -> Pagination:
    """The pagination that a source declares.

    Raises: ConfigError when it says too little, or what nobody knows.
    """
    if declared is None:
        return Pagination()
    kind = declared.get("kind") if isinstance(declared, Mapping) else declared
    if not isinstance(declared, Mapping) or kind not in PAGINATIONS:
        raise _wrong(where, f"a mapping with `kind`, one of {', '.join(PAGINATIONS)}", kind)
    if unknown := sorted(set(declared) - _KEYS):
        raise _wrong(where, f"the keys {', '.join(sorted(_KEYS))}", ", ".join(unknown))
    size_param, size = declared.get("size_param"), declared.get("size")
    if (size_param is None) != (size is None):
        raise _wrong(where, "`size_param` and `size` together", f"size_param {size_param}, size {size}")
    defaults = {"page": "page", "offset": "offset", "cursor": "cursor"}
    following = str(declared.get("next", ""))
    if kind == "cursor" and not following.startswith("/"):
        raise _wrong(where, "`next`, a JSON pointer to the next cursor", following or None)
    start = declared.get("first", 1 if kind == "page" else 0)
    if not isinstance(start, int):
        raise _wrong(where, "`first`, a number", start)
    return Pagination(
        kind=str(kind),
        param=str(declared.get("param", defaults.get(str(kind), ""))),
        extra={} if size_param is None else {str(size_param): str(size)},
        start=start,
        next=following,
        ends_at_status=declared.get("ends_at_status"),
    )


def _wrong(where: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        "the pagination of the source cannot be used",
        where=f"{where}, source.pagination",
        expected=expected,
        found=found,
        next_step="correct it in the contract",
    )
