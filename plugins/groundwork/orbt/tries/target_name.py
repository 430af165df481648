"""What a breaker is called: `connection:<Airflow connection id>`, or `source:<scheme>://<host>` for a plain address."""

from __future__ import annotations

from urllib.parse import urlsplit

CONNECTION = "connection:"
SOURCE = "source:"
PORTS = {"http": 80, "https": 443}


def source_target(address: str) -> str | None:
    """The name of the service behind an address, without path, login and usual port; null when it names no host.

    >>> source_target("https://ann:secret@rates.example.com:443/v1/eur?key=1")
    'source:https://rates.example.com'
    """
    try:
        found = urlsplit(address if "://" in address else f"//{address}")
        scheme, host, port = found.scheme or "http", found.hostname, found.port
    except ValueError:
        return None
    if host is None:
        return None
    return f"{SOURCE}{scheme}://{host}" + ("" if port in (None, PORTS.get(scheme)) else f":{port}")
