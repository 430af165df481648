"""Which TCP ports of loopback the deployment uses: chosen once, remembered, moved when somebody else sits on one.

An environment variable decides over what is remembered; a port it names is never swapped for another.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from groundwork.local.layout import Layout
from groundwork.model.errors import ConfigError

_DEFAULTS = {"postgres": 5433, "airflow": 8080, "api": 8088}
_VARIABLES = {name: f"GROUNDWORK_{name.upper()}_PORT" for name in _DEFAULTS}
_TRIES = 200  # ports looked at above the wanted one


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of one deployment, all on 127.0.0.1."""

    postgres: int
    airflow: int
    api: int

    @property
    def airflow_url(self) -> str:
        """Address of Airflow's UI and REST API."""
        return f"http://127.0.0.1:{self.airflow}"

    @property
    def api_url(self) -> str:
        """Address of the data API."""
        return f"http://127.0.0.1:{self.api}"


def remembered(layout: Layout) -> Ports | None:
    """The ports chosen at the last start, or null when there was none."""
    ports = layout.read_config().get("ports")
    return Ports(**_checked(ports, layout)) if ports is not None else None


def remember(layout: Layout, ports: Ports) -> None:
    """Keep `ports` for the next start."""
    layout.write_config({**layout.read_config(), "ports": asdict(ports)})


def choose(
    layout: Layout,
    own: Collection[int] = (),
    notice: Callable[[str], None] = lambda _: None,
    environment: Mapping[str, str] = os.environ,
) -> Ports:
    """Choose and remember the ports; `own` are those the deployment's running processes hold already.

    `notice` is told when a remembered or default port had to be left to somebody else.
    Raises: ConfigError when the environment names a port that is taken or is none.
    """
    before = remembered(layout)
    wanted = asdict(before) if before else dict(_DEFAULTS)
    chosen: dict[str, int] = {}
    for name, default in wanted.items():
        forced = environment.get(_VARIABLES[name])
        if forced:
            chosen[name] = _forced_port(_VARIABLES[name], forced, own)
        else:
            chosen[name] = _free_from(default, taken=chosen.values(), own=own)
            if chosen[name] != default:
                notice(f"port {default} is used by {holder(default)}: {name} moves to port {chosen[name]}")
    ports = Ports(**chosen)
    if ports != before:
        remember(layout, ports)
    return ports


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on the port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def holder(port: int) -> str:
    """Who listens on the port, as far as this user may see."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections(kind="tcp"):
            is_listener = connection.status == psutil.CONN_LISTEN and connection.pid is not None
            if is_listener and connection.laddr and connection.laddr.port == port:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    return "another program"


def _forced_port(variable: str, value: str, own: Collection[int]) -> int:
    if not value.isdigit() or not 1 <= int(value) <= 65535:
        raise ConfigError("this is no TCP port", where=variable, expected="a number from 1 to 65535", found=value)
    port = int(value)
    if port not in own and is_listening(port):
        raise ConfigError(
            "the port is taken",
            where=f"{variable}={port}",
            found=holder(port),
            next_step=f"stop that program, set {variable} to a free port, or unset it",
        )
    return port


def _free_from(first: int, *, taken: Collection[int], own: Collection[int]) -> int:
    for port in range(first, min(first + _TRIES, 65536)):
        if port not in taken and (port in own or _can_bind(port)):
            return port
    raise ConfigError("no free port was found", where="127.0.0.1", expected=f"one of {_TRIES} ports from {first} on")


def _can_bind(port: int) -> bool:
    """Whether a server could listen here, which a program on another address of this port may prevent too."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return not is_listening(port)


def _checked(ports: Any, layout: Layout) -> dict[str, int]:
    is_right = isinstance(ports, dict) and set(ports) == set(_DEFAULTS)
    if is_right and all(type(port) is int and 1 <= port <= 65535 for port in ports.values()):
        return dict(ports)
    raise ConfigError(
        "the remembered ports do not read",
        where=f"{layout.config}: ports",
        expected=", ".join(_DEFAULTS),
        found=ports,
        next_step=f"delete {layout.config}: it is made anew",
    )
