"""Lineage events from the outbox to a backend: in order, at least once, and never in the way of a task.

Each event is one POST with a time limit. The first that fails for a reason of the backend or the network ends the run,
and the next run begins with it. An event that the backend refuses for what it holds is put aside with the reason,
because it would be refused for ever. Backends know events by run id and time, so one that comes twice does no harm.
Source: OpenLineage specification, `POST /api/v1/lineage`.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from groundwork.model.errors import ConfigError, RetriableError
from groundwork.transform.lineage_outbox import Line, Outbox, Position

if TYPE_CHECKING:
    import httpx

ENDPOINT = "/api/v1/lineage"
_KEEP_EVERY = 50  # events between two writings of the position: so many may go out again after a kill
_REFUSED_EVENT = frozenset({400, 409, 413, 415, 422})  # about the event; every other 4xx is about who or where
_TRY_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where events go: base address, bearer token if it wants one, seconds that one request may take."""

    url: str
    token: str | None = field(default=None, repr=False)
    timeout_seconds: float = 5.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "this is no address of a lineage backend", expected="http://host:port or https://host", found=self.place
            )

    @property
    def place(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """What one run shipped, in events; `problem` says why it ended before the file did (null when it did not)."""

    backend: str
    shipped: int
    refused: int
    waiting: int
    seconds: float
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def __str__(self) -> str:
        told = f"{self.shipped} lineage events shipped to {self.backend} in {self.seconds:.1f} s"
        aside = f", {self.refused} put aside" if self.refused else ""
        left = f", {self.waiting} wait: {self.problem}" if self.problem else ""
        return told + aside + left

    def raise_if_stopped(self) -> None:
        """Raises: RetriableError when events wait because the backend could not take them."""
        if self.problem:
            raise RetriableError(
                f"the lineage backend does not take events: {self.problem}",
                where=self.backend,
                found=f"{self.shipped} shipped, {self.waiting} wait in the file",
                next_step="nothing is lost: the next run goes on where this one stopped",
            )


def ship(outbox: Outbox, backend: Backend, *, for_seconds: float = 60.0) -> Shipment:
    """Ship what waits, for at most `for_seconds` and one request; running again goes on behind the last event.

    Raises: ConfigError when the backend refuses us (401, 403, 404 and their like); SkippableError when another
    process is shipping.
    """
    import httpx

    headers = {"Authorization": f"Bearer {backend.token}"} if backend.token else {}
    started = time.monotonic()
    with outbox.lock():
        run = _Run(outbox=outbox, backend=backend, begun=outbox.position())
        with httpx.Client(timeout=backend.timeout_seconds, headers=headers, trust_env=False) as client:
            problem = run.send_all(client, until=started + for_seconds)
        return Shipment(
            backend=backend.place,
            shipped=run.position.shipped - run.begun.shipped,
            refused=run.position.refused - run.begun.refused,
            waiting=outbox.waiting(),
            seconds=time.monotonic() - started,
            problem=problem,
        )


class _Run:
    """One run of the shipper: the position moves with every event and is written down now and then."""

    def __init__(self, *, outbox: Outbox, backend: Backend, begun: Position) -> None:
        self.outbox = outbox
        self.backend = backend
        self.begun = begun
        self.position = begun
        self.unkept = 0

    def send_all(self, client: httpx.Client, *, until: float) -> str | None:
        """Send until the file's end (null), or until the reason that is returned."""
        try:
            for line, behind in self.outbox.lines(self.begun):
                if time.monotonic() >= until:
                    return "the time for one run is over"
                if problem := self._send(client, line, behind):
                    return problem
            return None
        finally:
            self.outbox.keep(self.position)

    def _send(self, client: httpx.Client, line: Line, behind: Position) -> str | None:
        """Send one event; the reason why it has to wait, if it has to."""
        import httpx

        if line.event is None:
            self._put_aside(line, behind, "the line is no JSON object")
            return None
        address = f"{self.backend.url.rstrip('/')}{ENDPOINT}"
        try:
            answer = client.post(address, content=line.text, headers={"Content-Type": "application/json"})
        except (httpx.TransportError, httpx.InvalidURL) as error:
            return f"{type(error).__name__}, after at most {self.backend.timeout_seconds:g} s"
        status = answer.status_code
        if status in _REFUSED_EVENT:
            self._put_aside(line, behind, f"the backend answered {status}")
        elif status in _TRY_LATER or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            return f"it answered {status}"
        elif not answer.is_success:
            raise _refuses_us(self.backend, status)
        else:
            self._move(behind, shipped=1)
        return None

    def _put_aside(self, line: Line, behind: Position, reason: str) -> None:
        self.outbox.put_aside(line, reason)
        self._move(behind, refused=1)

    def _move(self, behind: Position, *, shipped: int = 0, refused: int = 0) -> None:
        self.position = replace(
            behind, shipped=self.position.shipped + shipped, refused=self.position.refused + refused
        )
        self.unkept += 1
        if self.unkept >= _KEEP_EVERY:
            self.outbox.keep(self.position)
            self.unkept = 0


def _refuses_us(backend: Backend, status: int) -> ConfigError:
    return ConfigError(
        "the lineage backend refuses every event",
        where=f"{backend.place}{ENDPOINT}",
        expected="an answer of 200 or 201",
        found=f"status {status}",
        next_step="correct the address or the token of the backend; nothing is lost, the events wait in the file",
    )
