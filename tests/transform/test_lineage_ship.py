"""Lineage reaches a backend in order and at least once, whatever the backend does, and nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from groundwork.model.errors import ConfigError, RetriableError, SkippableError
from groundwork.transform.lineage_outbox import Outbox
from groundwork.transform.lineage_ship import Backend, Shipment, ship
from tests.patience import PATIENCE_SECONDS


class Server(ThreadingHTTPServer):
    """A backend that keeps what it took, answers what it is told to, and may take its time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[dict[str, object]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 201
        self.answers: dict[object, int] = {}
        self.asked = 0
        self.wait = threading.Event()
        self.wait.set()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        self.server.wait.wait(PATIENCE_SECONDS)
        self.server.headers.append(dict(self.headers))
        status = self.server.answers.get(body.get("number"), self.server.status)
        if status < 300 and self.path == "/api/v1/lineage":
            self.server.taken.append(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        return


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.wait.set()
    made.shutdown()
    made.server_close()
    thread.join(PATIENCE_SECONDS)


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    made = Outbox.of(tmp_path)
    made.path.parent.mkdir()
    _write(made, range(5))
    return made


def _write(outbox: Outbox, numbers: range) -> None:
    with outbox.path.open("a", encoding="utf-8") as sink:
        sink.writelines(json.dumps({"number": number, "text": "ä\u2028b"}) + "\n" for number in numbers)


def _backend(url: str, token: str | None = None) -> Backend:
    """The backend at an address, with patience for a busy machine."""
    return Backend(url=url, token=token, timeout_seconds=PATIENCE_SECONDS)


def _numbers(server: Server) -> list[object]:
    return [event["number"] for event in server.taken]


def test_events_arrive_once_and_in_order_and_later_ones_follow(server: Server, outbox: Outbox) -> None:
    first = ship(outbox, _backend(server.url, token="word"))
    assert (first.shipped, first.refused, first.waiting, first.problem) == (5, 0, 0, None)
    assert server.headers[0]["Authorization"] == "Bearer word"
    assert server.taken[0]["text"] == "ä\u2028b"
    _write(outbox, range(5, 7))
    assert ship(outbox, _backend(f"{server.url}/")).shipped == 2
    assert _numbers(server) == list(range(7))
    assert ship(outbox, _backend(server.url)).shipped == 0


def test_a_line_that_is_still_being_written_waits_for_its_end(server: Server, outbox: Outbox) -> None:
    with outbox.path.open("a", encoding="utf-8") as sink:
        sink.write('{"number": 5')
    assert ship(outbox, _backend(server.url)).shipped == 5
    with outbox.path.open("a", encoding="utf-8") as sink:
        sink.write("}\n")
    assert ship(outbox, _backend(server.url)).shipped == 1
    assert _numbers(server) == list(range(6))


def test_a_dead_backend_keeps_everything_until_it_is_back(server: Server, outbox: Outbox) -> None:
    dead = ship(outbox, Backend(url="http://127.0.0.1:1"))
    assert (dead.shipped, dead.waiting) == (0, 5)
    assert "ConnectError" in str(dead.problem)
    with pytest.raises(RetriableError, match="does not take events"):
        dead.raise_if_stopped()
    back = ship(outbox, _backend(server.url))
    back.raise_if_stopped()
    assert _numbers(server) == list(range(5))


def test_a_backend_that_never_answers_costs_one_time_limit(server: Server, outbox: Outbox) -> None:
    server.wait.clear()
    slow = ship(outbox, Backend(url=server.url, timeout_seconds=0.3))
    assert server.asked <= 1  # none, where the machine was too busy to begin within the limit
    assert (slow.shipped, slow.waiting) == (0, 5)
    assert "Timeout" in str(slow.problem)
    server.wait.set()
    assert ship(outbox, _backend(server.url)).shipped == 5
    assert set(_numbers(server)) == set(range(5))  # the first may have come twice: at least once


@pytest.mark.parametrize("status", [500, 503, 429])
def test_an_answer_that_may_pass_stops_before_its_event(server: Server, outbox: Outbox, status: int) -> None:
    server.answers = {3: status}
    stopped = ship(outbox, _backend(server.url))
    assert (stopped.shipped, stopped.waiting, stopped.problem) == (3, 2, f"it answered {status}")
    server.answers = {}
    assert ship(outbox, _backend(server.url)).shipped == 2
    assert _numbers(server) == list(range(5))


def test_an_event_that_is_refused_for_what_it_holds_is_put_aside(server: Server, outbox: Outbox) -> None:
    with outbox.path.open("a", encoding="utf-8") as sink:
        sink.write("no event\n")
    _write(outbox, range(5, 6))
    server.answers = {1: 422}
    done = ship(outbox, _backend(server.url))
    assert (done.shipped, done.refused, done.waiting) == (5, 2, 0)
    assert _numbers(server) == [0, 2, 3, 4, 5]
    kept = [json.loads(line) for line in outbox.refused.read_bytes().split(b"\n") if line]
    assert kept[0]["event"]["number"] == 1
    assert "422" in kept[0]["reason"]
    assert (kept[1]["event"], kept[1]["line"]) == (None, "no event")


@pytest.mark.parametrize("status", [401, 404])
def test_a_backend_that_refuses_us_is_a_mistake_and_loses_nothing(server: Server, outbox: Outbox, status: int) -> None:
    server.answers = {2: status}
    with pytest.raises(ConfigError, match="refuses every event") as caught:
        ship(outbox, _backend(server.url, token="secret-word"))
    assert str(status) in str(caught.value)
    assert "secret-word" not in str(caught.value)
    server.answers = {}
    assert ship(outbox, _backend(server.url)).shipped == 3


def test_one_run_ends_in_its_time(server: Server, outbox: Outbox) -> None:
    early = ship(outbox, _backend(server.url), for_seconds=0.0)
    assert (early.shipped, early.waiting) == (0, 5)
    assert "time" in str(early.problem)


def test_a_new_file_is_shipped_from_its_beginning(server: Server, outbox: Outbox) -> None:
    ship(outbox, _backend(server.url))
    outbox.path.unlink()
    assert ship(outbox, _backend(server.url)).shipped == 0
    _write(outbox, range(10, 20))
    assert ship(outbox, _backend(server.url)).shipped == 10
    assert _numbers(server)[5:] == list(range(10, 20))
    assert outbox.position().shipped == 15


def test_a_file_that_was_cut_is_shipped_from_its_beginning(server: Server, outbox: Outbox) -> None:
    ship(outbox, _backend(server.url))
    outbox.path.write_text('{"number": 30}\n', encoding="utf-8")
    assert ship(outbox, _backend(server.url)).shipped == 1


def test_two_shippers_do_not_ship_at_once(server: Server, outbox: Outbox) -> None:
    with outbox.lock(), pytest.raises(SkippableError, match="another process"):
        ship(outbox, _backend(server.url))


def test_a_damaged_position_is_told(server: Server, outbox: Outbox) -> None:
    outbox.path.with_name("shipped.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="does not read"):
        ship(outbox, _backend(server.url))


def test_no_address_is_refused_without_telling_its_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        Backend(url="ftp://user:secret-word@host/x")
    assert "secret-word" not in str(caught.value)
    assert "secret" not in repr(Backend(url="http://host", token="secret"))


def test_a_shipment_tells_what_it_did() -> None:
    shipment = Shipment(backend="http://b", shipped=2, refused=1, waiting=3, seconds=0.5, problem="it answered 500")
    assert str(shipment) == "2 lineage events shipped to http://b in 0.5 s, 1 put aside, 3 wait: it answered 500"
    assert shipment.to_json()["waiting"] == 3
