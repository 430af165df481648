"""The servers of a run: a primary with a replica that streams from it, and one for the store with a small disk."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundwork.local.postgres import SUPERUSER, EmbeddedPostgres, free_port

ROLE = "app"
STRANGER = "stranger"
SMALL_DISK_BYTES = 12 << 20
_CATCH_UP_SECONDS = 240.0
_START_SECONDS = 240.0


@dataclass(frozen=True, kw_only=True)
class Servers:
    """`primary` holds the warehouses, `replica` follows it, `quiet` holds the stores; null replica: it was not made.

    `small_disk` is a folder on a disk of `SMALL_DISK_BYTES` that `quiet` has as the tablespace `small`, null where such
    a disk cannot be mounted.
    """

    folder: Path
    primary: EmbeddedPostgres
    replica: EmbeddedPostgres | None
    quiet: EmbeddedPostgres
    small_disk: Path | None

    def caught_up(self) -> None:
        """Return when the replica has all that the primary has."""
        if self.replica is None:
            return
        with self.primary.connect() as primary, self.replica.connect() as replica:
            (wanted,) = primary.execute("SELECT pg_current_wal_lsn()").fetchone() or (None,)
            deadline = time.monotonic() + _CATCH_UP_SECONDS
            while time.monotonic() < deadline:
                (there,) = replica.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (wanted,)).fetchone() or (
                    0,
                )
                if there:
                    return
                time.sleep(0.02)
        raise RuntimeError("the replica does not catch up")


@contextmanager
def running(*, with_replica: bool = True) -> Iterator[Servers]:
    """The servers, up; nothing of them stays."""
    folder = Path(tempfile.mkdtemp(prefix="groundwork-faults-"))
    folder.chmod(0o755)
    made: list[EmbeddedPostgres] = []
    disk = folder / "small-disk"
    is_mounted = False
    try:
        primary, quiet = (EmbeddedPostgres(home=folder / name, port=free_port()) for name in ("primary", "quiet"))
        for server in (primary, quiet):
            made.append(server)
            server.start(_START_SECONDS)
            _settle(server)
        replica = None
        if with_replica:
            replica = EmbeddedPostgres(home=folder / "replica", port=free_port())
            made.append(replica)
            _copy(primary, replica)
            replica.start(_START_SECONDS)
        is_mounted = _mounted(disk, quiet)
        yield Servers(
            folder=folder, primary=primary, replica=replica, quiet=quiet, small_disk=disk if is_mounted else None
        )
    finally:
        for server in reversed(made):
            server.stop("immediate")
            shutil.rmtree(server.place, ignore_errors=True)
        if is_mounted:
            subprocess.run(["umount", "-l", str(disk)], check=False, capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def _settle(server: EmbeddedPostgres) -> None:
    """Two roles: ours, which could end anybody's session and must not, and a stranger."""
    with server.connect() as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # processes are killed, not machines: nothing is lost
        connection.execute("ALTER SYSTEM SET autovacuum = off")  # statistics are part of some faults
        connection.execute("ALTER SYSTEM SET wal_retrieve_retry_interval = '300ms'")  # a replica looks again soon
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        connection.execute(f"CREATE ROLE {STRANGER} LOGIN PASSWORD '{STRANGER}'")
        connection.execute(f"GRANT pg_signal_backend TO {ROLE}")
        connection.execute(f"GRANT pg_monitor TO {ROLE}")


def _copy(primary: EmbeddedPostgres, replica: EmbeddedPostgres) -> None:
    """Make the replica's data folder from the running primary, ready to follow it."""
    replica.home.mkdir(parents=True)
    shutil.copy2(primary.home / "superuser-password", replica.home / "superuser-password")
    replica.place.mkdir(parents=True, exist_ok=True)
    account = pwd.getpwnam(primary.system_user) if primary.system_user else None
    if account is not None:
        os.chown(replica.place, account.pw_uid, account.pw_gid)
    subprocess.run(
        [
            str(primary.binaries / "pg_basebackup"),
            "-h",
            "127.0.0.1",
            "-p",
            str(primary.port),
            "-U",
            SUPERUSER,
            "-D",
            str(replica.data),
            "-R",
            "-X",
            "stream",
            "-c",
            "fast",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PGPASSWORD": primary.superuser_password},
    )


def _mounted(disk: Path, server: EmbeddedPostgres) -> bool:
    """Whether a disk of few bytes was mounted and given to the server."""
    disk.mkdir()
    owner = pwd.getpwnam(server.system_user) if server.system_user else None
    options = f"size={SMALL_DISK_BYTES},mode=0700" + (f",uid={owner.pw_uid},gid={owner.pw_gid}" if owner else "")
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(disk)], check=False, capture_output=True
        )
    except OSError:
        return False
    if done.returncode != 0:
        return False
    with server.connect() as connection:
        connection.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        connection.execute(f"GRANT CREATE ON TABLESPACE small TO {ROLE}")
    return True
