"""APIs are read page by page from a real server: every way of paging, patience, credentials, nothing lost or told."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from groundwork.flow.resources import ConnectionFacts
from groundwork.flow.sources.http import HttpSource
from groundwork.flow.window import Window
from groundwork.model.errors import ConfigError, DataQualityError, GroundworkError, RetriableError
from tests.flow.sources.reading import column, opened, read, resumed, rows
from tests.patience import PATIENCE_SECONDS

COLUMNS = [column("id", "integer", key=1), column("city", "text"), column("price", "numeric(10,3)")]
MAPPED = {"columns": {"id": "id", "city": "/address/city", "price": "price"}, "records": "/data"}
RECORDS = [{"id": n, "address": {"city": f"c{n}"}, "price": n / 8, "more": 1} for n in range(1, 24)]
EXPECTED = [(str(n), f"c{n}", str(n / 8)) for n in range(1, 24)]
SECRET = "do-not-tell-7f3a"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a client asked for."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    at: float


Reply = tuple[int, dict[str, str], bytes]


@dataclass(kw_only=True)
class Api:
    """A server on loopback; `reply` makes an answer, `asked` is what it was asked."""

    reply: Callable[[Asked], Reply]
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def connection(self, **facts: Any) -> ConnectionFacts:
        """The connection to it."""
        given = {"kind": "http", "host": "127.0.0.1", "port": self.port, **facts}
        return ConnectionFacts(name="api", **given)


@contextmanager
def serving(reply: Callable[[Asked], Reply]) -> Iterator[Api]:
    """The server runs inside."""
    api = Api(reply=reply)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = urlsplit(self.path)
            params = {name: values[-1] for name, values in parse_qs(found.query, keep_blank_values=True).items()}
            asked = Asked(path=found.path, params=params, headers=dict(self.headers), at=time.monotonic())
            api.asked.append(asked)
            status, headers, body = api.reply(asked)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # the client may have stopped waiting
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE_SECONDS)


def page(found: list[Any], **more: Any) -> Reply:
    """A page of records."""
    return 200, {}, json.dumps({"data": found, **more}).encode()


def by_offset(asked: Asked) -> Reply:
    """An API that never gives more than five at once."""
    start = int(asked.params["offset"])
    return page(RECORDS[start : start + min(5, int(asked.params.get("limit", 5)))])


def by_page(asked: Asked) -> Reply:
    number = int(asked.params["page"])
    return page(RECORDS[(number - 1) * 5 : number * 5])


def by_cursor(asked: Asked) -> Reply:
    start = int(asked.params.get("after", "0"))
    following = start + 5 if start + 5 < len(RECORDS) else None
    return page(RECORDS[start : start + 5], meta={"next": following})


def by_link(asked: Asked) -> Reply:
    start = int(asked.params.get("at", "0"))
    status, _, body = page(RECORDS[start : start + 5])
    link = {"Link": f'<{asked.path}?at={start + 5}&x=a&x=b>; rel="next"'} if start + 5 < len(RECORDS) else {}
    return status, link, body


def by_address(asked: Asked) -> Reply:
    start = int(asked.params.get("at", "0"))
    following = f"?at={start + 5}" if start + 5 < len(RECORDS) else None
    return page(RECORDS[start : start + 5], links={"next": following})


def ends_by_404(asked: Asked) -> Reply:
    number = int(asked.params["page"])
    return by_page(asked) if number <= 5 else (404, {}, b"no such page")


WAYS: dict[str, tuple[Callable[[Asked], Reply], dict[str, Any] | None]] = {
    "none": (lambda _: page(RECORDS), None),
    "offset": (by_offset, {"kind": "offset", "size_param": "limit", "size": 100}),
    "page": (by_page, {"kind": "page"}),
    "cursor": (by_cursor, {"kind": "cursor", "param": "after", "next": "/meta/next"}),
    "link": (by_link, {"kind": "link"}),
    "address": (by_address, {"kind": "link", "next": "/links/next"}),
    "end": (ends_by_404, {"kind": "page", "ends_at_status": 404}),
}


def source_of(folder: Path, api: Api, facts: Any = None, **declared: Any) -> HttpSource:
    options = {name: declared.pop(name) for name in ("since", "window", "batch_rows") if name in declared}
    given = {"kind": "http", "connection": "api", "path": "/v1/items", **MAPPED, **declared}
    found = opened(folder, COLUMNS, given, [facts or api.connection()], **options)
    assert isinstance(found, HttpSource)
    return found


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("base", ["", "/base"])
def test_every_way_of_paging_gives_all_records_once(tmp_path: Path, way: str, base: str) -> None:
    reply, pagination = WAYS[way]
    with serving(reply) as api:
        facts = api.connection(host=f"http://127.0.0.1:{api.port}{base}", port=None)
        declared: dict[str, Any] = {"pagination": pagination} if pagination else {}
        source = source_of(tmp_path, api, facts, batch_rows=6, **declared)
        assert rows(source) == EXPECTED
        assert source.checksum()
        assert resumed(source) == read(source)
        assert source.parts(4) == (source,)
        assert [each.name for each in source.found_fields()] == ["id", "address", "price", "more"]
        assert {asked.path for asked in api.asked} == {f"{base}/v1/items"}


def test_what_is_new_is_asked_for_and_a_window_goes_before(tmp_path: Path) -> None:
    asks = {"since_param": "from", "until_param": "to", "params": {"open": True, "n": 3}}
    with serving(lambda _: page([])) as api:
        read(source_of(tmp_path, api, since="2024-01-02 03:00:00+01", **asks))
        read(source_of(tmp_path, api, since="2024-01-02", **asks))
        read(source_of(tmp_path, api, since="5", window=Window(start="2023-01-01", end="17"), **asks))
        assert [asked.params for asked in api.asked] == [
            {"open": "true", "n": "3", "from": "2024-01-02T02:00:00Z"},
            {"open": "true", "n": "3", "from": "2024-01-02"},
            {"open": "true", "n": "3", "from": "2023-01-01", "to": "17"},
        ]


@dataclass
class Failing:
    """Answers with `failures` first, each once per page."""

    failures: list[Reply]
    left: list[Reply] = field(default_factory=list)
    last: dict[str, str] | None = None

    def __call__(self, asked: Asked) -> Reply:
        """The next answer."""
        if asked.params != self.last:
            self.last, self.left = asked.params, list(self.failures)
        return self.left.pop(0) if self.left else by_offset(asked)


BROKEN: Reply = (200, {"Content-Length": "500"}, b'{"data": [')


def test_what_fails_by_chance_is_asked_again_and_pauses_are_kept(tmp_path: Path) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=290), usegmt=True)
    failures: list[Reply] = [
        (429, {"Retry-After": "7"}, b""),
        (503, {"Retry-After": until}, b""),
        (500, {}, b""),
        BROKEN,
        (200, {}, b"<html>"),
    ]
    with serving(Failing(failures)) as api:
        source = source_of(tmp_path, api, pagination={"kind": "offset"})
        pauses: list[float] = []
        source.client.sleep = pauses.append
        assert rows(source) == EXPECTED
        assert pauses[0] == 7
        assert 30 < pauses[1] <= 290
        assert pauses[2:5] == [2.0, 4.0, 8.0]
        assert len(pauses) == 5 * 6


def test_an_api_whose_first_page_is_missing_is_no_empty_one(tmp_path: Path) -> None:
    with serving(lambda _: (404, {}, b"")) as api, pytest.raises(ConfigError, match="refuses"):
        read(source_of(tmp_path, api, pagination={"kind": "page", "ends_at_status": 404}))


def test_patience_ends(tmp_path: Path) -> None:
    with serving(lambda _: (500, {}, b"")) as api:
        source = source_of(tmp_path, api, retries=2)
        source.client.sleep = lambda _: None
        with pytest.raises(RetriableError, match="did not answer") as caught:
            read(source)
        assert "3 times" in str(caught.value.found)
        assert len(api.asked) == 3
    with pytest.raises(RetriableError, match="did not answer"):
        read(source)  # nobody listens any more


def test_a_long_pause_gives_the_task_back(tmp_path: Path) -> None:
    with serving(lambda _: (429, {"Retry-After": "86400"}, b"")) as api:
        with pytest.raises(RetriableError) as caught:
            read(source_of(tmp_path, api))
        assert "86400" in str(caught.value.found)
        assert len(api.asked) == 1


def test_a_slow_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    has_ended = threading.Event()

    def slow(asked: Asked) -> Reply:
        has_ended.wait(PATIENCE_SECONDS)
        return by_offset(asked)

    with serving(slow) as api:
        source = source_of(tmp_path, api, pagination={"kind": "offset"}, timeout_seconds=0.5, retries=1)
        source.client.sleep = lambda _: None
        try:
            with pytest.raises(RetriableError) as caught:
                read(source)
        finally:
            has_ended.set()
        assert "Timeout" in str(caught.value.found)


def test_the_declared_rate_is_kept(tmp_path: Path) -> None:
    with serving(by_offset) as api:
        source = source_of(tmp_path, api, pagination={"kind": "offset"}, requests_per_second=0.25)
        clock = [100.0]
        asked_at: list[float] = []

        def sleep(seconds: float) -> None:
            clock[0] += seconds
            asked_at.append(clock[0])

        source.client.sleep, source.client.clock = sleep, lambda: clock[0]
        assert rows(source) == EXPECTED
        assert asked_at == [100 + 4 * number for number in range(1, len(api.asked))]


@pytest.mark.parametrize(
    ("facts", "auth", "header", "value"),
    [
        (
            {"login": "me", "password": SECRET},
            None,
            "Authorization",
            "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode(),
        ),
        ({"password": SECRET}, None, "Authorization", f"Bearer {SECRET}"),
        ({"login": "me", "password": SECRET}, "bearer", "Authorization", f"Bearer {SECRET}"),
        ({"password": SECRET}, {"kind": "header", "name": "X-Token"}, "X-Token", SECRET),
        ({"login": "me", "password": SECRET}, "none", "Authorization", None),
    ],
)
def test_credentials_go_into_a_header_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, facts: dict[str, str], auth: Any, header: str, value: str | None
) -> None:
    caplog.set_level(logging.DEBUG)
    answers: list[Reply] = [(401, {}, SECRET.encode()), (500, {}, SECRET.encode()), page(RECORDS)]
    with serving(lambda _: answers[0]) as api:
        source = source_of(tmp_path, api, api.connection(**facts), retries=0, auth=auth)
        for kind in (ConfigError, RetriableError):
            with pytest.raises(kind) as caught:
                read(source)
            assert SECRET not in f"{caught.value} {caught.value.__cause__} {caught.value.__dict__}"
            answers.pop(0)
        assert rows(source) == EXPECTED
        assert {asked.headers.get(header) for asked in api.asked} == {value}
        assert SECRET not in f"{source!r} {source.description}"
    told = caplog.text
    assert SECRET not in told
    assert "Basic " not in told


def test_another_host_never_gets_the_credentials(tmp_path: Path) -> None:
    def elsewhere(_: Asked) -> Reply:
        return 200, {"Link": '<http://localhost:9/x>; rel="next"'}, json.dumps({"data": RECORDS}).encode()

    with serving(elsewhere) as api, pytest.raises(DataQualityError, match="another host"):
        read(source_of(tmp_path, api, pagination={"kind": "link"}))
    redirect: Reply = (302, {"Location": "http://localhost:9/x"}, b"")
    with serving(lambda _: redirect) as api, pytest.raises(ConfigError, match="refuses"):
        read(source_of(tmp_path, api))


@pytest.mark.parametrize(
    ("reply", "pagination"),
    [
        (lambda _: page(RECORDS), {"kind": "page"}),
        (lambda _: page(RECORDS, meta={"next": 4}), {"kind": "cursor", "param": "c", "next": "/meta/next"}),
        (lambda _: (200, {}, b'{"data": {"id": 1}}'), None),
        (lambda _: (200, {}, b"[1]"), None),
    ],
)
def test_pages_that_do_not_end_or_hold_no_records_are_told(
    tmp_path: Path, reply: Callable[[Asked], Reply], pagination: dict[str, Any] | None
) -> None:
    with serving(reply) as api, pytest.raises(DataQualityError, match="not what was declared"):
        read(source_of(tmp_path, api, **({"pagination": pagination} if pagination else {})))


@pytest.mark.parametrize(
    "words",
    [
        {"pagination": {"kind": "pages"}},
        {"pagination": {"kind": "cursor"}},
        {"pagination": {"kind": "page", "sizes": 3}},
        {"pagination": {"kind": "page", "size": 3}},
        {"auth": "magic"},
        {"records": "data"},
        {"requests_per_second": "fast"},
        {"params": {"a": [1]}},
        {"retry": 3},
        {"path": ""},
    ],
)
def test_a_wrong_declaration_is_told(tmp_path: Path, words: dict[str, Any]) -> None:
    facts = ConnectionFacts(name="api", kind="http", host="127.0.0.1")
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, COLUMNS, {"kind": "http", "connection": "api", "path": "/x", **words}, [facts])
    assert caught.value.where
    assert caught.value.next_step


def test_credentials_in_the_host_are_refused_and_not_shown(tmp_path: Path) -> None:
    facts = ConnectionFacts(name="api", kind="http", host=f"http://me:{SECRET}@127.0.0.1")
    with pytest.raises(GroundworkError) as caught:
        opened(tmp_path, COLUMNS, {"kind": "http", "connection": "api", "path": "/x"}, [facts])
    assert SECRET not in str(caught.value)
