"""Asking an HTTP API: credentials, rate, patience. Nothing of a secret leaves this module but in a header."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from groundwork.flow.json_text import parse, parse_bytes
from groundwork.flow.resources import ConnectionFacts
from groundwork.flow.sources.pagination import Answer, Request
from groundwork.model.errors import ConfigError, RetriableError

if TYPE_CHECKING:
    import httpx

MAX_PAGE_BYTES = 64 << 20  # a page is held in memory as a whole
_LONGEST_WAIT_SECONDS = 300.0  # who is asked to wait longer gives the task back
_FIRST_WAIT_SECONDS = 0.5
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
AUTHS = ("none", "basic", "bearer", "header")


class ApiAwayError(RetriableError):
    """An API did not answer; `target_connection` tells whose it is, `status_code` its last word when there was one."""

    target_connection: str = ""
    status_code: int | None = None


class _PassingError(Exception):
    """One try failed and another may not; `wait_seconds` is what the API asked for, `status` its word."""

    def __init__(self, told: str, wait_seconds: float | None = None, status: int | None = None) -> None:
        super().__init__(told)
        self.wait_seconds = wait_seconds
        self.status = status


@dataclass(kw_only=True)
class HttpClient:
    """`tries` requests at most for one page; `requests_per_second` null is as fast as the API answers."""

    connection: ConnectionFacts
    auth: str | None = None
    auth_header: str = "X-API-Key"
    requests_per_second: float | None = None
    tries: int = 6
    timeout_seconds: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    _client: httpx.Client | None = field(default=None, init=False, repr=False)
    _last: float | None = field(default=None, init=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the connection."""
        return self.connection.name

    @contextmanager
    def session(self) -> Iterator[None]:
        """Connections are kept open inside."""
        import httpx

        with httpx.Client(headers=self._headers(), timeout=self.timeout_seconds) as client:
            self._client = client
            try:
                yield
            finally:
                self._client = None

    def get(self, request: Request, *, ends_at: int | None = None) -> Answer | None:
        """The answer to a request inside of `session`; null when its status is `ends_at`.

        Raises: RetriableError when the tries are used up, or the API wants a long pause; ConfigError when it refuses.
        """
        told, status = "", None
        for number in range(self.tries):
            self._keep_rate()
            try:
                return self._try(request, ends_at)
            except _PassingError as error:
                told, status = str(error), error.status
                wait = error.wait_seconds
                if wait is not None and wait > _LONGEST_WAIT_SECONDS:
                    raise self._failed(request, f"{told}, and asks for a pause of {wait:.0f} s", status) from None
                if number + 1 < self.tries:
                    self.sleep(wait if wait is not None else min(_FIRST_WAIT_SECONDS * 2**number, 30.0))
        raise self._failed(request, f"{told}, {self.tries} times", status)

    def _try(self, request: Request, ends_at: int | None) -> Answer | None:
        import httpx

        if self._client is None:
            raise RuntimeError("an API is asked inside of a session only")
        try:
            with self._client.stream("GET", self._address(request), params=dict(request.params) or None) as response:
                if response.status_code == ends_at:
                    return None
                if response.status_code in _PASSING:
                    wait = self._asked_pause(response.headers.get("Retry-After"))
                    raise _PassingError(f"status {response.status_code}", wait, response.status_code)
                if response.status_code != httpx.codes.OK:
                    raise self._refused(request, response.status_code)
                body = self._body(request, response)
        except httpx.TransportError as error:
            raise _PassingError(type(error).__name__) from None  # its text may hold the address with its parameters
        try:
            value = parsed(body)
        except ValueError:
            raise _PassingError("an answer that is no JSON") from None
        following = response.links.get("next", {}).get("url")
        return Answer(body=body, value=value, address=str(response.url), link=following)

    def _address(self, request: Request) -> str:
        base = base_url(self.connection)
        if request.is_whole:
            found = urlsplit(base)
            return f"{found.scheme}://{found.netloc}{request.path}"
        return f"{base.rstrip('/')}/{request.path.lstrip('/')}"

    def _body(self, request: Request, response: httpx.Response) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > MAX_PAGE_BYTES:
                raise ConfigError(
                    "a page of the API is too large",
                    where=f"{self.name}:{request.path.partition('?')[0]}",
                    expected=f"at most {MAX_PAGE_BYTES >> 20} MiB",
                    next_step="ask for smaller pages by `source.pagination`",
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _keep_rate(self) -> None:
        if self.requests_per_second and self._last is not None:
            due = self._last + 1 / self.requests_per_second
            if (left := due - self.clock()) > 0:
                self.sleep(left)
        self._last = self.clock()

    def _asked_pause(self, told: str | None) -> float | None:
        """Seconds that the API asks to wait, as a number or a date; null when it says nothing."""
        if not told:
            return None
        try:
            return max(0.0, float(told))
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(told)
        except ValueError:
            return None
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return max(0.0, (until - self.now()).total_seconds())

    def _headers(self) -> dict[str, str]:
        facts = self.connection
        kind = self.auth or ("basic" if facts.login else "bearer" if facts.password else "none")
        found = {"Accept": "application/json"}
        if kind == "none":
            return found
        if not facts.password and kind != "basic":
            raise ConfigError(
                "the connection has no password to authenticate with",
                where=f"connection {facts.name}",
                expected=f"a password for `auth: {kind}`",
                next_step="set it in the connection",
            )
        if kind == "basic":
            import httpx

            asked = httpx.Request("GET", "http://localhost")
            signed = next(httpx.BasicAuth(facts.login or "", facts.password or "").auth_flow(asked))
            return {**found, "Authorization": signed.headers["Authorization"]}
        if kind == "bearer":
            return {**found, "Authorization": f"Bearer {facts.password}"}
        return {**found, self.auth_header: facts.password or ""}

    def _refused(self, request: Request, status: int) -> ConfigError:
        is_secret = status in (401, 403)
        return ConfigError(
            "the API refuses the request",
            where=f"{self.name}:{request.path.partition('?')[0]}",
            found=f"status {status}",
            next_step=f"check the {'credentials of the connection' if is_secret else 'path and the parameters'}",
        )

    def _failed(self, request: Request, found: str, status: int | None) -> ApiAwayError:
        error = ApiAwayError(
            "the API did not answer",
            where=f"{self.name}:{request.path.partition('?')[0]}",
            found=found,
            next_step="run the load again later; nothing of it was loaded",
        )
        error.target_connection, error.status_code = self.name, status
        return error


def parsed(body: bytes) -> Any:
    """The JSON of a page. Raises: ValueError when it is none."""
    try:
        return parse_bytes(body)
    except (ValueError, ArithmeticError, RecursionError):
        return parse(body.decode("utf-8"))


def base_url(facts: ConnectionFacts) -> str:
    """Scheme, host, port and path of the connection, as Airflow's HTTP connections hold them.

    Raises: ConfigError when there is no host, or it holds credentials.
    """
    host = facts.host or ""
    address = host if "://" in host else f"{facts.database or 'http'}://{host}"
    found = urlsplit(address)
    if not found.hostname or found.scheme not in ("http", "https") or "@" in found.netloc:
        raise ConfigError(
            "the connection is no address of an API",
            where=f"connection {facts.name}",
            expected="a host, or http(s)://host, without credentials",
            found="credentials in the host" if "@" in found.netloc else f"scheme {found.scheme}",
            next_step="correct the connection; login and password have fields of their own",
        )
    port = f":{facts.port}" if facts.port and found.port is None else ""
    return f"{found.scheme}://{found.netloc}{port}{quote(found.path)}"


def declared_client(declared: Mapping[str, Any], facts: ConnectionFacts, where: str) -> HttpClient:
    """The client that a source declares.

    Raises: ConfigError for values that mean nothing.
    """
    auth = declared.get("auth")
    header = "X-API-Key"
    if isinstance(auth, Mapping):
        header, auth = str(auth.get("name", header)), auth.get("kind")
    if auth is not None and auth not in AUTHS:
        raise _wrong(where, "auth", f"one of {', '.join(AUTHS)}, or a mapping with `kind` and `name`", auth)
    numbers = {
        "requests_per_second": declared.get("requests_per_second"),
        "timeout_seconds": declared.get("timeout_seconds", 30),
        "retries": declared.get("retries", 5),
    }
    for key, found in numbers.items():
        if found is not None and (isinstance(found, bool) or not isinstance(found, int | float) or found < 0):
            raise _wrong(where, key, "a number", found)
    rate = numbers["requests_per_second"]
    return HttpClient(
        connection=facts,
        auth=auth,
        auth_header=header,
        requests_per_second=float(rate) if rate else None,
        tries=min(int(numbers["retries"] or 0), 20) + 1,
        timeout_seconds=float(numbers["timeout_seconds"] or 30),
    )


def _wrong(where: str, key: str, expected: str, found: object) -> ConfigError:
    return ConfigError(
        f"`{key}` of the source cannot be used",
        where=f"{where}, source.{key}",
        expected=expected,
        found=found,
        next_step="correct it in the contract",
    )
