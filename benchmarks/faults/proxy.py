"""A TCP proxy on loopback that passes, refuses, resets, swallows, delays or throttles, switched while it runs."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK_BYTES = 16_384
_LOOK_SECONDS = 0.05  # how often a pump looks whether the mode has changed
_RESET = struct.pack("ii", 1, 0)  # linger for no time at all: closing sends a reset


class Mode(StrEnum):
    """What the way to a server does."""

    PASS = "pass"  # noqa: S105  no password
    REFUSE = "refuse"  # nobody listens
    RESET = "reset"  # every connection is reset, open and new
    BLACK_HOLE = "black_hole"  # connections are taken, and nothing ever comes through


@dataclass(kw_only=True)
class Proxy:
    """A way to 127.0.0.1:`target`. `latency_seconds` is added to every piece, `bytes_per_second` null is no throttle.

    With `cut_after_bytes` each connection is reset when its client has sent that much; the cut is made once.
    """

    target: int
    latency_seconds: float = 0.0
    bytes_per_second: float | None = None
    cut_after_bytes: int | None = None
    cuts: int = field(default=0, init=False)
    port: int = field(default=0, init=False)
    _mode: Mode = field(default=Mode.PASS, init=False)
    _listener: socket.socket | None = field(default=None, init=False, repr=False)
    _pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _is_closed: bool = field(default=False, init=False)

    def start(self) -> Proxy:
        """Listen on a free port of loopback."""
        self._listen()
        return self

    def close(self) -> None:
        """Listen no more and end every connection."""
        self._is_closed = True
        self._unlisten()
        self.reset_open()

    @property
    def mode(self) -> Mode:
        """What it does now."""
        return self._mode

    def switch(self, mode: Mode) -> None:
        """Behave differently from now on; open connections are reset by `RESET` and `REFUSE`, swallowed by
        `BLACK_HOLE`.
        """
        self._mode = mode
        if mode is Mode.REFUSE:
            self._unlisten()
        elif self._listener is None:
            self._listen()
        if mode in {Mode.REFUSE, Mode.RESET}:
            self.reset_open()

    def restore(self) -> None:
        """Pass again, as on the first day; what was swallowed is reset, as a peer that came back would do."""
        was_swallowing = self._mode is Mode.BLACK_HOLE
        self.latency_seconds, self.bytes_per_second, self.cut_after_bytes = 0.0, None, None
        self.switch(Mode.PASS)
        if was_swallowing:
            self.reset_open()

    def reset_open(self) -> None:
        """Reset every open connection, on both of its sides."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _reset(end)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _unlisten(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if self._mode is Mode.RESET or self._is_closed:
                _reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        while self._mode is Mode.BLACK_HOLE and not self._is_closed:
            time.sleep(_LOOK_SECONDS)
            if _is_gone(client):
                client.close()
                return
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._pairs.append((client, server))
        ways = (
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True),
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True),
        )
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        with self._lock, contextlib.suppress(ValueError):
            self._pairs.remove((client, server))
        client.close()
        server.close()

    def _pump(self, source: socket.socket, sink: socket.socket, is_from_client: bool) -> None:
        passed = 0
        try:
            while piece := source.recv(_CHUNK_BYTES):
                while self._mode is Mode.BLACK_HOLE and not self._is_closed:
                    time.sleep(_LOOK_SECONDS)
                if self.latency_seconds:
                    time.sleep(self.latency_seconds)
                if self.bytes_per_second:
                    time.sleep(len(piece) / self.bytes_per_second)
                passed += len(piece)
                if is_from_client and self.cut_after_bytes is not None and passed >= self.cut_after_bytes:
                    self.cut_after_bytes = None
                    self.cuts += 1
                    _reset(source)
                    _reset(sink)
                    return
                sink.sendall(piece)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)
        except OSError:  # one side is gone, so the other goes
            _reset(source)
            _reset(sink)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RD)  # wakes a thread that reads, without saying goodbye to the peer
    with contextlib.suppress(OSError):
        end.close()


def _is_gone(end: socket.socket) -> bool:
    end.setblocking(False)
    try:
        return end.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            end.setblocking(True)
