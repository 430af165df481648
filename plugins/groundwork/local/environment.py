"""How Airflow is set on one machine: the generated `airflow.cfg` and the environment of every process.

Settings go into a private file in AIRFLOW_HOME, not into variables, so that no secret is inherited or shown, and so
that the plain `airflow` command works with AIRFLOW_HOME alone. A user's own settings stand in `config.json` under
`airflow` as section → key → value and win over ours.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from groundwork.local.layout import Layout, write_private
from groundwork.model.errors import ConfigError
from groundwork.operators.environment_connection import FILE_BACKEND

if TYPE_CHECKING:
    from groundwork.local.ports import Ports

USERS = {"admin": "admin", "user": "user", "viewer": "viewer"}  # name → role of Airflow's simple auth manager
CLEARING_USER = "user"  # the one whose role may clear tasks and nothing more dangerous
_AUTH_MANAGER = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
_NO_TELEMETRY = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "SCARF_ANALYTICS": "false",
}
_SIGNING_KEY_BYTES = 64  # the length of SHA-512, RFC 7518 section 3.2
_LOOPBACK = "127.0.0.1,localhost,::1"


def write_settings(layout: Layout, ports: Ports) -> str:
    """Write `airflow.cfg` and the users' passwords; the digest of all that processes read only at their start."""
    _write_passwords(layout)
    content = _render(_settings(layout, ports))
    write_private(layout.airflow / "airflow.cfg", content)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def process_environment(layout: Layout, inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for Airflow's and our own processes of this deployment; it holds no secret.

    An `AIRFLOW__…` variable of the caller belongs to another Airflow and is left out.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("AIRFLOW__")}
    binaries = str(Path(sys.executable).parent)
    path = kept.get("PATH", os.defpath)
    return {
        **kept,
        **_NO_TELEMETRY,
        **{name: _joined(kept.get(name), _LOOPBACK) for name in ("NO_PROXY", "no_proxy")},
        "PATH": path if path.split(os.pathsep)[0] == binaries else f"{binaries}{os.pathsep}{path}",
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW_CONFIG": str(layout.airflow / "airflow.cfg"),
        "GROUNDWORK_HOME": str(layout.home),
        "GROUNDWORK_PROJECT": str(layout.project),
        "PYTHONUNBUFFERED": "1",
    }


def apply_to_this_process(layout: Layout) -> bool:
    """Let this process speak to the local deployment, unless AIRFLOW_HOME names another; before Airflow's import."""
    if "AIRFLOW_HOME" in os.environ or not layout.is_installed:
        return False
    for name in [name for name in os.environ if name.startswith("AIRFLOW__")]:
        del os.environ[name]
    os.environ.update(process_environment(layout))
    return True


def password(layout: Layout, user: str) -> str:
    """The password of one of Airflow's users.

    Raises: ConfigError when there is no such user.
    """
    passwords = json.loads(layout.login_passwords.read_text(encoding="utf-8")) if layout.is_installed else {}
    if user not in passwords:
        raise ConfigError(
            f"there is no user `{user}`",
            where=str(layout.login_passwords),
            expected=", ".join(passwords) or "an installed deployment",
            next_step="groundwork up" if not passwords else None,
        )
    return str(passwords[user])


def parallelism() -> int:
    """How many tasks run at once: twice the processors, at least 2 and at most 8."""
    return max(2, min(8, 2 * (os.cpu_count() or 1)))


