"""The lineage backend as an Airflow connection, and the task that ships to it.

The connection is of type HTTP: host (with `https://` or the schema `https`), port, a token as password where the
backend wants one, and `{"timeout": 5}` in its extra for seconds per request. Without the connection nothing is shipped.
"""

from __future__ import annotations

import logging
from typing import Any

from groundwork.model.errors import ConfigError, GroundworkError, RetriableError, SkippableError
from groundwork.settings import STORE_CONNECTION, Settings
from groundwork.transform.lineage_outbox import Outbox
from groundwork.transform.lineage_ship import Backend, ship

_log = logging.getLogger(__name__)
SHARING_FAILED = "sharing_failed"  # the audit trail's word
LINEAGE_CONNECTION = "lineage_backend"  # Airflow connection id of whoever keeps lineage


def lineage_backend(connection_id: str = LINEAGE_CONNECTION) -> Backend:
    """The backend that an Airflow connection names.

    Raises: SkippableError when there is no such connection; ConfigError when it names no HTTP server.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found = Connection.get(connection_id)
    except AirflowNotFoundException as error:
        raise SkippableError(
            f"Airflow has no connection `{connection_id}`, so lineage stays in its file",
            next_step=f"airflow connections add {connection_id} --conn-uri 'http://lineage.example.com:5000'",
        ) from error
    if not found.host:
        raise ConfigError(f"the connection `{connection_id}` has no host", expected="host, and port or schema")
    host = found.host if "://" in found.host else f"{found.schema or 'http'}://{found.host}"
    timeout = found.extra_dejson.get("timeout", Backend.timeout_seconds)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or timeout <= 0:
        raise ConfigError(
            f"the connection `{connection_id}` has no usable timeout",
            where="extra.timeout",
            expected="seconds above 0",
            found=repr(timeout),
        )
    url = f"{host}:{found.port}" if found.port else host
    return Backend(url=url, token=found.password or None, timeout_seconds=float(timeout))


def ship_lineage(
    connection_id: str = LINEAGE_CONNECTION, store_connection_id: str = STORE_CONNECTION
) -> dict[str, Any]:
    """Ship what waits in the outbox of this deployment; the counts, JSON-ready. A failure is kept in the audit trail.

    Raises: Airflow's skip without a connection or while another process ships; RetriableError when the backend does
    not take events; ConfigError when it refuses us.
    """
    from groundwork.operators.errors import airflow_errors

    with airflow_errors():
        try:
            shipment = ship(Outbox.of(Settings.from_environment().home), lineage_backend(connection_id))
            shipment.raise_if_stopped()
        except (RetriableError, ConfigError) as error:
            _keep(connection_id, error, store_connection_id)
            raise
        return shipment.to_json()


def _keep(connection_id: str, error: GroundworkError, store_connection_id: str) -> None:
    """Tell the audit trail, which alarms look at; never raises, because the failure itself is worth more."""
    from groundwork.operators.connections import engine
    from groundwork.orbt.redaction import redact
    from groundwork.store.audit import AuditTrail

    try:
        AuditTrail(engine(store_connection_id)).append(
            actor="airflow:ship_lineage",
            action=SHARING_FAILED,
            subject=f"lineage: {connection_id}",
            details={"problem": redact(error.what)},
        )
    except Exception:
        _log.exception("that lineage is not shared could not be kept")