def _settings(layout: Layout, ports: Ports) -> dict[str, dict[str, str]]:
    from groundwork.local.databases import AIRFLOW, database_url

    settings = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": str(parallelism()),
            "dags_folder": str(layout.project / "dags"),
            "plugins_folder": str(layout.project / "plugins"),
            "load_examples": "False",
            "dags_are_paused_at_creation": "True",  # a Dag that should live at once says so itself
            # After a kill nobody asks the retry policy; the default is 300 seconds.
            "default_task_retry_delay": "10",
            "hostname_callable": "socket.gethostname",  # the default asks the name server, which may not answer
            "fernet_key": _fernet_key(layout),
            "auth_manager": _AUTH_MANAGER,
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in USERS.items()),
            "simple_auth_manager_passwords_file": str(layout.login_passwords),
        },
        "database": {
            "sql_alchemy_conn": database_url(layout, ports.postgres, AIRFLOW, "psycopg2").render_as_string(
                hide_password=False
            ),
        },
        "api": {
            "host": "127.0.0.1",
            "port": str(ports.airflow),
            "base_url": ports.airflow_url,
            "workers": "1",
            "secret_key": layout.secret("airflow-api-key"),
            "instance_name": "Groundwork",
        },
        "api_auth": {"jwt_secret": layout.secret("airflow-jwt-key", _SIGNING_KEY_BYTES)},
        "secrets": {
            "backend": FILE_BACKEND,
            "backend_kwargs": json.dumps({"connections_file_path": str(layout.connections)}),
        },
        "logging": {"base_log_folder": str(layout.logs / "airflow")},
        # A killed scheduler's tasks are taken up again after one to two minutes instead of the default five. The
        # threshold is above what a busy machine can miss: a scheduler that takes itself for dead throws its tasks away.
        "scheduler": {
            "scheduler_health_check_threshold": "60",
            "orphaned_tasks_check_interval": "30",
            "task_instance_heartbeat_timeout": "60",
        },
        "dag_processor": {"refresh_interval": "15"},  # seconds until a new file is seen; the default is 300
        "openlineage": {
            "namespace": "groundwork",
            "transport": json.dumps({"type": "file", "log_file_path": str(layout.lineage), "append": True}),
            "custom_run_facets": "groundwork.operators.lineage.operation_facet",  # operation ids of Cosmos' tasks
        },
        # Cosmos' own default is one folder of the system's, which two users cannot share.
        "cosmos": {
            "enable_telemetry": "False",
            "propagate_logs": "False",
            "cache_dir": str(layout.home / "dbt" / "cosmos"),
        },
    }
    for section, values in _own_settings(layout).items():
        settings.setdefault(section, {}).update(values)
    return settings


def _own_settings(layout: Layout) -> dict[str, dict[str, str]]:
    own = layout.read_config().get("airflow", {})
    if not isinstance(own, dict) or not all(isinstance(values, dict) for values in own.values()):
        raise ConfigError(
            "the own Airflow settings do not read",
            where=f"{layout.config}: airflow",
            expected='{"section": {"key": "value"}}',
            found=own,
        )
    return {section: {key: str(value) for key, value in values.items()} for section, values in own.items()}


def _render(settings: Mapping[str, Mapping[str, str]]) -> str:
    parser = configparser.ConfigParser(interpolation=None)
    for section, values in settings.items():
        parser[section] = {key: value.replace("%", "%%") for key, value in values.items()}  # Airflow interpolates
    sink = io.StringIO()
    parser.write(sink)
    return "# Made by `groundwork up`; own settings go into config.json, see groundwork.local.environment.\n" + (
        sink.getvalue()
    )


def _write_passwords(layout: Layout) -> None:
    """Airflow would make and print them otherwise; those of users added by hand stay."""
    path = layout.login_passwords
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    passwords = {user: layout.secret(f"airflow-user-{user}") for user in USERS}
    write_private(path, json.dumps({**passwords, **kept}) + "\n")


def _fernet_key(layout: Layout) -> str:
    """32 bytes in URL-safe base 64, derived from a kept secret."""
    return base64.urlsafe_b64encode(hashlib.sha256(layout.secret("airflow-fernet").encode()).digest()).decode()


def _joined(before: str | None, more: str) -> str:
    parts = (before.split(",") if before else []) + more.split(",")
    return ",".join(dict.fromkeys(part for part in parts if part))
